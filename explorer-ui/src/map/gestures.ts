// Mouse, touch and keyboard input on the map.

import type { Camera } from "./camera";

export type Tool = "pan" | "box" | "lasso" | "decode" | "path";
export type Point = [number, number];

export interface Actions {
  hover(px: number, py: number): void;
  leave(): void;
  click(px: number, py: number, event: PointerEvent): void;
  /** Returns whether an image was opened; otherwise the map is zoomed. */
  doubleClick(px: number, py: number): boolean;
  /** A shape drawn with a tool, in pixels of the screen; `isDone` when it is complete. */
  draw(tool: Tool, points: Point[], isDone: boolean, event: PointerEvent): void;
  move(): void;
}

const CLICK_DISTANCE = 4; // pixels that the pointer may move during a click
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
      const at = this.place(event);
      if (!actions.doubleClick(...at)) camera.zoomAt(...at, event.shiftKey ? -1 : 1);
    });
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
    if (this.pointers.size === 1) {
      this.start = at;
      this.drawn = [at];
      this.dragged = false;
      this.pinched = false;
      this.drawing = this.toolOf(event);
    }
  }

  /** Shift selects with every tool: with the box if it is chosen, otherwise with the lasso. */
  private toolOf(event: PointerEvent): Tool | null {
    if (event.button === 1) return null; // the middle button always moves the map
    if (event.shiftKey && this.tool !== "box") return "lasso";
    return this.tool === "pan" || this.tool === "decode" ? null : this.tool;
  }

  private cancel(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size || !this.drawing) return;
    this.drawn = [];
    this.actions.draw(this.drawing, [], true, event);
  }

  private move(event: PointerEvent): void {
    const at = this.place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.actions.hover(...at);
    if (Math.hypot(at[0] - this.start[0], at[1] - this.start[1]) > CLICK_DISTANCE) this.dragged = true;
    if (this.pointers.size === 2) this.pinch(event.pointerId, at);
    else if (!this.drawing || this.pinched) {
      if (this.dragged) this.camera.pan(at[0] - before[0], at[1] - before[1]);
      this.actions.move();
    } else if (this.dragged) {
      this.drawn.push(at);
      this.actions.draw(this.drawing, this.shape(), false, event);
    }
    this.pointers.set(event.pointerId, at);
  }

  private up(event: PointerEvent): void {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    if (!this.dragged) {
      if (event.button === 0) this.actions.click(...this.place(event), event);
    } else if (this.drawing) this.actions.draw(this.drawing, this.pinched ? [] : this.shape(), true, event);
    this.drawn = [];
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
    const distance = (a: Point): number => Math.hypot(a[0] - other[0], a[1] - other[1]);
    const middle: Point = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.camera.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.camera.zoomAt(...middle, Math.log2(Math.max(1, distance(at)) / Math.max(1, distance(before))));
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
