// The colour of each value of a column.

import type { Column, Values } from "../data/types";
import { categoryColor, MISSING, OTHER, rampColor, type Rgb } from "./colors";
import { byCount } from "./columns";
import { scaleOf } from "./value-scale";

/** Codes with a colour of their own: all categories, or the `limit` largest. */
export function coloredCodes(column: Column, limit: number): number[] {
  const codes = column.categories!.map((_, code) => code);
  return codes.length > limit ? byCount(column).slice(0, limit) : codes;
}

/** Colours of a column's codes, from -1 (missing) to one past the last category (other). */
export function categoryColors(column: Column, limit: number): Rgb[] {
  const colors: Rgb[] = [MISSING, ...column.categories!.map((): Rgb => OTHER), OTHER];
  coloredCodes(column, limit).forEach((code, slot) => (colors[code + 1] = categoryColor(column.slots?.[code] ?? slot)));
  return colors;
}

/** The colour of each row by the values of a column; `colors` are those of its codes. */
export function colorByValues(column: Column, values: Values, colors: Rgb[] | null): (row: number) => Rgb {
  if (colors) return (row) => colors[(values[row] as number) + 1] ?? OTHER;
  if (column.kind === "number") {
    const scale = scaleOf(column);
    return (row) => rampColor(scale.fraction(values[row] as number));
  }
  return () => MISSING;
}
