import { describe, expect, it } from "vitest";
import { Camera } from "../src/map/camera";
import { boundsOf, countInside, nearestRow, rowAt, rowsInside, spacingAt } from "../src/map/picking";
import { makeModel } from "./make-model";

function makeCamera(): Camera {
  const camera = new Camera(() => undefined);
  [camera.width, camera.height] = [1000, 1000];
  camera.setHome([0, 0, 100]);
  camera.spacing = camera.shownSpacing = 10;
  return camera;
}

describe("picking", () => {
  const { model } = makeModel({ x: [10, 50, 90, 52], y: [10, 50, 90, 50] });

  it("finds the nearest visible row within a distance", () => {
    expect(nearestRow(model, 49, 50)).toBe(1);
    expect(nearestRow(model, 30, 30, 5)).toBe(-1);
    model.setSearchResult([0, 2, 3]);
    expect(nearestRow(model, 49, 50)).toBe(3);
    model.setSearchResult(null);
  });

  it("finds the thumbnail on top, else a dot near the pointer", () => {
    const camera = makeCamera();
    const at = camera.toScreen(51, 50);
    const sprites = [3, 1].map((row) => ({ row, sheet: 0, cell: row }));
    expect(rowAt(model, camera, sprites, ...at)).toBe(1);
    expect(rowAt(model, camera, [...sprites].reverse(), ...at)).toBe(3);
    camera.thumbnailSize = "none";
    const [x, y] = camera.toScreen(90, 90);
    expect(rowAt(model, camera, [], x + 6, y)).toBe(2);
    expect(rowAt(model, camera, [], x + 12, y)).toBe(-1);
    expect(rowAt(model, camera, [], x + 12, y, 20)).toBe(2); // a finger is less precise
  });

  it("selects the rows inside a polygon that is not convex", () => {
    const camera = makeCamera();
    const corners: [number, number][] = [[100, 0], [0, 0], [0, 20], [70, 20], [70, 80], [0, 80], [0, 100], [100, 100]];
    const polygon = corners.map(([x, y]) => camera.toScreen(x, y));
    expect(rowsInside(model, camera, polygon)).toEqual([0, 2]);
    expect(rowsInside(model, camera, [])).toEqual([]);
  });

  it("counts the visible rows in view, and measures their spacing without copies", () => {
    const { model } = makeModel({ x: [10, 10, 13, 90], y: [10, 10, 14, 90] });
    expect(spacingAt(model, 0)).toBe(5);
    expect(countInside(model, [0, 0, 50, 50])).toBe(3);
    model.setSearchResult([0, 1, 3]);
    expect(spacingAt(model, 0)).toBeCloseTo(Math.hypot(80, 80));
    expect(countInside(model, [0, 0, 50, 50])).toBe(2);
    model.setSearchResult([0, 1]);
    expect(spacingAt(model, 0)).toBe(0);
  });

  it("leaves outliers and rows without a position out of the bounds", () => {
    const n = 101;
    const x = Array.from({ length: n }, (_, i) => i / 10);
    x[n - 1] = 1000;
    const { model } = makeModel({ x, y: x.map(() => 5) });
    expect(boundsOf(model, [...x.keys()])).toEqual([expect.closeTo(0.2), 5, expect.closeTo(9.8), 5]);
    model.x.fill(NaN);
    expect(boundsOf(model, [0, 1])).toBeNull();
  });
});
