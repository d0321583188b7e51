// What is drawn over the map: large pictures, neighbours, centres of K-means, the shape that is being drawn.

import type { Camera } from "./camera";
import { h } from "./dom";
import type { Point } from "./gestures";
import type { Inspector } from "./inspector";
import type { Learn } from "./learn";
import type { Model } from "./model";
import { pictureSide } from "./pictures";
import type { Picture } from "./renderer";
import { Sharp } from "./sharp";

export class Overlay {
  readonly element = h("canvas", { class: "overlay", "aria-hidden": "true" });
  /** What is being drawn, in pixels of the screen, and whether it has an inside. */
  shape: Point[] = [];
  isClosed = false;
  private readonly sharp: Sharp;

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly inspector: Inspector,
    private readonly learn: Learn | null,
    redraw: () => void,
  ) {
    this.sharp = new Sharp(model, redraw);
  }

  draw(shown: Picture[]): void {
    const { camera } = this;
    const context = this.element.getContext("2d")!;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    context.clearRect(0, 0, 1, 1); // Chromium may go on showing a canvas whose last act is to be cleared as a whole
    this.sharp.draw(context, camera, shown);
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    if (this.inspector.row >= 0) this.drawNeighbors(context);
    if (this.shape.length > 1) this.drawShape(context);
    this.learn?.drawCenters(context);
  }

  /** A frame round the image that is looked at, and lines to where those like it lie. */
  private drawNeighbors(context: CanvasRenderingContext2D): void {
    const { model, camera, inspector } = this;
    const [x, y] = camera.toScreen(model.x[inspector.row], model.y[inspector.row]);
    context.lineWidth = 1.5;
    for (const row of inspector.neighbors) {
      const [nx, ny] = camera.toScreen(model.x[row], model.y[row]);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(nx, ny);
      context.stroke();
      context.beginPath();
      context.arc(nx, ny, 5, 0, 7);
      context.stroke();
    }
    const side = pictureSide(camera) + 4;
    context.lineWidth = 3;
    context.strokeRect(x - side / 2, y - side / 2, side, side);
  }

  private drawShape(context: CanvasRenderingContext2D): void {
    context.fillStyle = "rgb(120 170 255 / 0.15)";
    context.lineWidth = 2;
    context.beginPath();
    for (const [x, y] of this.shape) context.lineTo(x, y);
    if (this.isClosed) {
      context.closePath();
      context.fill();
    }
    context.stroke();
  }
}
