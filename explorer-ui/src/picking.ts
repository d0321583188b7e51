// Which images lie at a place, inside a shape, near the middle; and the box that holds some of them.

import type { Camera } from "./camera";
import type { Point } from "./gestures";
import type { Model } from "./model";
import { pictureBox } from "./pictures";
import type { Picture } from "./renderer";

const REACH = 8; // pixels round a dot
const APART = 0.02; // share of images on each side that may lie outside their box

/** The row whose picture or dot lies under a place of the screen; -1 for none. */
export function rowAt(model: Model, camera: Camera, shown: Picture[], px: number, py: number): number {
  const [mx, my] = camera.toMap(px, py);
  const [halfWidth, halfHeight] = pictureBox(model, camera).map((side) => side / 2 / camera.scale);
  for (let i = shown.length - 1; i >= 0; i--) {
    const { row } = shown[i];
    if (Math.abs(model.x[row] - mx) <= halfWidth && Math.abs(model.y[row] - my) <= halfHeight) return row;
  }
  return nearestTo(model, mx, my, REACH / camera.scale);
}

/** Rows inside a shape on the screen. */
export function rowsInside(model: Model, camera: Camera, shape: Point[]): number[] {
  const line = shape.map((point) => camera.toMap(...point)) as Point[];
  const [left, right] = [Math.min(...line.map(([x]) => x)), Math.max(...line.map(([x]) => x))];
  const [bottom, top] = [Math.min(...line.map(([, y]) => y)), Math.max(...line.map(([, y]) => y))];
  const rows: number[] = [];
  for (let row = 0; row < model.n; row++) {
    const [x, y] = [model.x[row], model.y[row]];
    if (x >= left && x <= right && y >= bottom && y <= top && isInside(x, y, line)) rows.push(row);
  }
  return rows;
}

/** Whether a point lies inside a closed line. */
function isInside(x: number, y: number, line: Point[]): boolean {
  let inside = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
    const [xi, yi] = line[i];
    const [xj, yj] = line[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** The visible row nearest to a place of the map, nearer than `reach`; -1 for none. */
export function nearestTo(model: Model, x: number, y: number, reach = Infinity): number {
  let best = -1;
  let least = reach ** 2;
  for (let row = 0; row < model.n; row++) {
    const distance = (model.x[row] - x) ** 2 + (model.y[row] - y) ** 2;
    if (distance < least && model.visible[row]) [best, least] = [row, distance];
  }
  return best;
}

/** Left, bottom, right and top of where rows lie, but for a few that lie apart; null for none. */
export function boxOf(model: Model, rows: number[]): [number, number, number, number] | null {
  const placed = rows.filter((row) => !Number.isNaN(model.x[row]));
  if (!placed.length) return null;
  const [x, y] = [model.x, model.y].map((values) => Float32Array.from(placed, (row) => values[row]).sort());
  const [low, high] = [APART, 1 - APART].map((share) => Math.floor(share * (placed.length - 1)));
  return [x[low], y[low], x[high], y[high]];
}
