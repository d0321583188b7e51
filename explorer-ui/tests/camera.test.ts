import { describe, expect, it, vi } from "vitest";
import { Camera, MAX_SPACING } from "../src/map/camera";

function makeCamera(width = 800, height = 600): Camera {
  const camera = new Camera(() => undefined);
  camera.width = width;
  camera.height = height;
  camera.setHome([0, 0, 100]);
  return camera;
}

describe("the camera", () => {
  it("shows the whole map at zoom 0, with a margin", () => {
    const camera = makeCamera();
    expect(camera.zoom).toBeCloseTo(0);
    expect(camera.isHome).toBe(true);
    const [left, bottom, right, top] = camera.bounds();
    expect([bottom, top]).toEqual([expect.closeTo(50 - 50 / 0.92), expect.closeTo(50 + 50 / 0.92)]);
    expect(right - left).toBeCloseTo((top - bottom) * (800 / 600));
  });

  it("converts positions to the screen and back, with y upwards on the map", () => {
    const camera = makeCamera();
    camera.set(30, 70, 2.5);
    expect(camera.toScreen(30, 70)).toEqual([400, 300]);
    expect(camera.toScreen(30, 71)[1]).toBeLessThan(300);
    const [x, y] = camera.toMap(...camera.toScreen(12.5, 64));
    expect([x, y]).toEqual([expect.closeTo(12.5), expect.closeTo(64)]);
  });

  it("stays where it is when it is sent to an image that the map does not have", () => {
    const camera = makeCamera();
    camera.set(30, 70, 1);
    camera.flyTo(NaN, NaN);
    expect([camera.x, camera.y, camera.zoom]).toEqual([30, 70, expect.closeTo(1)]);
  });

  it("keeps the position under the pointer while zooming", () => {
    const camera = makeCamera();
    const before = camera.toMap(500, 200);
    camera.zoomAt(500, 200, 1.5);
    expect(camera.zoom).toBeCloseTo(1.5);
    const after = camera.toMap(500, 200);
    expect(after).toEqual([expect.closeTo(before[0]), expect.closeTo(before[1])]);
  });

  it("limits the zoom to where the nearest images are well apart", () => {
    const camera = makeCamera();
    camera.spacing = 1;
    camera.zoomAt(400, 300, 50);
    expect(camera.scale * camera.spacing).toBeCloseTo(MAX_SPACING);
    expect(camera.zoom).toBeCloseTo(camera.maxZoom);
    camera.zoomAt(400, 300, -50);
    expect(camera.zoom).toBeCloseTo(-2);
  });

  it("can be zoomed further where images are denser than elsewhere, and stays as near when it moves on", () => {
    const camera = makeCamera();
    camera.spacing = 1;
    camera.localSpacing = (x) => (x < 50 ? 0.1 : 5);
    camera.set(60, 50, 50);
    expect(camera.zoom).toBeCloseTo(camera.maxZoom); // sparse places are not limited further
    expect(camera.canZoomIn).toBe(false);
    camera.set(40, 50, 50);
    expect(camera.scale * 0.1).toBeCloseTo(MAX_SPACING);
    expect(camera.canZoomIn).toBe(false);
    const { scale } = camera;
    camera.pan(-20 * scale, 0);
    camera.zoomAt(400, 300, 1);
    expect(camera.scale).toBeCloseTo(scale);
    camera.zoomAt(400, 300, -0.5);
    expect(camera.scale).toBeLessThan(scale);
  });

  it("leaves room for the large thumbnails of few images around the map", () => {
    const camera = makeCamera();
    camera.spacing = 40;
    camera.reset();
    const [left, bottom] = camera.toScreen(0, 0);
    expect(600 - bottom).toBeCloseTo(52);
    expect(left).toBeGreaterThan(52);
  });

  it("can be zoomed once on a map of very few images", () => {
    const camera = makeCamera();
    camera.spacing = 90;
    expect(camera.maxZoom).toBe(1);
  });

  it("pans with the pointer, and not beyond the edge of the map", () => {
    const camera = makeCamera();
    camera.set(50, 50, 3);
    const { scale } = camera;
    camera.pan(10, 20);
    expect([camera.x, camera.y]).toEqual([expect.closeTo(50 - 10 / scale), expect.closeTo(50 + 20 / scale)]);
    camera.pan(-1e6, 1e6);
    expect([camera.x, camera.y]).toEqual([100, 100]);
  });

  it("keeps an image in view when zooming into an empty part", () => {
    const camera = makeCamera();
    camera.nearest = () => [10, 10];
    camera.zoomAt(780, 20, 5);
    expect(camera.sees(10, 10, 0)).toBe(true);
  });

  it("keeps the middle of the view when the window is resized, and the scale if asked", () => {
    const camera = makeCamera();
    camera.set(20, 80, 2);
    const { scale } = camera;
    camera.resize(400, 300, true);
    expect([camera.x, camera.y, camera.scale]).toEqual([20, 80, expect.closeTo(scale)]);
    camera.set(20, 80, 2);
    camera.resize(1200, 900, false);
    expect(camera.zoom).toBeCloseTo(2);
  });

  it("shows a rectangle in full", () => {
    const camera = makeCamera();
    camera.flyToBox(10, 20, 14, 22);
    for (const [x, y] of [[10, 20], [14, 22]]) expect(camera.sees(x, y, 20)).toBe(true);
    expect(camera.sees(5, 21, 0)).toBe(false);
  });

  it("reports each change, and identifies views", () => {
    const changed = vi.fn();
    const camera = new Camera(changed);
    camera.setHome([0, 0, 100]);
    expect(changed).toHaveBeenCalledTimes(1);
    const { key } = camera;
    camera.pan(5, 0);
    expect(changed).toHaveBeenCalledTimes(2);
    expect(camera.key).not.toBe(key);
    camera.reset();
    expect(camera.key).toBe(key);
  });
});
