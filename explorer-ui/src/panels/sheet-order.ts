// Orders of a contact sheet.

import type { Column, Values } from "../data/types";
import type { Model } from "../model/model";

/** Sort rows by keys, missing keys last; ties by `ties`, then by id. Without keys, sort by id. */
export function sortRows(
  rows: number[],
  id: ArrayLike<number>,
  keys: ArrayLike<number> | null,
  ties: ArrayLike<number> | null,
  isDescending: boolean,
): number[] {
  const sign = isDescending ? -1 : 1;
  return rows.slice().sort((a, b) => {
    if (!keys) return sign * (id[a] - id[b]);
    const [first, second] = [keys[a], keys[b]];
    if (Number.isNaN(first) || Number.isNaN(second)) {
      if (Number.isNaN(first) !== Number.isNaN(second)) return Number.isNaN(first) ? 1 : -1;
    } else if (first !== second) return sign * (first - second);
    else if (ties && ties[a] !== ties[b]) return sign * (ties[a] - ties[b]);
    return id[a] - id[b];
  });
}

/** Numbers that sort like the values of a column; NaN for missing values. */
export function sortKeys(column: Column, values: Values): ArrayLike<number> {
  if (column.kind === "number") return values as Float32Array;
  const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
  const ranks = (names: string[]): Map<string, number> => new Map([...new Set(names)].sort(compare).map((name, rank) => [name, rank]));
  if (column.kind === "text") {
    const rank = ranks(values as string[]);
    return Float64Array.from(values as string[], (text) => (text === "" ? NaN : rank.get(text)!));
  }
  const rank = ranks(column.categories!);
  return Float64Array.from(values as Int32Array, (code) => {
    if (code < 0) return NaN;
    return code < column.categories!.length ? rank.get(column.categories![code])! : rank.size; // other categories last
  });
}

/** Distance of each image on the map to the centre of its group. */
export function distancesToCenter(model: Pick<Model, "n" | "points" | "group">): Float64Array {
  const { x, y } = model.points;
  const sums = new Map<number, [number, number, number]>();
  for (let row = 0; row < model.n; row++) {
    let sum = sums.get(model.group[row]);
    if (!sum) sums.set(model.group[row], (sum = [0, 0, 0]));
    sum[0] += x[row];
    sum[1] += y[row];
    sum[2] += 1;
  }
  return Float64Array.from(model.group, (number, row) => {
    const [sx, sy, m] = sums.get(number)!;
    return Math.hypot(x[row] - sx / m, y[row] - sy / m);
  });
}
