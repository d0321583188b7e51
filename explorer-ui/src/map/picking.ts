// Finds images on the map: at a position, inside a shape, nearest to a position; and the bounds of images.

import type { Model } from "../model/model";
import type { Camera } from "./camera";
import type { Point } from "./gestures";
import { spriteBox, type Sprite } from "./sprites";

const MAX_DISTANCE = 8; // pixels between a dot and the pointer
export const MAX_TOUCH_DISTANCE = 22; // pixels between a dot and a finger
const OUTLIER_FRACTION = 0.02; // of the images on each side that the bounds leave out

/** The row whose thumbnail or dot is at a position of the screen; -1 if there is none. */
export function rowAt(model: Model, camera: Camera, sprites: Sprite[], px: number, py: number, maxDistance = MAX_DISTANCE): number {
  const [mx, my] = camera.toMap(px, py);
  const [halfWidth, halfHeight] = spriteBox(model, camera).map((side) => side / 2 / camera.scale);
  for (let i = sprites.length - 1; i >= 0; i--) {
    const { row } = sprites[i];
    if (Math.abs(model.x[row] - mx) <= halfWidth && Math.abs(model.y[row] - my) <= halfHeight) return row;
  }
  return nearestRow(model, mx, my, maxDistance / camera.scale);
}

/** Rows inside a polygon on the screen. */
export function rowsInside(model: Model, camera: Camera, polygon: Point[]): number[] {
  const corners = polygon.map((point) => camera.toMap(...point)) as Point[];
  const [left, right] = [Math.min(...corners.map(([x]) => x)), Math.max(...corners.map(([x]) => x))];
  const [bottom, top] = [Math.min(...corners.map(([, y]) => y)), Math.max(...corners.map(([, y]) => y))];
  const rows: number[] = [];
  for (let row = 0; row < model.n; row++) {
    const [x, y] = [model.x[row], model.y[row]];
    if (x >= left && x <= right && y >= bottom && y <= top && isInside(x, y, corners)) rows.push(row);
  }
  return rows;
}

/** Whether a point is inside a polygon (even-odd rule). */
function isInside(x: number, y: number, corners: Point[]): boolean {
  let inside = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [xi, yi] = corners[i];
    const [xj, yj] = corners[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** The visible row nearest to a position of the map, within `maxDistance`; -1 if there is none. */
export function nearestRow(model: Model, x: number, y: number, maxDistance = Infinity): number {
  let best = -1;
  let least = maxDistance ** 2;
  for (let row = 0; row < model.n; row++) {
    const distance = (model.x[row] - x) ** 2 + (model.y[row] - y) ** 2;
    if (distance < least && model.visible[row]) [best, least] = [row, distance];
  }
  return best;
}

/** Distance from a row to the nearest visible row at another position; 0 if there is none. */
export function spacingAt(model: Model, row: number): number {
  const { x, y, visible } = model;
  let least = Infinity;
  for (let other = 0; other < model.n; other++) {
    const distance = (x[other] - x[row]) ** 2 + (y[other] - y[row]) ** 2;
    if (distance > 0 && distance < least && visible[other]) least = distance;
  }
  return least < Infinity ? Math.sqrt(least) : 0;
}

/** Number of visible rows in a rectangle: left, bottom, right, top. */
export function countInside(model: Model, [left, bottom, right, top]: [number, number, number, number]): number {
  const { x, y, visible } = model;
  let count = 0;
  for (let row = 0; row < model.n; row++) {
    if (x[row] >= left && x[row] <= right && y[row] >= bottom && y[row] <= top && visible[row]) count += 1;
  }
  return count;
}

/** Left, bottom, right and top of rows on the map, without outliers; null if there are no rows. */
export function boundsOf(model: Model, rows: number[]): [number, number, number, number] | null {
  const placed = rows.filter((row) => !Number.isNaN(model.x[row]));
  if (!placed.length) return null;
  const [x, y] = [model.x, model.y].map((values) => Float32Array.from(placed, (row) => values[row]).sort());
  const [low, high] = [OUTLIER_FRACTION, 1 - OUTLIER_FRACTION].map((fraction) => Math.floor(fraction * (placed.length - 1)));
  return [x[low], y[low], x[high], y[high]];
}
