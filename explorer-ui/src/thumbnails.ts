// A picture of an image as an element: from the server, or cut from its page where there is none.

import { h } from "./dom";
import type { Model } from "./model";
import { Server } from "./source";

const KEPT_PAGES = 32;
const KEPT_PICTURES = 400;

const bitmaps = new Map<number, Promise<ImageBitmap>>();
const addresses = new Map<string, Promise<string>>();

export function thumbnail(model: Model, id: number, side: number, description: string): HTMLElement {
  if (model.source instanceof Server) return sized(model, model.source.imageAddress(id), side, description);
  const canvas = h("canvas", { role: "img", "aria-label": description, ...frame(model, side) });
  void paint(model, id, canvas);
  return canvas;
}

/** What has the shape of the images and lies at an address of the server, with its longer side as given. */
export function sized(model: Model, address: string, side: number, description: string): HTMLElement {
  const image = h("img", { alt: description, ...frame(model, side) });
  image.draggable = false;
  if (model.source instanceof Server) {
    pictureAt(model.source, address).then((found) => (image.src = found), () => image.classList.add("missing"));
  }
  return image;
}

/** An address of this page for a picture of the server, which answers none without the token. */
export function pictureAt(server: Server, address: string): Promise<string> {
  let found = addresses.get(address);
  if (found) addresses.delete(address); // to the end: used last
  else {
    found = server.blob(address).then((data) => URL.createObjectURL(data));
    found.catch(() => addresses.delete(address)); // asked for again when it is next seen
  }
  addresses.set(address, found);
  if (addresses.size > KEPT_PICTURES) {
    const [oldest, picture] = addresses.entries().next().value!;
    addresses.delete(oldest);
    picture.then((one) => URL.revokeObjectURL(one), () => undefined);
  }
  return found;
}

function frame(model: Model, side: number): { class: string; width: number; height: number } {
  const [height, width] = model.facts.imageShape;
  const scale = side / Math.max(width, height);
  const kind = scale < 1 ? "picture smooth" : "picture";
  return { class: kind, width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

async function paint(model: Model, id: number, canvas: HTMLCanvasElement): Promise<void> {
  const bitmap = await pageOf(model, id);
  const [x, y, width, height] = cellOf(model, id);
  const context = canvas.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
}

/** The page on which an image is. */
export function pageOf(model: Model, id: number): Promise<ImageBitmap> {
  const page = Math.floor(model.rowOf[id] / model.facts.pages.perPage);
  let bitmap = bitmaps.get(page);
  if (!bitmap) {
    bitmap = model.source.page(page);
    bitmap.catch(() => bitmaps.delete(page));
    bitmaps.set(page, bitmap);
    if (bitmaps.size > KEPT_PAGES) bitmaps.delete(bitmaps.keys().next().value!);
  }
  return bitmap;
}

/** Where on its page: left, top, width, height. */
export function cellOf(model: Model, id: number): [number, number, number, number] {
  const { perPage, columns, width, height } = model.facts.pages;
  const cell = model.rowOf[id] % perPage;
  return [(cell % columns) * width, Math.floor(cell / columns) * height, width, height];
}
