// Draws over the map: images at full resolution, neighbours, the query image, centres of K-means, the shape being drawn.

import type { Lessons } from "../lessons/lessons";
import type { Model } from "../model/model";
import { h } from "../page/dom";
import type { Inspector } from "../panels/inspector";
import type { QueryImage } from "../panels/query-image";
import type { Camera } from "./camera";
import { FullResolution } from "./full-resolution";
import { spriteBox, type Sprite } from "./sprites";

const RING_RADIUS = 9; // pixels, around a dot
const NEIGHBOR_RADIUS = 5; // pixels, around a neighbour
const QUERY_SIDE = 72; // pixels of the query image

export class Overlay {
  readonly element = h("canvas", { class: "overlay", "aria-hidden": "true" });
  /** The shape being drawn, in positions of the map, and whether it is closed. */
  shape: [number, number][] = [];
  isClosed = false;
  /** Whether the pointer is on the map; only then is the hovered image marked. */
  isHovered = false;
  /** The row that is pointed at beside the map, as in the grid; -1 if none. */
  pointed = -1;
  private readonly fullResolution: FullResolution;

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly inspector: Inspector,
    private readonly query: QueryImage,
    private readonly lessons: Lessons | null,
    redraw: () => void,
  ) {
    this.fullResolution = new FullResolution(model, redraw);
  }

  /** Forget the images at full resolution. */
  forgetImages(): void {
    this.fullResolution.clear();
  }

  /** Draw on a canvas with `ratio` pixels for one of the page. */
  draw(sprites: Sprite[], ratio = devicePixelRatio): void {
    const { camera, inspector } = this;
    const context = this.element.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    context.clearRect(0, 0, 1, 1); // Chromium may keep showing a canvas that was only cleared as a whole
    const style = getComputedStyle(document.documentElement);
    this.fullResolution.draw(context, camera, sprites, style.getPropertyValue("--ink"));
    context.strokeStyle = style.getPropertyValue("--accent");
    if (inspector.row >= 0 && (inspector.pinned || this.isHovered)) this.drawInspected(context, sprites);
    if (this.pointed >= 0 && this.model.visible[this.pointed]) this.drawMark(context, this.pointed, sprites);
    if (this.query.result) this.drawQuery(context, this.query.result);
    if (this.shape.length > 1) this.drawShape(context);
    this.lessons?.kmeans.draw(context);
  }

  /** Mark the inspected image, and draw lines to its neighbours. */
  private drawInspected(context: CanvasRenderingContext2D, sprites: Sprite[]): void {
    const { model, camera, inspector } = this;
    if (Number.isNaN(model.x[inspector.row])) return;
    this.drawLines(context, ...camera.toScreen(model.x[inspector.row], model.y[inspector.row]), inspector.neighbors);
    this.drawMark(context, inspector.row, sprites); // the pinned image is drawn on top
  }

  /** Draw a frame around an image, or a ring around its dot. */
  private drawMark(context: CanvasRenderingContext2D, row: number, sprites: Sprite[]): void {
    const { model, camera } = this;
    const [x, y] = camera.toScreen(model.x[row], model.y[row]);
    context.lineWidth = 3;
    const [width, height] = spriteBox(model, camera).map((side) => side + 4);
    if (sprites.some((sprite) => sprite.row === row)) context.strokeRect(x - width / 2, y - height / 2, width, height);
    else ring(context, x, y, RING_RADIUS);
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
      ring(context, nx, ny, NEIGHBOR_RADIUS);
    }
  }

  private drawQuery(context: CanvasRenderingContext2D, query: NonNullable<QueryImage["result"]>): void {
    const [x, y] = this.camera.toScreen(query.x, query.y);
    this.drawLines(context, x, y, query.neighbors);
    context.save();
    context.lineWidth = 3;
    context.setLineDash([8, 4]);
    if (query.image) {
      const scale = QUERY_SIDE / Math.max(query.image.width, query.image.height);
      const [width, height] = [scale * query.image.width, scale * query.image.height];
      context.imageSmoothingEnabled = scale < 1;
      context.drawImage(query.image, x - width / 2, y - height / 2, width, height);
      context.strokeRect(x - width / 2 - 2, y - height / 2 - 2, width + 4, height + 4);
    } else ring(context, x, y, 2 * RING_RADIUS);
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
