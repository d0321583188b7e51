// The thumbnails on the map and their size: as many as have room, coarse levels of the zoom order first.

import type { Model } from "../model/model";
import { clamp, MAX_SPACING, type Camera, type ThumbnailSize } from "./camera";

const MIN_HOME_SIDE = 30; // pixels, when the whole map is in view
const MAX_HOME_SIDE = 96; // pixels, when the whole map is in view and has few images
const CROWDED_SIDE = 160; // pixels up to which thumbnails grow; then more thumbnails appear instead
const MAX_SCREEN_FRACTION = 0.5; // of the shorter side of the map
const SIDES: { [size in ThumbnailSize]?: number } = { small: 24, medium: 48, large: 96 };
const MAX_SPRITES = 3000;
const MIN_DISTANCE = 0.82; // between thumbnails, in sides of one
const MIN_DISTANCE_ZOOMED = 0.35; // at the maximum zoom, where zooming separates them no further
const FILL = 0.95; // fraction of the spacing between images that their thumbnails fill
const FRAME = 0.1; // fraction of a side
const [MIN_FRAME, MAX_FRAME] = [2, 6]; // pixels

/** A thumbnail on the map, and its place in the sprite sheets. */
export interface Sprite {
  row: number;
  sheet: number;
  cell: number;
}

/** Width of the frame of a thumbnail, in pixels. */
export const frameWidth = (side: number): number => Math.min(MAX_FRAME, Math.max(MIN_FRAME, Math.round(FRAME * side)));

/**
 * Longer side of the thumbnails on the screen, in pixels; 0 for dots only.
 *
 * It doubles with the zoom until the thumbnails are large. From then on more of them appear, until all are on the map and
 * grow again until they nearly touch. A fixed size grows only when the images are so far apart that the map would look empty.
 */
export function spriteSide(camera: Camera): number {
  if (camera.thumbnailSize === "none") return 0;
  const largest = Math.min(MAX_SPACING, MAX_SCREEN_FRACTION * Math.min(camera.width, camera.height));
  const room = FILL * camera.shownSpacing;
  const chosen = SIDES[camera.thumbnailSize];
  if (chosen) return Math.min(largest, Math.max(chosen, room * camera.scale));
  const atHome = clamp(room * camera.homeScale, MIN_HOME_SIDE, MAX_HOME_SIDE);
  const crowdedZoom = Math.log2(CROWDED_SIDE / atHome);
  const progress = clamp((camera.zoom - crowdedZoom) / Math.max(0.01, camera.maxZoom - crowdedZoom), 0, 1);
  const limit = Math.max(CROWDED_SIDE * (MAX_SPACING / CROWDED_SIDE) ** progress, room * camera.scale);
  return Math.min(largest, limit, atHome * 2 ** Math.max(0, camera.zoom));
}

/** Width and height of a thumbnail on the screen, in pixels. */
export function spriteBox(model: Model, camera: Camera): [number, number] {
  const { width, height } = model.facts.pages;
  const scale = spriteSide(camera) / Math.max(width, height);
  return [scale * width, scale * height];
}

/** Choose the thumbnails of a view. The last is drawn on top: `first`, then the selected images, then the others. */
export function chooseSprites(model: Model, camera: Camera, first: number): Sprite[] {
  const side = spriteSide(camera);
  if (!side) return [];
  const { square } = model.facts;
  const { x, y, visible, selected, nVisible, nSelected } = model;
  // one level finer than cells of that side, to fill the gaps
  const level = Math.ceil(Math.log2((square[2] * camera.scale) / side)) + 1;
  const [left, bottom, right, top] = camera.bounds(side);
  const cells = new Map<number, number[]>();
  const end = clamp(camera.zoom + 1 - camera.maxZoom, 0, 1); // 1 at the maximum zoom
  const least = ((MIN_DISTANCE + end * (MIN_DISTANCE_ZOOMED - MIN_DISTANCE)) * side) / camera.scale;
  const chosen: Sprite[] = [];
  const take = (rows: Uint8Array, n: number): void => {
    const last = endOf(model, level, n);
    for (let row = 0; row < last && chosen.length < MAX_SPRITES; row++) {
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
      chosen.push(spriteOf(model, row));
    }
  };
  if (nSelected) take(selected, nSelected);
  take(visible, nVisible);
  if (first < 0 || !visible[first]) return chosen.reverse();
  return [...chosen.filter(({ row }) => row !== first).reverse(), spriteOf(model, first)];
}

/** End of a level in the zoom order. Each level has four times the images of the one before; a subset needs finer levels. */
function endOf({ nPresent: n, facts: { levelEnds } }: Model, level: number, subset: number): number {
  const finer = Math.ceil(Math.log2(n / Math.max(1, subset)) / 2);
  return levelEnds[clamp(level + finer, 0, levelEnds.length - 1)];
}

function spriteOf(model: Model, row: number): Sprite {
  const { perPage } = model.facts.pages;
  const place = model.placeOf(row);
  return { row, sheet: Math.floor(place / perPage), cell: place % perPage };
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
