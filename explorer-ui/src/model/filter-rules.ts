// Filters by the values of a column, and which images pass them.

import type { Column, Values } from "../data/types";

export interface Range {
  low?: number | undefined;
  high?: number | undefined;
  /** Whether images without a value pass; by default only while neither bound is set. */
  missing?: boolean | undefined;
}

/** A filter keeps a range of numbers, all categories but some, some categories, or texts that contain a string. */
export type Filter = Range | { without: string[] } | { only: string[] } | { text: string };
type CategoryRule = { without: string[] } | { only: string[] };

/** Keys of the images without a category, and of those outside the largest categories. */
export const NONE = "";
export const OTHERS = "\u0000other";

/** The key of each category of a column. */
export const keysOf = (column: Column | undefined): string[] => column?.keys ?? column?.categories ?? [];

/** The kind of column that a filter fits. */
export const kindOf = (filter: Filter): Column["kind"] =>
  "without" in filter || "only" in filter ? "category" : "text" in filter ? "text" : "number";

/** Whether images without a value pass. */
export const passesMissing = (filter: Range): boolean =>
  filter.missing ?? (filter.low === undefined && filter.high === undefined);

/** Whether each code of a column passes, from -1 (missing) to one past the last category (other). */
export function passingCodes(filter: CategoryRule, column: Column | undefined): boolean[] {
  const named = new Set("only" in filter ? filter.only : filter.without);
  return [NONE, ...keysOf(column), OTHERS].map((key) => named.has(key) === "only" in filter);
}

/** Set `visible` to 0 for the rows that do not pass. */
export function applyFilter(filter: Filter, values: Values, column: Column, visible: Uint8Array): void {
  const n = visible.length;
  if ("without" in filter || "only" in filter) {
    const passes = passingCodes(filter, column); // codes begin at -1
    for (let row = 0; row < n; row++) if (!passes[(values[row] as number) + 1]) visible[row] = 0;
  } else if ("text" in filter) {
    const part = filter.text.toLowerCase();
    for (let row = 0; row < n; row++) if (!(values[row] as string).toLowerCase().includes(part)) visible[row] = 0;
  } else {
    const low = Math.fround(filter.low ?? -Infinity); // values have 32 bits as well
    const high = Math.fround(filter.high ?? Infinity);
    const missing = passesMissing(filter);
    for (let row = 0; row < n; row++) {
      const value = values[row] as number;
      if (Number.isNaN(value) ? !missing : value < low || value > high) visible[row] = 0;
    }
  }
}

/** Parse a filter from the address; null if it is not one. */
export function asFilter(given: unknown): Filter | null {
  if (typeof given !== "object" || given === null) return null;
  const { without, only, text, low, high, missing } = given as { [name: string]: unknown };
  if (Array.isArray(without)) return { without: without.map(String) };
  if (Array.isArray(only)) return { only: only.map(String) };
  if (typeof text === "string") return { text };
  const isBound = (bound: unknown): bound is number | undefined => bound === undefined || Number.isFinite(bound);
  if (!isBound(low) || !isBound(high)) return null;
  return { low, high, missing: typeof missing === "boolean" ? missing : undefined };
}
