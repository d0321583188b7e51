import { describe, expect, it } from "vitest";
import { Camera, MAX_SPACING, type ThumbnailSize } from "../src/map/camera";
import { chooseSprites, frameWidth, spriteBox, spriteSide } from "../src/map/sprites";
import { makeModel } from "./make-model";

function makeCamera(spacing: number, size: ThumbnailSize = "auto"): Camera {
  const camera = new Camera(() => undefined);
  [camera.width, camera.height] = [1000, 1000];
  camera.setHome([0, 0, 100]);
  camera.spacing = camera.shownSpacing = spacing;
  camera.thumbnailSize = size;
  camera.reset();
  return camera;
}

describe("the size of thumbnails", () => {
  it("doubles with the zoom, until they are large", () => {
    const camera = makeCamera(0.1);
    expect(spriteSide(camera)).toBe(30);
    camera.set(50, 50, 1);
    expect(spriteSide(camera)).toBeCloseTo(60);
    camera.set(50, 50, 2);
    expect(spriteSide(camera)).toBeCloseTo(120);
    camera.set(50, 50, 3);
    expect(spriteSide(camera)).toBeLessThan(200);
  });

  it("grows steadily up to the maximum zoom, where thumbnails nearly touch", () => {
    const camera = makeCamera(0.1);
    let before = 0;
    for (let zoom = 0; zoom <= camera.maxZoom; zoom += 0.1) {
      camera.set(50, 50, zoom);
      expect(spriteSide(camera)).toBeGreaterThanOrEqual(before - 1e-9);
      before = spriteSide(camera);
    }
    camera.set(50, 50, camera.maxZoom);
    expect(spriteSide(camera)).toBeCloseTo(MAX_SPACING);
  });

  it("is larger from the start on a map of few images", () => {
    expect(spriteSide(makeCamera(8))).toBeCloseTo(0.95 * 8 * 9.2);
    expect(spriteSide(makeCamera(50))).toBe(96);
  });

  it("stays as chosen, unless the map would look empty", () => {
    const camera = makeCamera(0.1, "medium");
    expect(spriteSide(camera)).toBe(48);
    camera.set(50, 50, camera.maxZoom);
    expect(spriteSide(camera)).toBeCloseTo(0.95 * MAX_SPACING);
    camera.thumbnailSize = "none";
    expect(spriteSide(camera)).toBe(0);
  });

  it("never exceeds half of the map", () => {
    const camera = makeCamera(0.1);
    [camera.width, camera.height] = [300, 1000];
    camera.set(50, 50, camera.maxZoom);
    expect(spriteSide(camera)).toBe(150);
  });

  it("is that of the longer side, with a frame of 2 to 6 pixels", () => {
    const { model } = makeModel({ x: [1], y: [1], facts: { pages: { width: 16, height: 8, columns: 4, perPage: 16, n: 1 } } });
    expect(spriteBox(model, makeCamera(0.1))).toEqual([30, 15]);
    expect([10, 40, 300].map(frameWidth)).toEqual([2, 4, 6]);
  });
});

describe("the choice of thumbnails", () => {
  const SIDE = 30; // pixels, when the whole map is in view
  const grid = Array.from({ length: 400 }, (_, i) => i);
  const positions = { x: grid.map((i) => 2.5 + 2 * (i % 20)), y: grid.map((i) => 2.5 + 2 * Math.floor(i / 20)) };
  const { model } = makeModel(positions);

  it("leaves room between them", () => {
    const camera = makeCamera(0.1);
    expect(spriteSide(camera)).toBe(SIDE);
    const chosen = chooseSprites(model, camera, -1);
    expect(chosen.length).toBeGreaterThan(50);
    let closest = Infinity;
    for (const { row: a } of chosen) {
      for (const { row: b } of chosen) {
        if (a < b) closest = Math.min(closest, Math.max(Math.abs(model.x[a] - model.x[b]), Math.abs(model.y[a] - model.y[b])));
      }
    }
    expect(closest * camera.scale).toBeGreaterThanOrEqual(0.8 * SIDE);
  });

  it("takes images in view, each once, with its place in the sprite sheets", () => {
    const camera = makeCamera(5);
    camera.set(50, 50, 2);
    const [left, bottom, right, top] = camera.bounds(spriteSide(camera));
    const chosen = chooseSprites(model, camera, -1);
    expect(new Set(chosen.map(({ row }) => row)).size).toBe(chosen.length);
    for (const { row, sheet, cell } of chosen) {
      expect(model.x[row] > left && model.x[row] < right && model.y[row] > bottom && model.y[row] < top).toBe(true);
      expect(16 * sheet + cell).toBe(row);
    }
  });

  it("puts selected images above the others, and the inspected one on top", () => {
    const camera = makeCamera(5);
    model.select([399, 380]);
    const chosen = chooseSprites(model, camera, 200).map(({ row }) => row);
    expect(chosen.at(-1)).toBe(200);
    expect(new Set(chosen.slice(-3))).toEqual(new Set([200, 380, 399]));
    model.select([]);
  });

  it("leaves hidden images out, and finds the few visible ones among many", () => {
    const camera = makeCamera(5);
    const levelEnds = [1, 2, 4, 8, 16, 32, 64, 100, 200, 300, 400]; // a view of the whole map looks at level 6
    const { model } = makeModel({ ...positions, facts: { levelEnds } });
    expect(Math.max(...chooseSprites(model, camera, -1).map(({ row }) => row))).toBeLessThan(64);
    model.setSearchResult([399, 3]);
    expect(chooseSprites(model, camera, 7).map(({ row }) => row).sort()).toEqual([3, 399]);
  });

  it("is empty if the map shows dots only", () => {
    expect(chooseSprites(model, makeCamera(5, "none"), 3)).toEqual([]);
  });
});
