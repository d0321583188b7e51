// Orders of the images of a run, by columns or by position. A million rows are sorted in place, without a function per pair.

import type { Column, Values } from "../data/types";
import { GROUP, LABEL, MARK } from "../model/columns";
import type { Model } from "../model/model";

const LAST = 0xffffffff;
const MAX_COLLATED = 100_000; // distinct texts that are sorted as a language does; more are sorted by their characters

/** Keys to sort rows by; rows with a missing key (NaN) come last in both directions. */
export interface SortPass {
  keys: ArrayLike<number>;
  isDescending: boolean;
}

/** Rows by passes, the most significant last; ties of the first by id. Rows that are not loaded are left out. */
export function orderRows({ rowOf }: Pick<Model, "rowOf">, passes: SortPass[]): Int32Array<ArrayBuffer> {
  return passes.reduce(sortBy, Int32Array.from(rowOf.filter((row) => row >= 0)));
}

/** Sort rows by a pass, in place of the order they have; rows with equal keys keep it. */
function sortBy(order: Int32Array, { keys, isDescending }: SortPass): Int32Array<ArrayBuffer> {
  const n = order.length;
  const words = new Uint32Array(2 * n); // pairs of the position so far and the key, which are sorted as numbers of 64 bits
  const number = new Float32Array(1);
  const bits = new Uint32Array(number.buffer);
  for (let at = 0; at < n; at++) {
    const key = keys[order[at]];
    number[0] = key + 0; // not -0
    const rank = bits[0] & 0x80000000 ? ~bits[0] : bits[0] | 0x80000000;
    words[2 * at] = at;
    words[2 * at + 1] = Number.isNaN(key) ? LAST : isDescending ? ~rank : rank;
  }
  new BigUint64Array(words.buffer).sort();
  const found = new Int32Array(n);
  for (let at = 0; at < n; at++) found[at] = order[words[2 * at]];
  return found;
}

/** Numbers that sort like the values of a column; NaN for missing values. */
export function sortKeys(column: Column, values: Values): ArrayLike<number> {
  if (column.kind === "number") return values as Float32Array;
  if (column.kind === "text") {
    const rank = ranks(values as string[]);
    return Float32Array.from(values as string[], (text) => (text === "" ? NaN : rank.get(text)!));
  }
  const isDerived = [GROUP, LABEL, MARK].includes(column.name); // these have an order of their own
  const rank = isDerived ? null : ranks(column.categories!);
  const byCode = column.categories!.map((name, code) => rank?.get(name) ?? code);
  return Float32Array.from(values as Int32Array, (code) => (code < 0 ? NaN : (byCode[code] ?? byCode.length))); // other categories last
}

function ranks(names: string[]): Map<string, number> {
  const distinct = [...new Set(names)];
  if (distinct.length > MAX_COLLATED) distinct.sort();
  else distinct.sort(new Intl.Collator(document.documentElement.lang, { numeric: true }).compare);
  return new Map(distinct.map((name, rank) => [name, rank]));
}

/** Distance of each image on the map to the centre of its group. */
export function distancesToCenter(model: Pick<Model, "n" | "points" | "group">): Float32Array {
  const { x, y } = model.points;
  const sums = new Map<number, [number, number, number]>();
  for (let row = 0; row < model.n; row++) {
    let sum = sums.get(model.group[row]);
    if (!sum) sums.set(model.group[row], (sum = [0, 0, 0]));
    sum[0] += x[row];
    sum[1] += y[row];
    sum[2] += 1;
  }
  return Float32Array.from(model.group, (number, row) => {
    const [sx, sy, m] = sums.get(number)!;
    return Math.hypot(x[row] - sx / m, y[row] - sy / m);
  });
}
