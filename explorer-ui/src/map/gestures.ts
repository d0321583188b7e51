// Mouse, touch and keyboard input on the map.

import type { Camera } from "./camera";

export type Tool = "pan" | "box" | "lasso" | "decode" | "path";
export type Point = [number, number];

export interface Actions {
  hover(px: number, py: number): void;
  leave(): void;
  click(px: number, py: number, event: PointerEvent): void;
  /** A finger rests on the map: drawing selects now, and so does lifting it, which is reported as a long press. */
  hold(px: number, py: number): void;
  longPress(px: number, py: number): void;
  /** Returns whether an image was opened; otherwise the map is zoomed. */
  doubleClick(px: number, py: number): boolean;
  /** A shape drawn with a tool, in pixels of the screen; `isDone` when it is complete; `isAdded` to the selection. */
  draw(tool: Tool, points: Point[], isDone: boolean, isAdded: boolean): void;
  move(): void;
}

const CLICK_DISTANCE = 4; // pixels that the pointer may move during a click
const TAP_DISTANCE = 10; // pixels that a finger may move during a tap
const DOUBLE_TAP_DISTANCE = 30; // pixels between two taps
const DOUBLE_TAP_TIME = 350; // milliseconds between two taps
const HOLD_TIME = 500; // milliseconds
const HOLD_VIBRATION = 15; // milliseconds
const STEP = 80; // pixels that an arrow key moves the map

export class Gestures {
  tool: Tool = "pan";
  private readonly pointers = new Map<number, Point>();
  private drawn: Point[] = [];
  private start: Point = [0, 0];
  private dragged = false;
  /** Whether two fingers were down: then nothing is drawn. */
  private pinched = false;
  /** The tool that this press draws with; null if it moves the map. */
  private drawing: Tool | null = null;
  private holdTimer = 0;
  /** Whether a finger rested on the map at the start of this press. */
  private isHeld = false;
  private lastTap = { at: [0, 0] as Point, time: -Infinity };
  private isTouch = false;
  /** A tap that waits for a second one. */
  private tapTimer = 0;
  /** Whether a panel that a tap opens would cover a height of the window, so that a second tap would not meet the map. */
  isSoonCovered: (y: number) => boolean = () => false;

