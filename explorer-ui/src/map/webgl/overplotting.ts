// How many points lie under each dot.

import type { Model } from "../../model/model";

export const STEPS_PER_DOUBLING = 32; // steps of a weight when the count doubles

/** Weight of the first visible row of each cell: the logarithm of the number of visible rows in it; 0 for the other rows. */
export function overplotWeights(model: Pick<Model, "n" | "x" | "y" | "visible" | "facts">, cell: number): Uint8Array {
  const { n, x, y, visible } = model;
  const [left, bottom] = model.facts.square;
  const size = 2 ** Math.ceil(Math.log2(2 * n + 2));
  const keys = new Float64Array(size).fill(-1); // a hash table with open addressing
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
  for (let at = 0; at < size; at++) {
    if (counts[at] > 1) weights[first[at]] = Math.min(255, STEPS_PER_DOUBLING * Math.log2(counts[at]));
  }
  return weights;
}
