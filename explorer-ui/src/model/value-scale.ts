// Maps the values of a numeric column to fractions from 0 to 1.

import type { Column } from "../data/types";

const LOGARITHMIC_FROM = 100; // ratio of the bounds

export interface Scale {
  /** 0 for the smallest, 1 for the largest. */
  fraction(value: number): number;
  value(fraction: number): number;
}

/** A linear scale, or a logarithmic one if all values are positive and span more than two decades. */
export function scaleOf(column: Column): Scale {
  const [low, high] = [column.low ?? 0, column.high ?? 0];
  if (low > 0 && high / low > LOGARITHMIC_FROM) {
    const span = Math.log(high / low);
    return { fraction: (value) => Math.log(value / low) / span, value: (fraction) => low * Math.exp(fraction * span) };
  }
  const span = high - low;
  return {
    fraction: (value) => (Number.isNaN(value) ? NaN : span > 0 ? (value - low) / span : 0.5),
    value: (fraction) => low + fraction * span,
  };
}