  constructor(
    private readonly element: HTMLElement,
    private readonly camera: Camera,
    private readonly actions: Actions,
  ) {
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.up(event));
    element.addEventListener("pointercancel", (event) => this.cancel(event));
    element.addEventListener("pointerleave", () => actions.leave());
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("dblclick", (event) => {
      if (!this.isTouch) this.doubleClick(this.place(event), event.shiftKey ? -1 : 1);
    });
    element.addEventListener("contextmenu", (event) => {
      if (this.isTouch) event.preventDefault(); // a long press selects
    });
  }

  private doubleClick(at: Point, steps: number): void {
    if (!this.actions.doubleClick(...at)) this.camera.zoomAt(...at, steps);
  }

  private place(event: MouseEvent): Point {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private down(event: PointerEvent): void {
    this.element.focus({ preventScroll: true, focusVisible: false } as FocusOptions); // the focus ring is for the keyboard
    this.element.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    this.stopHold();
    this.isTouch = event.pointerType === "touch";
    if (this.pointers.size === 1) {
      this.start = at;
      this.drawn = [at];
      this.dragged = false;
      this.pinched = false;
      this.isHeld = false;
      this.drawing = this.toolOf(event);
      if (this.isTouch && this.tool === "pan") this.holdTimer = setTimeout(() => this.hold(at), HOLD_TIME);
      else if (this.isPreview) this.actions.hover(...at);
    }
  }

  /** Whether a finger shows what is at its place, as a pointer does that is not pressed. */
  private get isPreview(): boolean {
    return this.isTouch && this.tool === "decode" && !this.pinched;
  }

  private hold(at: Point): void {
    this.isHeld = true;
    this.drawing = "lasso";
    navigator.vibrate?.(HOLD_VIBRATION);
    this.actions.hold(...at);
  }

  private stopHold(): void {
    clearTimeout(this.holdTimer);
  }

  private isAdded(event: PointerEvent): boolean {
    return this.isHeld || event.shiftKey || event.ctrlKey || event.metaKey;
  }

  /** Shift selects with every tool: with the box if it is chosen, otherwise with the lasso. */
  private toolOf(event: PointerEvent): Tool | null {
    if (event.button === 1) return null; // the middle button always moves the map
    if (event.shiftKey && this.tool !== "box") return "lasso";
    return this.tool === "pan" || this.tool === "decode" ? null : this.tool;
  }

  private cancel(event: PointerEvent): void {
    this.stopHold();
    this.pointers.delete(event.pointerId);
    if (this.pointers.size || !this.drawing) return;
    this.drawn = [];
    this.actions.draw(this.drawing, [], true, false);
  }

  private move(event: PointerEvent): void {
    const at = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.actions.hover(...at);
    if (distance(at, this.start) > (this.isTouch ? TAP_DISTANCE : CLICK_DISTANCE)) {
      this.dragged = true;
      this.stopHold();
      clearTimeout(this.tapTimer);
    }
    if (this.pointers.size === 2) this.pinch(event.pointerId, at);
    else if (this.isPreview) this.actions.hover(...at);
    else if (!this.drawing || this.pinched) {
      if (this.dragged) this.camera.pan(at[0] - before[0], at[1] - before[1]);
      this.actions.move();
    } else if (this.dragged) {
      this.drawn.push(at);
      this.actions.draw(this.drawing, this.shape(), false, this.isAdded(event));
    }
    this.pointers.set(event.pointerId, at);
  }

  private up(event: PointerEvent): void {
    this.stopHold();
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    if (this.dragged) {
      if (this.drawing) this.actions.draw(this.drawing, this.pinched ? [] : this.shape(), true, this.isAdded(event));
    } else if (this.isHeld) this.actions.longPress(...this.place(event));
    else if (this.isTouch) this.tap(event);
    else if (event.button === 0) this.actions.click(...this.place(event), event);
    this.drawn = [];
  }

  /** Not every browser reports a double tap as a double click. */
  private tap(event: PointerEvent): void {
    const at = this.place(event);
    const { at: before, time } = this.lastTap;
    const isDouble = event.timeStamp - time < DOUBLE_TAP_TIME && distance(at, before) < DOUBLE_TAP_DISTANCE;
    this.lastTap = { at, time: isDouble ? -Infinity : event.timeStamp };
    clearTimeout(this.tapTimer);
    if (isDouble) this.doubleClick(at, 1);
    else if (this.isSoonCovered(event.clientY)) this.tapTimer = setTimeout(() => this.actions.click(...at, event), DOUBLE_TAP_TIME);
    else this.actions.click(...at, event);
  }

  /** Corners of the box, or the line that was drawn. */
  private shape(): Point[] {
    if (this.drawing !== "box") return this.drawn;
    const [a, b] = [this.start, this.drawn[this.drawn.length - 1]];
    return [a, [b[0], a[1]], b, [a[0], b[1]]];
  }

  private pinch(moved: number, at: Point): void {
    const [other] = [...this.pointers].filter(([id]) => id !== moved).map(([, place]) => place);
    const before = this.pointers.get(moved)!;
    const middle: Point = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.camera.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.camera.zoomAt(...middle, Math.log2(Math.max(1, distance(at, other)) / Math.max(1, distance(before, other))));
    this.dragged = true;
    this.pinched = true;
    this.actions.move();
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.camera.zoomAt(...this.place(event), (-event.deltaY * lines) / (event.ctrlKey ? 60 : 240));
    this.actions.move();
  }

  /** Move the map with a key; returns whether the key does. */
  key(event: KeyboardEvent): boolean {
    const { camera } = this;
    const zoom = (steps: number): void => camera.zoomAt(camera.width / 2, camera.height / 2, steps);
    const steps: { [key: string]: () => void } = {
      ArrowLeft: () => camera.pan(STEP, 0),
      ArrowRight: () => camera.pan(-STEP, 0),
      ArrowUp: () => camera.pan(0, STEP),
      ArrowDown: () => camera.pan(0, -STEP),
      "+": () => zoom(0.5),
      "=": () => zoom(0.5),
      "-": () => zoom(-0.5),
      "0": () => camera.reset(), // without animation, like the other keys
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !steps[event.key]) return false;
    steps[event.key]();
    this.actions.move();
    return true;
  }
}

const distance = (a: Point, b: Point): number => Math.hypot(a[0] - b[0], a[1] - b[1]);
