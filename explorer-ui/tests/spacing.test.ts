import { describe, expect, it } from "vitest";
import { medianSpacing } from "../src/model/spacing";

const SQUARE: [number, number, number] = [0, 0, 100];

/** The same by comparing all pairs. */
function slowSpacing(x: Float32Array, y: Float32Array): number {
  const nearest = [...x.keys()].map((i) => {
    let best = Infinity;
    for (let j = 0; j < x.length; j++) {
      const distance = Math.hypot(x[j] - x[i], y[j] - y[i]);
      if (distance > 0 && distance < best) best = distance;
    }
    return best;
  });
  return nearest.sort((a, b) => a - b)[Math.floor(nearest.length / 2)];
}

/** Reproducible numbers from 0 to 1. */
function random(n: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: n }, () => (state = (state * 16807) % 2147483647) / 2147483647);
}

describe("the median spacing", () => {
  it("equals that of all pairs, for even and clustered points", () => {
    for (const power of [1, 6]) {
      const [x, y] = [3, 5].map((seed) => Float32Array.from(random(450, seed), (value) => 100 * value ** power));
      expect(medianSpacing(x, y, null, SQUARE)).toBeCloseTo(slowSpacing(x, y), 5);
    }
  });

  it("is that of the points that count", () => {
    const x = Float32Array.of(10, 20, 21, 50, NaN);
    const y = Float32Array.of(10, 10, 10, 10, 10);
    expect(medianSpacing(x, y, Uint8Array.of(1, 0, 1, 1, 1), SQUARE)).toBeCloseTo(11);
    expect(medianSpacing(x, y, null, SQUARE)).toBeCloseTo(10);
  });

  it("ignores duplicates, and is the side of the map if there are only such", () => {
    expect(medianSpacing(Float32Array.of(1, 1, 4), Float32Array.of(1, 1, 5), null, SQUARE)).toBeCloseTo(5);
    expect(medianSpacing(Float32Array.of(1, 1), Float32Array.of(1, 1), null, SQUARE)).toBe(100);
    expect(medianSpacing(new Float32Array(0), new Float32Array(0), null, SQUARE)).toBe(100);
  });
});
