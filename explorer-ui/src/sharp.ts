// Large images, whole, over their thumbnails once the map is near enough for the difference to be seen.

import type { Camera } from "./camera";
import { css, type Rgb } from "./colors";
import type { Model } from "./model";
import { pictureBox, pictureSide } from "./pictures";
import { frameOf, type Picture } from "./renderer";
import { Server } from "./source";

const MOST = 80; // at once
const KEPT = 300;
const WORTH = 1.25; // times the side of a thumbnail

export class Sharp {
  private readonly images = new Map<number, ImageBitmap | null>();

  constructor(
    private readonly model: Model,
    private readonly loaded: () => void,
  ) {}

  draw(context: CanvasRenderingContext2D, camera: Camera, shown: Picture[], ink: string): void {
    const { model } = this;
    const { width, height } = model.facts.pages;
    const larger = Math.max(width, height);
    const side = pictureSide(camera);
    const isWhole = larger >= Math.max(...model.facts.imageShape.slice(0, 2));
    if (isWhole || side < WORTH * larger || shown.length > MOST || !(model.source instanceof Server)) return;
    const [w, hgt] = pictureBox(model, camera);
    const line = frameOf(side);
    for (const { row } of shown) {
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
      // what lies under the frame is hidden, as it is in thumbnails
      const [sx, sy] = [(inset / w) * image.width, (inset / hgt) * image.height];
      const dim = model.nSelected > 0 && !isSelected;
      context.drawImage(image, sx, sy, image.width - 2 * sx, image.height - 2 * sy, left + inset, top + inset, w - 2 * inset, hgt - 2 * inset);
      if (dim) {
        context.globalAlpha = 0.55;
        frame(getComputedStyle(document.documentElement).getPropertyValue("--ground"), 0);
        context.globalAlpha = 1;
      }
    }
  }

  /** The image, once it is here. */
  private image(id: number, server: Server): ImageBitmap | null {
    const image = this.images.get(id);
    if (image !== undefined) {
      this.images.delete(id); // to the end: used last
      this.images.set(id, image);
      return image;
    }
    this.images.set(id, null);
    server
      .blob(server.imageAddress(id))
      .then((data) => createImageBitmap(data))
      .then((bitmap) => {
        this.images.set(id, bitmap);
        this.loaded();
      })
      .catch(() => this.images.delete(id)); // asked for again when the map is next drawn
    if (this.images.size > KEPT) {
      const [oldest, bitmap] = this.images.entries().next().value!;
      this.images.delete(oldest);
      bitmap?.close();
    }
    return null;
  }
}
