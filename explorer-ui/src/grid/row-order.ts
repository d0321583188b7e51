// Orders of the images of a run, by columns or by position. A million of them are sorted at once.

import type { Column, Values } from "../data/types";
import { GROUP, LABEL, MARK } from "../model/columns";
import type { Model } from "../model/model";

const LAST = 0xffffffff;
const SIGN = 0x80000000;
const DIGIT_BITS = 11;
const N_DIGITS = 2 ** DIGIT_BITS;
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

/** Sort rows by a pass; rows with equal keys keep their order. A radix sort, which calls no function per pair. */
function sortBy(order: Int32Array<ArrayBuffer>, pass: SortPass): Int32Array<ArrayBuffer> {
  let rows = order;
  let ranks = ranksOf(order, pass);
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    const starts = new Uint32Array(N_DIGITS + 1);
    for (const rank of ranks) starts[((rank >>> shift) & (N_DIGITS - 1)) + 1] += 1;
    for (let digit = 0; digit < N_DIGITS; digit++) starts[digit + 1] += starts[digit];
    const [nextRows, nextRanks] = [new Int32Array(rows.length), new Uint32Array(rows.length)];
    for (let at = 0; at < rows.length; at++) {
      const place = starts[(ranks[at] >>> shift) & (N_DIGITS - 1)]++;
      nextRows[place] = rows[at];
      nextRanks[place] = ranks[at];
    }
    [rows, ranks] = [nextRows, nextRanks];
  }
  return rows;
}

/** Whole numbers of 32 bits that sort like the keys of rows. */
function ranksOf(order: Int32Array, { keys, isDescending }: SortPass): Uint32Array<ArrayBuffer> {
  const number = new Float32Array(1);
  const bits = new Uint32Array(number.buffer);
  const ranks = new Uint32Array(order.length);
  for (let at = 0; at < order.length; at++) {
    const key = keys[order[at]];
    number[0] = key + 0; // not -0
    const rank = bits[0] & SIGN ? ~bits[0] : bits[0] | SIGN;
    ranks[at] = Number.isNaN(key) ? LAST : isDescending ? ~rank : rank;
  }
  return ranks;
}

/** Numbers that sort like the values of a column; NaN for missing values. */
export function sortKeys(column: Column, values: Values): ArrayLike<number> {
  if (column.kind === "number") return values as Float32Array;
  if (column.kind === "text") {
    const rank = ranks(values as string[]);
    return mapped(values as string[], (text) => (text === "" ? NaN : rank.get(text)!));
  }
  const isDerived = [GROUP, LABEL, MARK].includes(column.name); // these have an order of their own
  const rank = isDerived ? null : ranks(column.categories!);
  const byCode = column.categories!.map((name, code) => rank?.get(name) ?? code);
  return mapped(values as Int32Array, (code) => (code < 0 ? NaN : (byCode[code] ?? byCode.length))); // other categories last
}

/** A function of each value. A loop takes a fraction of the time of Float32Array.from. */
function mapped<T>(values: ArrayLike<T>, key: (value: T) => number): Float32Array {
  const keys = new Float32Array(values.length);
  for (let row = 0; row < values.length; row++) keys[row] = key(values[row]);
  return keys;
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
  const distances = new Float32Array(model.n);
  for (let row = 0; row < model.n; row++) {
    const [sx, sy, m] = sums.get(model.group[row])!;
    distances[row] = Math.sqrt((x[row] - sx / m) ** 2 + (y[row] - sy / m) ** 2);
  }
  return distances;
}
