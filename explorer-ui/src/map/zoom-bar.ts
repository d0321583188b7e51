// Shows the zoom factor and the number of images in view, with buttons to zoom in, out and to the whole map.

import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { button, h } from "../page/dom";
import type { Camera } from "./camera";
import { countInside } from "./picking";

const STEP = 0.5; // doublings

export class ZoomBar {
  readonly element: HTMLElement;
  private readonly factor = h("span", { class: "factor" });
  private readonly count = h("small", { class: "in-view" });
  private readonly zoomIn: HTMLButtonElement;
  private readonly zoomOut: HTMLButtonElement;
  private readonly home: HTMLButtonElement;
  /** The view whose images were counted; "" if they have changed. */
  private countedFor = "";

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
  ) {
    const zoom = (steps: number) => () => camera.zoomAt(camera.width / 2, camera.height / 2, steps);
    this.zoomOut = button("−", zoom(-STEP), { "aria-label": t("zoomOut"), title: t("zoomOut") });
    this.zoomIn = button("+", zoom(STEP), { "aria-label": t("zoomIn"), title: t("zoomIn") });
    this.home = button(t("showAll"), () => camera.flyHome(), { title: `${t("showAll")} (0)`, class: "all" });
    const scale = h("output", { class: "zoom-factor", title: t("zoomHint") }, this.factor, this.count);
    this.element = h("div", { class: "zoombar", role: "group", "aria-label": t("zoomFactor") }, this.zoomOut, scale, this.zoomIn, this.home);
    const forget = (): void => void (this.countedFor = "");
    model.filterChanged.on(forget);
    model.positionsChanged.on(forget);
  }

  /** Show the zoom; the images in view are counted once the map rests. */
  draw(isMoving: boolean): void {
    const { camera } = this;
    const times = 2 ** camera.zoom;
    write(this.factor, `× ${times < 9.95 ? times.toFixed(1) : Math.round(times).toLocaleString(document.documentElement.lang)}`);
    // a disabled button would lose the focus; this runs often, so only changes are written
    const disable = (one: HTMLButtonElement, is: boolean): void => {
      if (one.getAttribute("aria-disabled") !== String(is)) one.setAttribute("aria-disabled", String(is));
    };
    disable(this.home, camera.isHome);
    if (isMoving || camera.key === this.countedFor) return;
    this.countedFor = camera.key;
    disable(this.zoomIn, !camera.canZoomIn);
    write(this.count, t("inView", { n: countInside(this.model, camera.bounds()) }));
  }
}

function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
