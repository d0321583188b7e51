// How near the map is, and the way back to all of it.

import type { Camera } from "./camera";
import { button, h } from "./dom";
import { t } from "./i18n";

const STEP = 0.5; // doublings

export class Zoombar {
  readonly element: HTMLElement;
  private readonly factor = h("output", { class: "zoom-factor", title: t("zoomFactor") });
  private readonly nearer: HTMLButtonElement;
  private readonly farther: HTMLButtonElement;
  private readonly all: HTMLButtonElement;

  constructor(private readonly camera: Camera) {
    const zoom = (steps: number) => () => camera.zoomAt(camera.width / 2, camera.height / 2, steps);
    this.farther = button("−", zoom(-STEP), { "aria-label": t("zoomOut"), title: t("zoomOut") });
    this.nearer = button("+", zoom(STEP), { "aria-label": t("zoomIn"), title: t("zoomIn") });
    this.all = button(t("backToAll"), () => camera.flyHome(), { title: `${t("backToAll")} (0)`, class: "all" });
    this.element = h("div", { class: "zoombar", role: "group", "aria-label": t("zoomFactor") }, this.farther, this.factor, this.nearer, this.all);
  }

  draw(): void {
    const { zoom, maxZoom } = this.camera;
    const times = 2 ** zoom;
    const text = `× ${times < 9.95 ? times.toFixed(1) : Math.round(times).toLocaleString(document.documentElement.lang)}`;
    if (this.factor.textContent !== text) this.factor.textContent = text;
    // not disabled altogether, which would lose the focus; and set only when it changes, since this is drawn often
    const disable = (one: HTMLButtonElement, is: boolean): void => {
      if (one.getAttribute("aria-disabled") !== String(is)) one.setAttribute("aria-disabled", String(is));
    };
    disable(this.nearer, zoom > maxZoom - 1e-6);
    disable(this.all, this.camera.isHome);
  }
}
