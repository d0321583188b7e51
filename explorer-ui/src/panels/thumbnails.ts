// Thumbnails as elements: from the server, or cut from a sprite sheet if there is none.

import { Server } from "../data/server";
import { css } from "../model/colors";
import type { Model } from "../model/model";
import { h } from "../page/dom";

const MAX_CACHED_SHEETS = 32;
const MAX_CACHED_IMAGES = 1500; // more than a grid of small pictures shows at once

const bitmaps = new Map<number, Promise<ImageBitmap>>();
const urls = new Map<string, Promise<string>>();

export function thumbnail(model: Model, id: number, side: number, description: string): HTMLElement {
  const { element, load } = lazyThumbnail(model, id, side, description);
  void load();
  return element;
}

/** A thumbnail, and a function that loads it. */
export function lazyThumbnail(model: Model, id: number, side: number, description = ""): { element: HTMLElement; load: () => Promise<void> } {
  const { source } = model;
  if (!model.facts.hasPictures) return { element: dot(model, id, side, description), load: () => Promise.resolve() };
  if (source instanceof Server) {
    const image = emptyImage(model, side, description);
    return { element: image, load: () => load(image, source, source.imageAddress(id)) };
  }
  const canvas = h("canvas", { ...(description ? { role: "img", "aria-label": description } : { "aria-hidden": "true" }), ...frame(model, side) });
  return { element: canvas, load: () => paint(model, id, canvas) };
}

/** A dot in the colour of the point, where points have no pictures. */
function dot(model: Model, id: number, side: number, description: string): HTMLElement {
  const [red, green, blue] = model.colors.subarray(4 * model.rowOf[id]);
  const element = h("span", { class: "point", ...(description ? { role: "img", "aria-label": description } : {}) });
  Object.assign(element.style, { width: `${side}px`, height: `${side}px`, color: css([red, green, blue]) });
  return element;
}

/** An image of the server with the shape of the run's images and the given longer side. */
export function imageAt(model: Model, address: string, side: number, description: string): HTMLElement {
  const image = emptyImage(model, side, description);
  if (model.source instanceof Server) void load(image, model.source, address);
  return image;
}

function emptyImage(model: Model, side: number, description: string): HTMLImageElement {
  const image = h("img", { alt: description, ...frame(model, side) });
  image.draggable = false;
  return image;
}

async function load(image: HTMLImageElement, server: Server, address: string): Promise<void> {
  image.dataset.address = address;
  try {
    const found = await objectUrl(server, address);
    if (image.dataset.address === address) image.src = found; // not superseded
  } catch {
    image.classList.add("missing");
  }
}

/** Load the images on the page again by the present colours of the channels. */
export function remixImages(server: Server): void {
  for (const image of document.querySelectorAll<HTMLImageElement>("img[data-address]")) {
    void load(image, server, server.remixed(image.dataset.address!));
  }
}

/** An object URL for an image of the server; an `img` element cannot send the token. */
export function objectUrl(server: Server, address: string): Promise<string> {
  let found = urls.get(address);
  if (found) urls.delete(address); // most recently used last
  else {
    found = server.blob(address).then((data) => URL.createObjectURL(data));
    found.catch(() => urls.delete(address)); // requested again when it is next shown
  }
  urls.set(address, found);
  if (urls.size > MAX_CACHED_IMAGES) {
    const [oldest, url] = urls.entries().next().value!;
    urls.delete(oldest);
    url.then((one) => URL.revokeObjectURL(one), () => undefined);
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
  const bitmap = await sheetOf(model, id);
  const [x, y, width, height] = cellOf(model, id);
  const context = canvas.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
}

/** The sprite sheet that contains an image. */
export async function sheetOf(model: Model, id: number): Promise<ImageBitmap> {
  const sheet = Math.floor(model.placeOf(await model.find(id)) / model.facts.pages.perPage);
  let bitmap = bitmaps.get(sheet);
  if (!bitmap) {
    bitmap = model.source.spriteSheet(sheet);
    bitmap.catch(() => bitmaps.delete(sheet));
    bitmaps.set(sheet, bitmap);
    if (bitmaps.size > MAX_CACHED_SHEETS) bitmaps.delete(bitmaps.keys().next().value!);
  }
  return bitmap;
}

/** Left, top, width and height of an image in its sprite sheet. */
export function cellOf(model: Model, id: number): [number, number, number, number] {
  const { perPage, columns, width, height } = model.facts.pages;
  const cell = model.placeOf(model.rowOf[id]) % perPage;
  return [(cell % columns) * width, Math.floor(cell / columns) * height, width, height];
}
