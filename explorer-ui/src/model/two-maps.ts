// Moves the points between their places on the map of the run and on that of another run.

import { reducedMotion } from "../page/dom";
import { interpolate } from "./interpolation";
import type { Model } from "./model";
import { Signal } from "./signal";

const MOVE_TIME = 900; // milliseconds from one map to the other
const REST_DELAY = 160; // milliseconds without a change after which the points rest
/** Number of points up to which they move; more are at once where they belong. */
export const MAX_ANIMATED = 300_000;

export class TwoMaps {
  /** Where the points are, from 0 (the map of the run) to 1 (the other map). */
  at = 0;
  /** The map of the run is about to be left. */
  readonly starting = new Signal();
  /** The points are elsewhere. */
  readonly moved = new Signal();
  /** The points rest. */
  readonly rested = new Signal();
  private readonly x: Float32Array;
  private readonly y: Float32Array;
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Places on the other map are NaN for points that it does not have: they are hidden as soon as the own map is left. */
  constructor(
    private readonly model: Model,
    private readonly otherX: Float32Array,
    private readonly otherY: Float32Array,
  ) {
    this.x = new Float32Array(model.n);
    this.y = new Float32Array(model.n);
  }

  /** Whether the points are elsewhere than on the map of the run. */
  get isShown(): boolean {
    return this.at > 0;
  }

  /** Put the points somewhere between the maps, as a slider does: they rest when it does. */
  drag(at: number): void {
    this.stop();
    this.put(at, true);
    this.timer = setTimeout(() => this.rest(at), REST_DELAY);
  }

  /** Move the points to one of the maps, or put them there at once where the visitor prefers that or they are too many. */
  moveTo(end: 0 | 1): void {
    const { at, model } = this;
    if (at === end && !model.isMoving) return;
    this.stop();
    if (reducedMotion() || model.n > MAX_ANIMATED) return this.rest(end);
    const time = MOVE_TIME * Math.abs(end - at);
    const start = performance.now();
    const step = (now: number): void => {
      const t = Math.min(1, Math.max(0, (now - start) / time));
      if (t === 1) return this.rest(end);
      this.put(at + t * t * (3 - 2 * t) * (end - at), true);
      this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  /** Put the points back on the map of the run at once. */
  back(): void {
    this.stop();
    if (this.isShown || this.model.isMoving) this.rest(0);
  }

  private stop(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  private rest(at: number): void {
    this.put(at, false);
    this.rested.emit();
  }

  private put(at: number, isMoving: boolean): void {
    if (!this.isShown && at > 0) this.starting.emit();
    const { model, x, y } = this;
    this.at = at;
    if (at === 0) model.setPositions(null, null, isMoving);
    else {
      interpolate(x, model.points.x, this.otherX, at);
      interpolate(y, model.points.y, this.otherY, at);
      model.setPositions(x, y, isMoving);
    }
    this.moved.emit();
  }
}
