import { describe, expect, it } from "vitest";
import { decodedPixels } from "../src/data/decoded-pixels";
import { nearestRows, nearWeights, weightedMean } from "../src/data/latent-places";

const look = (color: string, brightness = 1, visible = true) => ({ color, brightness, visible });

describe("the numbers of a decoder", () => {
  it("become the nearest grey levels, within their range", () => {
    const found = decodedPixels([0, 0.5, 1, 1.7, -0.2, 0.6 / 255], 6, 255, []);
    expect(Array.from(found).filter((_, i) => i % 4 === 0)).toEqual([0, 128, 255, 255, 0, 1]);
    expect(Array.from(found).filter((_, i) => i % 4 === 3)).toEqual([255, 255, 255, 255, 255, 255]);
  });

  it("become red, green and blue", () => {
    expect(Array.from(decodedPixels([0.2, 0.4, 0.6, 1, 0, 0], 2, 255, []))).toEqual([51, 102, 153, 255, 255, 0, 0, 255]);
  });

  it("are rounded to 16 bits before they are shown as 8", () => {
    expect(decodedPixels([300 / 65535, 1], 2, 65535, [])[0]).toBe(1);
    expect(decodedPixels([300 / 65535, 1], 2, 65535, [])[4]).toBe(255);
  });

  it("add the light of the visible channels", () => {
    const channels = [look("#ff0000"), look("#0000ff", 0.5), look("#00ff00", 1, false)];
    const found = decodedPixels([1, 0, 1, 100 / 255, 200 / 255, 1], 2, 255, channels);
    expect(Array.from(found)).toEqual([255, 0, 0, 255, 100, 0, 100, 255]);
    expect(Array.from(decodedPixels([1, 1], 1, 65535, [look("#ffffff"), look("#ff0000", 4)]))).toEqual([255, 255, 255, 255]);
  });
});

describe("the latent vector of a place", () => {
  const xs = [0, 1, NaN, 3, 4, 5, 6, 7, -1];
  const ys = xs.map(() => 0);

  it("is from the six nearest rows that are loaded, nearest first", () => {
    const found = nearestRows(xs, ys, 3.2, 0);
    expect(found.map((one) => one.row)).toEqual([3, 4, 5, 1, 6, 0]);
    expect(found[0].distance).toBeCloseTo(0.2);
    expect(nearestRows([0, 1], [0, 0], 1, 0).map((one) => one.row)).toEqual([1, 0]);
  });

  it("weights them by inverse square distance, a point at the place itself alone", () => {
    const near = nearestRows([0, 2], [0, 0], 0.5, 0);
    const [a, b] = [1 / (0.25 + 0.0625), 1 / (2.25 + 0.0625)];
    expect(nearWeights(near, 10)[0]).toBeCloseTo(a / (a + b), 6);
    expect(nearWeights(nearestRows([0, 2], [0, 0], 0, 0), 10)[0]).toBeCloseTo(1, 12);
  });

  it("is the weighted sum of their vectors", () => {
    expect(Array.from(weightedMean([[0, 4], [2, 8]], [0.75, 0.25]))).toEqual([0.5, 5]);
  });
});
