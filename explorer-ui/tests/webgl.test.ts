import { describe, expect, it } from "vitest";
import { LayerCache } from "../src/map/webgl/layer-cache";
import { overplotWeights, STEPS_PER_DOUBLING } from "../src/map/webgl/overplotting";
import { makeModel } from "./make-model";

describe("the cache of sprite sheets", () => {
  it("fills free layers first, then that of the least recently used sheet", () => {
    const cache = new LayerCache(3);
    expect([7, 8, 9].map((sheet) => cache.assign(sheet, new Set()))).toEqual([0, 1, 2]);
    expect(cache.touch(7)).toBe(true);
    expect(cache.assign(10, new Set())).toBe(1); // 8 is the oldest
    expect([cache.get(8), cache.get(7), cache.get(10), cache.touch(8)]).toEqual([undefined, 0, 1, false]);
  });

  it("keeps sheets in use, unless all are", () => {
    const cache = new LayerCache(2);
    cache.assign(1, new Set());
    cache.assign(2, new Set());
    expect(cache.assign(3, new Set([1, 3]))).toBe(1);
    expect(cache.assign(4, new Set([1, 3, 4]))).toBe(0);
  });
});

describe("overplotted dots", () => {
  it("weigh the logarithm of their number, on the first row of each cell", () => {
    const { model } = makeModel({ x: [1, 1.2, 50, 1.4, 1.6, 90], y: [1, 1, 50, 1, 1, 90] });
    expect([...overplotWeights(model, 10)]).toEqual([2 * STEPS_PER_DOUBLING, 0, 0, 0, 0, 0]);
    expect([...overplotWeights(model, 1000)].map((weight) => weight > 0)).toEqual([true, false, false, false, false, false]);
  });

  it("count visible rows with a position only", () => {
    const { model } = makeModel({ x: [1, 1, 1], y: [1, 1, 1] });
    model.setSearchResult([1, 2]);
    expect([...overplotWeights(model, 10)]).toEqual([0, STEPS_PER_DOUBLING, 0]);
    model.x[2] = NaN;
    expect([...overplotWeights(model, 10)]).toEqual([0, 0, 0]);
  });
});
