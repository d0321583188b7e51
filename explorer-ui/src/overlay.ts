// What is drawn over the map: large pictures, neighbours, a dropped picture, centres of K-means, the shape that is being drawn.

import type { Camera } from "./camera";
import { h } from "./dom";
import type { Dropped } from "./dropped";
import type { Inspector } from "./inspector";
import type { Learn } from "./learn";
import type { Model } from "./model";
import { pictureBox } from "./pictures";
import type { Picture } from "./renderer";
import { Sharp } from "./sharp";

const RING = 9; // radius round a dot, in pixels
const SPOT = 5; // radius round a neighbour
const DROPPED_SIDE = 72; // of a dropped picture on the map

export class Overlay {
  readonly element = h("canvas", { class: "overlay", "aria-hidden": "true" });
  /** What is being drawn, on the map, and whether it has an inside. */
  shape: [number, number][] = [];
  isClosed = false;
  /** Whether the pointer is on the map: what it only points at is not shown when it has left. */
  isPointed = false;
  private readonly sharp: Sharp;

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly inspector: Inspector,
    private readonly dropped: Dropped,
    private readonly learn: Learn | null,
    redraw: () => void,
  ) {
    this.sharp = new Sharp(model, redraw);
  }

  /** Draw for a canvas with so many pixels for a pixel of the page. */
  draw(shown: Picture[], ratio = devicePixelRatio): void {
    const { camera, inspector } = this;
    const context = this.element.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    context.clearRect(0, 0, 1, 1); // Chromium may go on showing a canvas whose last act is to be cleared as a whole
    const style = getComputedStyle(document.documentElement);
    this.sharp.draw(context, camera, shown, style.getPropertyValue("--ink"));
    context.strokeStyle = style.getPropertyValue("--accent");
    if (inspector.row >= 0 && (inspector.pinned || this.isPointed)) this.drawInspected(context, shown);
    if (this.dropped.place) this.drawDropped(context, this.dropped.place);
    if (this.shape.length > 1) this.drawShape(context);
    this.learn?.drawCenters(context);
  }

  /** A frame round the image that is looked at, or a ring round its dot, and lines to where those like it lie. */
  private drawInspected(context: CanvasRenderingContext2D, shown: Picture[]): void {
    const { model, camera, inspector } = this;
    if (Number.isNaN(model.x[inspector.row])) return;
    const [x, y] = camera.toScreen(model.x[inspector.row], model.y[inspector.row]);
    this.drawLines(context, x, y, inspector.neighbors);
    context.lineWidth = 3;
    const [width, height] = pictureBox(model, camera).map((side) => side + 4);
    // the pinned one is drawn above all others
    if (shown.some(({ row }) => row === inspector.row)) context.strokeRect(x - width / 2, y - height / 2, width, height);
    else ring(context, x, y, RING);
  }

  private drawLines(context: CanvasRenderingContext2D, x: number, y: number, rows: number[]): void {
    const { model, camera } = this;
    context.lineWidth = 1.5;
    for (const row of rows) {
      if (!model.visible[row]) continue;
      const [nx, ny] = camera.toScreen(model.x[row], model.y[row]);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(nx, ny);
      context.stroke();
      ring(context, nx, ny, SPOT);
    }
  }

  private drawDropped(context: CanvasRenderingContext2D, place: NonNullable<Dropped["place"]>): void {
    const [x, y] = this.camera.toScreen(place.x, place.y);
    this.drawLines(context, x, y, place.neighbors);
    context.save();
    context.lineWidth = 3;
    context.setLineDash([8, 4]);
    if (place.picture) {
      const scale = DROPPED_SIDE / Math.max(place.picture.width, place.picture.height);
      const [width, height] = [scale * place.picture.width, scale * place.picture.height];
      context.imageSmoothingEnabled = scale < 1;
      context.drawImage(place.picture, x - width / 2, y - height / 2, width, height);
      context.strokeRect(x - width / 2 - 2, y - height / 2 - 2, width + 4, height + 4);
    } else ring(context, x, y, 2 * RING);
    context.restore();
  }

  private drawShape(context: CanvasRenderingContext2D): void {
    context.fillStyle = "rgb(120 170 255 / 0.15)";
    context.lineWidth = 2;
    context.beginPath();
    for (const [x, y] of this.shape) context.lineTo(...this.camera.toScreen(x, y));
    if (this.isClosed) {
      context.closePath();
      context.fill();
    }
    context.stroke();
  }
}

function ring(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.stroke();
}
