import { beforeEach, describe, expect, it, vi } from "vitest";
import { Camera } from "../src/map/camera";
import { type Actions, Gestures } from "../src/map/gestures";

type Listener = (event: object) => void;

/** An element that takes events, in Node without a DOM. */
class Target {
  private readonly listeners = new Map<string, Listener[]>();

  addEventListener(name: string, listener: Listener): void {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
  }

  getBoundingClientRect(): object {
    return { left: 0, top: 0 };
  }

  focus(): void {}
  setPointerCapture(): void {}

  send(name: string, x: number, y: number, more: object = {}): void {
    const event = { clientX: x, clientY: y, pointerId: 1, pointerType: "touch", button: 0, timeStamp: Date.now(), preventDefault() {}, ...more };
    for (const listener of this.listeners.get(name) ?? []) listener(event);
  }
}

function makeGestures() {
  const camera = new Camera(() => undefined);
  [camera.width, camera.height] = [800, 600];
  camera.setHome([0, 0, 100]);
  const target = new Target();
  const actions = { hover: vi.fn(), leave: vi.fn(), click: vi.fn(), hold: vi.fn(), longPress: vi.fn(), doubleClick: vi.fn(() => false), draw: vi.fn(), move: vi.fn() };
  const gestures = new Gestures(target as unknown as HTMLElement, camera, actions satisfies Actions);
  return { camera, target, actions, gestures };
}

describe("a finger", () => {
  beforeEach(() => void vi.useFakeTimers());

  it("inspects with a tap, also if it moves a little", () => {
    const { target, actions } = makeGestures();
    target.send("pointerdown", 100, 100);
    target.send("pointermove", 106, 103);
    target.send("pointerup", 106, 103);
    expect(actions.click).toHaveBeenCalledTimes(1);
    expect(actions.doubleClick).not.toHaveBeenCalled();
  });

  it("waits for a second tap where a panel would cover the first one", () => {
    const { target, actions, camera, gestures } = makeGestures();
    gestures.isSoonCovered = (y) => y > 300;
    const tap = (y: number): void => {
      target.send("pointerdown", 100, y);
      target.send("pointerup", 100, y);
    };
    tap(400);
    expect(actions.click).not.toHaveBeenCalled();
    vi.advanceTimersByTime(400);
    expect(actions.click).toHaveBeenCalledTimes(1);
    tap(400);
    vi.advanceTimersByTime(200);
    tap(402);
    vi.advanceTimersByTime(400);
    expect([actions.click.mock.calls.length, actions.doubleClick.mock.calls.length, camera.zoom]).toEqual([1, 1, 1]);
    tap(400);
    target.send("pointerdown", 200, 400);
    target.send("pointermove", 260, 400); // moves the map
    vi.advanceTimersByTime(400);
    expect(actions.click).toHaveBeenCalledTimes(1);
    target.send("pointerup", 260, 400);
    tap(100);
    expect(actions.click).toHaveBeenCalledTimes(2);
  });

  it("opens with two taps at one place, once also where the browser reports a double click", () => {
    const { target, actions, camera } = makeGestures();
    const tap = (x: number): void => {
      target.send("pointerdown", x, 100);
      target.send("pointerup", x, 100);
    };
    tap(100);
    vi.advanceTimersByTime(200);
    tap(104);
    target.send("dblclick", 104, 100);
    expect([actions.click.mock.calls.length, actions.doubleClick.mock.calls.length]).toEqual([1, 1]);
    expect(camera.zoom).toBeCloseTo(1); // no image was hit
    vi.advanceTimersByTime(1000);
    tap(100);
    vi.advanceTimersByTime(200);
    tap(300);
    expect([actions.click.mock.calls.length, actions.doubleClick.mock.calls.length]).toEqual([3, 1]);
  });

  it("selects with a long press", () => {
    const { target, actions } = makeGestures();
    target.send("pointerdown", 100, 100);
    vi.advanceTimersByTime(600);
    expect(actions.hold).toHaveBeenCalledWith(100, 100);
    target.send("pointerup", 101, 101);
    expect(actions.longPress).toHaveBeenCalledWith(101, 101);
    expect(actions.click).not.toHaveBeenCalled();
  });

  it("draws around images after a long press, which adds them to the selection", () => {
    const { target, actions, camera } = makeGestures();
    const { key } = camera;
    target.send("pointerdown", 100, 100);
    vi.advanceTimersByTime(600);
    target.send("pointermove", 200, 100);
    target.send("pointermove", 200, 200);
    target.send("pointerup", 200, 200);
    expect(actions.draw).toHaveBeenLastCalledWith("lasso", [[100, 100], [200, 100], [200, 200]], true, true);
    expect(actions.longPress).not.toHaveBeenCalled();
    expect(camera.key).toBe(key);
  });

  it("moves the map if it moves at once, and two zoom it", () => {
    const { target, actions, camera } = makeGestures();
    camera.set(50, 50, 2);
    target.send("pointerdown", 400, 300);
    target.send("pointermove", 300, 300);
    expect(camera.x).toBeGreaterThan(50);
    vi.advanceTimersByTime(600);
    target.send("pointerdown", 500, 300, { pointerId: 2 });
    vi.advanceTimersByTime(600);
    target.send("pointermove", 700, 300, { pointerId: 2 });
    expect(camera.zoom).toBeCloseTo(3);
    target.send("pointerup", 300, 300);
    target.send("pointerup", 700, 300, { pointerId: 2 });
    expect([actions.hold, actions.click, actions.longPress].map((one) => one.mock.calls.length)).toEqual([0, 0, 0]);
  });

  it("shows what the decoder draws where it is", () => {
    const { target, actions, camera, gestures } = makeGestures();
    const { key } = camera;
    gestures.tool = "decode";
    target.send("pointerdown", 100, 100);
    target.send("pointermove", 200, 150);
    expect(actions.hover).toHaveBeenLastCalledWith(200, 150);
    expect(camera.key).toBe(key);
  });
});

describe("a mouse", () => {
  it("pressed for long selects nothing by itself", () => {
    vi.useFakeTimers();
    const { target, actions } = makeGestures();
    target.send("pointerdown", 100, 100, { pointerType: "mouse" });
    vi.advanceTimersByTime(2000);
    target.send("pointerup", 100, 100, { pointerType: "mouse" });
    expect(actions.hold).not.toHaveBeenCalled();
    expect(actions.click).toHaveBeenCalledTimes(1);
  });
});
