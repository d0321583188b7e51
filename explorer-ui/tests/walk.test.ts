import { describe, expect, it } from "vitest";
import { interpolate } from "../src/model/interpolation";
import { resamplePath } from "../src/map/decoder-tool";
import { NeighborWalk } from "../src/map/neighbor-walk";
import { makeModel } from "./make-model";

describe("the walk through neighbours", () => {
  const given = { x: [0, 1, 2, 10], y: [0, 0, 0, 0], neighbors: { 0: [1, 2], 1: [0, 2], 2: [1, 0] } };

  it("visits each image once, by neighbours in latent space and then on the map", async () => {
    const walk = new NeighborWalk(makeModel(given).model);
    expect(await walk.next(0)).toBe(1);
    expect(await walk.next(1)).toBe(2);
    expect(await walk.next(2)).toBe(3); // all neighbours were visited
    expect(await walk.next(3)).toBe(-1);
  });

  it("goes back to its start, and starts again from another image", async () => {
    const walk = new NeighborWalk(makeModel(given).model);
    await walk.next(0);
    await walk.next(1);
    expect([walk.back(2), walk.back(1), walk.back(0)]).toEqual([1, 0, -1]);
    expect(await walk.next(3)).toBe(2);
    expect(await walk.next(2)).toBe(1); // a new walk: 1 counts as not visited
  });

  it("goes by the weights of the kinds of features", async () => {
    const { model, source } = makeModel({ ...given, facts: { weights: { shape: 0.5, color: 0.5 } } });
    const walk = new NeighborWalk(model);
    await walk.next(0);
    model.weights.set("color", 0);
    await walk.next(1);
    expect(source.weights).toEqual(["", "shape:50"]);
  });

  it("leaves hidden images out", async () => {
    const { model } = makeModel(given);
    model.setSearchResult([0, 2, 3]);
    expect(await new NeighborWalk(model).next(0)).toBe(2);
  });
});

describe("a path", () => {
  it("is resampled at equal distances, with both ends", () => {
    const points = resamplePath([[0, 0], [3, 0], [3, 0], [3, 9]], 5);
    expect(points).toEqual([[0, 0], [3, 0], [3, 3], [3, 6], [3, 9]]);
  });

  it("of one point is that point", () => {
    expect(resamplePath([[2, 2], [2, 2]], 3)).toEqual([[2, 2], [2, 2], [2, 2]]);
  });
});

describe("the slider of perplexities", () => {
  it("interpolates between two maps", () => {
    const out = new Float32Array(2);
    interpolate(out, Float32Array.of(0, 10), Float32Array.of(1, 30), 0.25);
    expect([...out]).toEqual([0.25, 15]);
  });
});
