// Sliders for the weights of the kinds of features: what counts as alike.

import { t } from "../i18n/translate";
import type { KindWeights } from "../model/kind-weights";
import { button, h } from "../page/dom";
import { kindName, percentText } from "./difference";

interface Slider {
  kind: string;
  input: HTMLInputElement;
  percent: HTMLElement;
}

export class WeightSliders {
  readonly element: HTMLDetailsElement;
  private readonly sliders: Slider[];
  private readonly resetButton: HTMLButtonElement;
  private readonly hint = h("p", { class: "hint", role: "status" });

  /** `job` is shown below the sliders. */
  constructor(
    private readonly weights: KindWeights,
    job: HTMLElement,
  ) {
    this.sliders = weights.kinds.map((kind, i) => this.slider(kind, `weight-${i}`));
    this.resetButton = button(t("weightsReset"), () => this.reset(), { "data-act": "reset-weights" });
    this.element = h(
      "details",
      { class: "weights" },
      h("summary", { text: t("alike") }),
      ...this.sliders.map((one) => h("div", { class: "weight" }, h("label", { for: one.input.id, text: kindName(one.kind) }), one.input, one.percent)),
      this.hint,
      h("div", { class: "buttons" }, this.resetButton),
      job,
    );
    this.element.addEventListener("toggle", () => {
      if (this.element.open) this.resetButton.scrollIntoView({ block: "nearest" });
    });
    weights.changed.on(() => this.update());
    this.update();
  }

  private slider(kind: string, id: string): Slider {
    const input = h("input", { type: "range", id, min: 0, max: 100, step: 1, "aria-label": kindName(kind), "data-kind": kind });
    input.addEventListener("input", () => this.weights.set(kind, input.valueAsNumber));
    return { kind, input, percent: h("span", { class: "percent", "aria-hidden": "true" }) };
  }

  private reset(): void {
    this.weights.reset();
    this.sliders[0].input.focus(); // the button is now disabled
  }

  private update(): void {
    const { weights } = this;
    for (const { kind, input, percent } of this.sliders) {
      const text = percentText(weights.fraction(kind));
      input.value = String(Math.round(weights.position(kind)));
      input.setAttribute("aria-valuetext", text);
      percent.textContent = text;
    }
    this.hint.textContent = weights.isEmpty ? t("weightsNone") : weights.isOwn ? t("weightsOwn") : "";
    this.resetButton.disabled = weights.isOwn;
    if (!weights.isOwn) this.element.open = true; // those of a link are seen
  }
}
