// The channels of images that are neither grey nor in colour: a switch, a colour and a brightness for each.

import type { Server } from "../data/server";
import { t } from "../i18n/translate";
import type { ChannelColors } from "../model/channel-colors";
import { button, h } from "../page/dom";

const SAVE_DELAY = 400; // milliseconds after the last change
const STEPS_PER_DOUBLING = 10; // of the slider
const MAX_DOUBLINGS = 4; // of the brightness, which is 16 then

interface Row {
  shown: HTMLInputElement;
  color: HTMLInputElement;
  brightness: HTMLInputElement;
  percent: HTMLElement;
}

export class ChannelPanel {
  readonly element: HTMLElement;
  private readonly rows: Row[];
  private readonly resetButton: HTMLButtonElement;
  private timer = 0;

  constructor(
    private readonly colors: ChannelColors,
    private readonly server: Server,
    private readonly canSave: boolean,
    private readonly failed: (error: unknown) => void,
  ) {
    this.rows = colors.channels.map((_, i) => this.row(i));
    this.resetButton = button(t("channelsReset"), () => this.reset(), { "data-act": "reset-channels" });
    const list = colors.channels.map(({ name, low, high }, i) => {
      const { shown, color, brightness, percent } = this.rows[i];
      const range = t("channelRange", { low: String(low), high: String(high) });
      const solo = button(name, () => colors.solo(i), { class: "small channel-name", title: `${range} ${t("channelAlone")}` });
      return h("div", { class: "channel" }, shown, color, solo, brightness, percent);
    });
    this.element = h("section", { class: "channels" }, h("h2", { text: t("channels") }), ...list, h("div", { class: "buttons" }, this.resetButton));
    colors.changed.on(() => this.update());
    this.showColors();
  }

  private row(i: number): Row {
    const { colors } = this;
    const { name } = colors.channels[i];
    const shown = h("input", { type: "checkbox", "aria-label": t("channelShown", { name }) });
    shown.addEventListener("change", () => colors.set(i, { visible: shown.checked }));
    const color = h("input", { type: "color", "aria-label": t("channelColor", { name }) });
    color.addEventListener("input", () => colors.set(i, { color: color.value }));
    const limit = STEPS_PER_DOUBLING * MAX_DOUBLINGS;
    const brightness = h("input", { type: "range", min: -limit, max: limit, step: 1, "aria-label": t("channelBrightness", { name }) });
    brightness.addEventListener("input", () => colors.set(i, { brightness: 2 ** (brightness.valueAsNumber / STEPS_PER_DOUBLING) }));
    return { shown, color, brightness, percent: h("span", { class: "percent", "aria-hidden": "true" }) };
  }

  private reset(): void {
    this.colors.reset();
    this.rows[0].shown.focus(); // the button is now disabled
  }

  private update(): void {
    this.showColors();
    clearTimeout(this.timer);
    if (this.canSave) this.timer = window.setTimeout(() => {
      this.server.post("/api/channels", { channels: this.colors.looks }).catch(this.failed);
    }, SAVE_DELAY);
  }

  private showColors(): void {
    this.colors.channels.forEach((one, i) => {
      const { shown, color, brightness, percent } = this.rows[i];
      shown.checked = one.visible;
      color.value = one.color;
      brightness.value = String(Math.round(STEPS_PER_DOUBLING * Math.log2(Math.max(one.brightness, 2 ** -MAX_DOUBLINGS))));
      percent.textContent = `${Math.round(100 * one.brightness)} %`;
      brightness.setAttribute("aria-valuetext", percent.textContent);
    });
    this.resetButton.disabled = this.colors.isOwn;
  }
}
