// How many images lie under each dot, so that a heap is seen to be one.

import type { Model } from "./model";

export const PER_DOUBLING = 32; // steps of a weight for a doubling of the count

/** For the first visible row of each cell the logarithm of how many there are in it, as steps; 0 for the others. */
export function weighHeaps(model: Model, cell: number): Uint8Array {
  const { n, x, y, visible } = model;
  const [left, bottom] = model.facts.square;
  const size = 2 ** Math.ceil(Math.log2(2 * n + 2));
  const keys = new Float64Array(size).fill(-1); // a table with open addresses
  const first = new Int32Array(size);
  const counts = new Int32Array(size);
  for (let row = 0; row < n; row++) {
    if (!visible[row] || Number.isNaN(x[row])) continue;
    const column = Math.floor((x[row] - left) / cell);
    const line = Math.floor((y[row] - bottom) / cell);
    const key = column * 2 ** 26 + line;
    let at = (Math.imul(column, 73856093) ^ Math.imul(line, 19349663)) & (size - 1);
    while (keys[at] !== -1 && keys[at] !== key) at = (at + 1) & (size - 1);
    if (keys[at] === -1) {
      keys[at] = key;
      first[at] = row;
    }
    counts[at] += 1;
  }
  const weights = new Uint8Array(n);
  for (let at = 0; at < size; at++) if (counts[at] > 1) weights[first[at]] = Math.min(255, PER_DOUBLING * Math.log2(counts[at]));
  return weights;
}
