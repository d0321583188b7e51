// Large images, whole, over their thumbnails once the map is near enough for the difference to be seen.

import type { Camera } from "./camera";
import { css, type Rgb } from "./colors";
import type { Model } from "./model";
import { pictureSide } from "./pictures";
import type { Picture } from "./renderer";
import { Server } from "./source";
import { pictureAt } from "./thumbnails";

const MOST = 80; // at once
const KEPT = 300;
const WORTH = 1.25; // times the side of a thumbnail

export class Sharp {
  private readonly images = new Map<number, HTMLImageElement>();

  constructor(
    private readonly model: Model,
    private readonly loaded: () => void,
  ) {}

  draw(context: CanvasRenderingContext2D, camera: Camera, shown: Picture[]): void {
    const { model } = this;
    const { width, height } = model.facts.pages;
    const larger = Math.max(width, height);
    const side = pictureSide(camera);
    const isWhole = larger >= Math.max(...model.facts.imageShape.slice(0, 2));
    if (isWhole || side < WORTH * larger || shown.length > MOST || !(model.source instanceof Server)) return;
    const [w, hgt] = [(side * width) / larger, (side * height) / larger];
    for (const { row } of shown) {
      const image = this.image(model.points.id[row], model.source);
      if (!image.complete || !image.naturalWidth) continue;
      const [x, y] = camera.toScreen(model.x[row], model.y[row]);
      context.drawImage(image, x - w / 2, y - hgt / 2, w, hgt);
      context.lineWidth = 3;
      context.strokeStyle = css([...model.colors.subarray(4 * row, 4 * row + 3)] as Rgb);
      context.strokeRect(x - w / 2, y - hgt / 2, w, hgt);
    }
  }

  private image(id: number, server: Server): HTMLImageElement {
    let image = this.images.get(id);
    if (image) this.images.delete(id); // to the end: used last
    else {
      image = new Image();
      image.addEventListener("load", this.loaded);
      void pictureAt(server, server.imageAddress(id)).then((address) => (image!.src = address), () => undefined);
    }
    this.images.set(id, image);
    if (this.images.size > KEPT) this.images.delete(this.images.keys().next().value!);
    return image;
  }
}
