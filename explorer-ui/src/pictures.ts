// Which pictures are shown, and how large: as many as have room, those of coarser levels first.

import { clamp, NEAR_SIDE, type Camera, type PictureSize } from "./camera";
import type { Model } from "./model";
import type { Picture } from "./renderer";

const SMALLEST = 30; // side on the screen when the whole map is seen, in pixels
const LARGE_AT_HOME = 96; // of few images, which have room, when the whole map is seen
const CROWDED = 160; // up to which pictures grow where more images wait for room, which then appear instead
const MOST_OF_SCREEN = 0.5; // fraction of the shorter side of the map that a picture takes
const SIDES: { [size in PictureSize]?: number } = { small: 24, medium: 48, large: 96 };
const MOST = 3000;
const APART = 0.82; // pictures come as near as this fraction of their side
const APART_NEAR = 0.35; // and as this at the end of zooming, where nothing else separates them
const TOUCHING = 0.95; // of the distance between images that their pictures fill

/**
 * Side of pictures on the screen, in pixels; 0 for dots only. As one zooms it doubles with the map until the pictures are
 * large; then others come between them, until none are left and the last ones grow until they nearly touch. A side that
 * was chosen stays, until the images are so far from each other that they would leave the map empty.
 */
export function pictureSide(camera: Camera): number {
  if (camera.pictureSize === "none") return 0;
  const largest = Math.min(NEAR_SIDE, MOST_OF_SCREEN * Math.min(camera.width, camera.height));
  const room = TOUCHING * camera.shownSpacing;
  const chosen = SIDES[camera.pictureSize];
  if (chosen) return Math.min(largest, Math.max(chosen, room * camera.scale));
  const atHome = clamp(room * camera.homeScale, SMALLEST, LARGE_AT_HOME);
  const from = Math.log2(CROWDED / atHome); // zoom from which others come
  const way = clamp((camera.zoom - from) / Math.max(0.01, camera.maxZoom - from), 0, 1);
  const limit = Math.max(CROWDED * (NEAR_SIDE / CROWDED) ** way, room * camera.scale);
  return Math.min(largest, limit, atHome * 2 ** Math.max(0, camera.zoom));
}

/** Width and height of a picture on the screen. */
export function pictureBox(model: Model, camera: Camera): [number, number] {
  const { width, height } = model.facts.pages;
  const scale = pictureSide(camera) / Math.max(width, height);
  return [scale * width, scale * height];
}

/** Pictures for the view, the most important last, so that they are drawn on top: `first` above all, then what is selected. */
export function choosePictures(model: Model, camera: Camera, first: number): Picture[] {
  const side = pictureSide(camera);
  if (!side) return [];
  const { square } = model.facts;
  const { x, y, visible, selected, nVisible, nSelected } = model;
  // one level finer than cells of that side, to fill what the coarser ones leave free
  const level = Math.ceil(Math.log2((square[2] * camera.scale) / side)) + 1;
  const [left, bottom, right, top] = camera.bounds(side);
  const cells = new Map<number, number[]>();
  const end = clamp(camera.zoom + 1 - camera.maxZoom, 0, 1); // 1 at the end of zooming
  const least = ((APART + end * (APART_NEAR - APART)) * side) / camera.scale;
  const chosen: Picture[] = [];
  const take = (rows: Uint8Array, n: number): void => {
    const last = endOf(model, level, n);
    for (let row = 0; row < last && chosen.length < MOST; row++) {
      const px = x[row];
      const py = y[row];
      if (!(px > left && px < right && py > bottom && py < top) || !rows[row]) continue;
      const column = Math.floor(px / least);
      const line = Math.floor(py / least);
      if (isTaken(cells, column, line, px, py, least, model)) continue;
      const key = column * 1_000_003 + line;
      const cell = cells.get(key);
      if (cell) cell.push(row);
      else cells.set(key, [row]);
      chosen.push(pictureOf(model, row));
    }
  };
  if (nSelected) take(selected, nSelected);
  take(visible, nVisible);
  if (first < 0 || !visible[first]) return chosen.reverse();
  return [...chosen.filter(({ row }) => row !== first).reverse(), pictureOf(model, first)];
}

/** The end of a level in the order; a level has four times the images of the one before, of a part of them as many are in finer levels. */
function endOf({ n, facts: { levelEnds } }: Model, level: number, part: number): number {
  const finer = Math.ceil(Math.log2(n / Math.max(1, part)) / 2);
  return levelEnds[clamp(level + finer, 0, levelEnds.length - 1)];
}

function pictureOf(model: Model, row: number): Picture {
  const { perPage } = model.facts.pages;
  return { row, page: Math.floor(row / perPage), cell: row % perPage };
}

function isTaken(
  cells: Map<number, number[]>,
  column: number,
  line: number,
  px: number,
  py: number,
  least: number,
  { x, y }: Model,
): boolean {
  for (let c = column - 1; c <= column + 1; c++) {
    for (let l = line - 1; l <= line + 1; l++) {
      for (const other of cells.get(c * 1_000_003 + l) ?? []) {
        if (Math.abs(x[other] - px) < least && Math.abs(y[other] - py) < least) return true;
      }
    }
  }
  return false;
}
