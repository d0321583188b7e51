// Draws images at full resolution over their thumbnails where these are magnified.

import { Server } from "../data/server";
import { css, type Rgb } from "../model/colors";
import type { Model } from "../model/model";
import type { Camera } from "./camera";
import { frameWidth, spriteBox, spriteSide, type Sprite } from "./sprites";

const MAX_IMAGES = 80; // on the map at the same time
const MAX_CACHED = 300;
const MIN_MAGNIFICATION = 1.25; // of a thumbnail
const DIM = 0.55; // opacity of the ground over images that are not selected

export class FullResolution {
  private readonly images = new Map<number, ImageBitmap | null>();

  constructor(
    private readonly model: Model,
    private readonly loaded: () => void,
  ) {}

  draw(context: CanvasRenderingContext2D, camera: Camera, sprites: Sprite[], ink: string): void {
    const { model } = this;
    const { width, height } = model.facts.pages;
    const larger = Math.max(width, height);
    const side = spriteSide(camera);
    const isOriginalSize = larger >= Math.max(...model.facts.imageShape.slice(0, 2));
    if (isOriginalSize || side < MIN_MAGNIFICATION * larger || sprites.length > MAX_IMAGES || !(model.source instanceof Server)) return;
    const [w, hgt] = spriteBox(model, camera);
    const line = frameWidth(side);
    for (const { row } of sprites) {
      const isSelected = model.selected[row] === 1;
      const image = this.image(model.points.id[row], model.source);
      if (!image) continue;
      const [px, py] = camera.toScreen(model.x[row], model.y[row]);
      const [left, top] = [px - w / 2, py - hgt / 2];
      const frame = (color: string, inset: number): void => {
        context.fillStyle = color;
        context.fillRect(left + inset, top + inset, w - 2 * inset, hgt - 2 * inset);
      };
      if (isSelected) frame(ink, 0);
      const inner = isSelected ? line : 0;
      frame(css([...model.colors.subarray(4 * row, 4 * row + 3)] as Rgb), inner);
      const inset = inner + line;
      // the frame covers the edge of the image, as it does on thumbnails
      const [sx, sy] = [(inset / w) * image.width, (inset / hgt) * image.height];
      const isDim = model.nSelected > 0 && !isSelected;
      context.drawImage(image, sx, sy, image.width - 2 * sx, image.height - 2 * sy, left + inset, top + inset, w - 2 * inset, hgt - 2 * inset);
      if (isDim) {
        context.globalAlpha = DIM;
        frame(getComputedStyle(document.documentElement).getPropertyValue("--ground"), 0);
        context.globalAlpha = 1;
      }
    }
  }

  /** Forget all images, whose channels have other colours now. */
  clear(): void {
    for (const bitmap of this.images.values()) bitmap?.close();
    this.images.clear();
  }

  /** The image; null while it is loading. */
  private image(id: number, server: Server): ImageBitmap | null {
    const image = this.images.get(id);
    if (image !== undefined) {
      this.images.delete(id); // most recently used last
      this.images.set(id, image);
      return image;
    }
    this.images.set(id, null);
    const { mix } = server;
    server
      .blob(server.imageAddress(id))
      .then((data) => createImageBitmap(data))
      .then((bitmap) => {
        if (server.mix !== mix) return bitmap.close(); // superseded
        this.images.set(id, bitmap);
        this.loaded();
      })
      .catch(() => this.images.delete(id)); // requested again when the map is next drawn
    if (this.images.size > MAX_CACHED) {
      const [oldest, bitmap] = this.images.entries().next().value!;
      this.images.delete(oldest);
      bitmap?.close();
    }
    return null;
  }
}
