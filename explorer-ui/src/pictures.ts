// Which pictures are shown, and how large: as many as have room, those of coarser levels first.

import type { Camera } from "./camera";
import type { Model } from "./model";
import type { Picture } from "./renderer";

const SMALLEST = 30; // side on the screen when the whole map is seen, in pixels
const LARGEST = 256;
const GROWTH = 0.3; // the side doubles in about three doublings of the map
const MOST = 3000;
const OVERLAP = 0.82; // pictures may come as near as this share of their side

export function pictureSide(camera: Camera): number {
  return Math.min(LARGEST, SMALLEST * 2 ** (GROWTH * Math.max(0, camera.zoom)));
}

/** Pictures for the view, the most important last, so that they are drawn on top. */
export function choosePictures(model: Model, camera: Camera): Picture[] {
  const side = pictureSide(camera);
  const { levelEnds, square, pages } = model.facts;
  const { x, y, visible, selected, nVisible, nSelected } = model;
  // one level finer than cells of that side, to fill what the coarser ones leave free
  let level = Math.ceil(Math.log2((square[2] * camera.scale) / side)) + 1;
  // a level has four times the images of the one before; of a part of them, as many are in finer levels
  level += Math.ceil(Math.log2(model.n / Math.max(1, nSelected || nVisible)) / 2);
  const end = levelEnds[Math.max(0, Math.min(levelEnds.length - 1, level))];
  const [left, bottom, right, top] = camera.bounds(side);
  const cells = new Map<number, number[]>();
  const least = (OVERLAP * side) / camera.scale;
  const chosen: Picture[] = [];
  for (let row = 0; row < end && chosen.length < MOST; row++) {
    const px = x[row];
    const py = y[row];
    if (!(px > left && px < right && py > bottom && py < top) || !visible[row]) continue;
    if (nSelected && !selected[row]) continue;
    const column = Math.floor(px / least);
    const line = Math.floor(py / least);
    if (isTaken(cells, column, line, px, py, least, model)) continue;
    const key = column * 1_000_003 + line;
    const cell = cells.get(key);
    if (cell) cell.push(row);
    else cells.set(key, [row]);
    chosen.push({ row, page: Math.floor(row / pages.perPage), cell: row % pages.perPage });
  }
  return chosen.reverse();
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
