// An overview of the whole map that marks the part in view.

import { t } from "../i18n/translate";
import { FAINT } from "../model/colors";
import type { Model } from "../model/model";
import { h } from "../page/dom";
import type { Camera } from "./camera";

const SIDE = 140;
const MARGIN = 0.05; // fraction of the side that is free around the map
const MAX_DOTS = 20_000;
const MIN_FRAME = 12; // pixels of the frame around the part in view
const SMALL_FRAME = 48; // pixels up to which lines lead to the frame

export class Minimap {
  readonly element = h("canvas", { class: "minimap", width: 2 * SIDE, height: 2 * SIDE, role: "img" });
  private readonly points = h("canvas", { width: 2 * SIDE, height: 2 * SIDE });

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
  ) {
    this.element.setAttribute("aria-label", t("minimap"));
    this.element.title = t("minimap");
    const go = (event: PointerEvent): void => {
      if (!event.buttons) return;
      const [left, bottom, side] = this.square;
      const box = this.element.getBoundingClientRect();
      const x = left + ((event.clientX - box.left) / box.width) * side;
      const y = bottom + (1 - (event.clientY - box.top) / box.height) * side;
      camera.set(x, y, camera.zoom);
    };
    this.element.addEventListener("pointerdown", go);
    this.element.addEventListener("pointermove", go);
  }

  /** Left, bottom and side of the square that the minimap shows. */
  private get square(): [number, number, number] {
    const [left, bottom, side] = this.model.facts.square;
    const all = side / (1 - 2 * MARGIN);
    return [left - MARGIN * all, bottom - MARGIN * all, all];
  }

  /** Draw the points again. */
  repaint(): void {
    const { model } = this;
    const context = this.points.getContext("2d")!;
    context.clearRect(0, 0, 2 * SIDE, 2 * SIDE);
    const [left, bottom, side] = this.square;
    const scale = (2 * SIDE) / side;
    const dot = Math.min(6, Math.max(1.5, SIDE / Math.sqrt(model.nVisible))); // few points are drawn larger
    let leftOver = MAX_DOTS;
    for (let row = 0; row < model.n && leftOver > 0; row++) {
      const [r, g, b, a] = model.colors.subarray(4 * row, 4 * row + 4);
      if (a <= FAINT) continue;
      leftOver -= 1;
      context.fillStyle = `rgb(${r} ${g} ${b} / ${a / 255})`;
      context.fillRect((model.x[row] - left) * scale - dot / 2, 2 * SIDE - (model.y[row] - bottom) * scale - dot / 2, dot, dot);
    }
    this.draw();
  }

  /** Draw the frame around the part in view, with lines that lead to it if it is small; none if that is the whole map. */
  draw(): void {
    const context = this.element.getContext("2d")!;
    const all = 2 * SIDE;
    context.clearRect(0, 0, all, all);
    context.drawImage(this.points, 0, 0);
    const [left, bottom, side] = this.square;
    const scale = all / side;
    const { x, y } = this.camera;
    const [x0, y0, x1, y1] = this.camera.bounds();
    const [homeLeft, homeBottom, homeSide] = this.model.facts.square;
    if (x0 <= homeLeft && y0 <= homeBottom && x1 >= homeLeft + homeSide && y1 >= homeBottom + homeSide) return; // all is in view
    const [mx, my] = [(x - left) * scale, all - (y - bottom) * scale];
    const [width, height] = [x1 - x0, y1 - y0].map((extent) => Math.max(2 * MIN_FRAME, extent * scale));
    const style = getComputedStyle(this.element);
    context.strokeStyle = style.color;
    if (Math.max(width, height) < 2 * SMALL_FRAME) {
      context.lineWidth = 1;
      context.beginPath();
      for (const [ax, ay, bx, by] of [
        [mx, 0, mx, my - height / 2],
        [mx, my + height / 2, mx, all],
        [0, my, mx - width / 2, my],
        [mx + width / 2, my, all, my],
      ]) {
        context.moveTo(ax, ay);
        context.lineTo(bx, by);
      }
      context.stroke();
      context.fillStyle = style.getPropertyValue("--accent");
      context.globalAlpha = 0.5;
      context.fillRect(mx - width / 2, my - height / 2, width, height);
      context.globalAlpha = 1;
    }
    context.lineWidth = 3;
    context.strokeRect(mx - width / 2, my - height / 2, width, height);
  }
}
