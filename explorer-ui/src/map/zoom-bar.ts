// Shows the zoom factor, with buttons to zoom in, out and to the whole map.

import { t } from "../i18n/translate";
import { button, h } from "../page/dom";
import type { Camera } from "./camera";

const STEP = 0.5; // doublings

export class ZoomBar {
  readonly element: HTMLElement;
  private readonly factor = h("output", { class: "zoom-factor", title: t("zoomFactor") });
  private readonly zoomIn: HTMLButtonElement;
  private readonly zoomOut: HTMLButtonElement;
  private readonly home: HTMLButtonElement;

  constructor(private readonly camera: Camera) {
    const zoom = (steps: number) => () => camera.zoomAt(camera.width / 2, camera.height / 2, steps);
    this.zoomOut = button("−", zoom(-STEP), { "aria-label": t("zoomOut"), title: t("zoomOut") });
    this.zoomIn = button("+", zoom(STEP), { "aria-label": t("zoomIn"), title: t("zoomIn") });
    this.home = button(t("showAll"), () => camera.flyHome(), { title: `${t("showAll")} (0)`, class: "all" });
    this.element = h("div", { class: "zoombar", role: "group", "aria-label": t("zoomFactor") }, this.zoomOut, this.factor, this.zoomIn, this.home);
  }

  draw(): void {
    const { zoom, maxZoom } = this.camera;
    const times = 2 ** zoom;
    const text = `× ${times < 9.95 ? times.toFixed(1) : Math.round(times).toLocaleString(document.documentElement.lang)}`;
    if (this.factor.textContent !== text) this.factor.textContent = text;
    // a disabled button would lose the focus; this runs often, so only changes are written
    const disable = (one: HTMLButtonElement, is: boolean): void => {
      if (one.getAttribute("aria-disabled") !== String(is)) one.setAttribute("aria-disabled", String(is));
    };
    disable(this.zoomIn, zoom > maxZoom - 1e-6);
    disable(this.home, this.camera.isHome);
  }
}
