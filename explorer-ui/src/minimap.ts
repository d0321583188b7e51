// The whole map in small, and what part of it is seen.

import type { Camera } from "./camera";
import { h } from "./dom";
import { t } from "./i18n";
import type { Model } from "./model";

const SIDE = 140;
const MOST_DOTS = 20_000;

export class Minimap {
  readonly element = h("canvas", { class: "minimap", width: 2 * SIDE, height: 2 * SIDE, role: "img" });
  private readonly picture = h("canvas", { width: 2 * SIDE, height: 2 * SIDE });

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
  ) {
    this.element.setAttribute("aria-label", t("minimap"));
    this.element.title = t("minimap");
    const go = (event: PointerEvent): void => {
      if (!event.buttons) return;
      const [left, bottom, side] = model.facts.square;
      const box = this.element.getBoundingClientRect();
      const x = left + ((event.clientX - box.left) / box.width) * side;
      const y = bottom + (1 - (event.clientY - box.top) / box.height) * side;
      camera.set(x, y, camera.zoom);
    };
    this.element.addEventListener("pointerdown", go);
    this.element.addEventListener("pointermove", go);
  }

  /** Draw the points anew. */
  repaint(): void {
    const { model } = this;
    const context = this.picture.getContext("2d")!;
    context.clearRect(0, 0, 2 * SIDE, 2 * SIDE);
    const [left, bottom, side] = model.facts.square;
    const scale = (2 * SIDE) / side;
    const dot = Math.min(6, Math.max(1.5, SIDE / Math.sqrt(model.nVisible))); // few are seen too
    let leftOver = MOST_DOTS;
    for (let row = 0; row < model.n && leftOver > 0; row++) {
      const [r, g, b, a] = model.colors.subarray(4 * row, 4 * row + 4);
      if (!a) continue;
      leftOver -= 1;
      context.fillStyle = `rgb(${r} ${g} ${b} / ${a / 255})`;
      context.fillRect((model.x[row] - left) * scale, 2 * SIDE - (model.y[row] - bottom) * scale, dot, dot);
    }
    this.draw();
  }

  /** Draw the frame of what is seen. */
  draw(): void {
    const context = this.element.getContext("2d")!;
    context.clearRect(0, 0, 2 * SIDE, 2 * SIDE);
    context.drawImage(this.picture, 0, 0);
    const [left, bottom, side] = this.model.facts.square;
    const scale = (2 * SIDE) / side;
    const [x0, y0, x1, y1] = this.camera.bounds();
    context.strokeStyle = getComputedStyle(this.element).color;
    context.lineWidth = 2;
    context.strokeRect((x0 - left) * scale, 2 * SIDE - (y1 - bottom) * scale, (x1 - x0) * scale, (y1 - y0) * scale);
  }
}
