// Which part of the map is seen, and how large.

import { reducedMotion } from "./dom";

export class Camera {
  width = 1;
  height = 1;
  x = 0;
  y = 0;
  /** Pixels of the screen for a unit of the map. */
  scale = 1;
  private home = { x: 0, y: 0, side: 1 };
  private animation = 0;

  constructor(private readonly changed: () => void) {}

  /** The square in which all points lie: left, bottom, side. */
  setHome([left, bottom, side]: [number, number, number]): void {
    this.home = { x: left + side / 2, y: bottom + side / 2, side };
    this.reset();
  }

  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
  }

  private get homeScale(): number {
    return (0.92 * Math.min(this.width, this.height)) / this.home.side;
  }

  /** How often the whole map was doubled. */
  get zoom(): number {
    return Math.log2(this.scale / this.homeScale);
  }

  /** Changes when the view does. */
  get key(): string {
    return [this.x, this.y, this.scale, this.width, this.height].join();
  }

  reset(): void {
    this.set(this.home.x, this.home.y, 0);
  }

  set(x: number, y: number, zoom: number): void {
    this.x = x;
    this.y = y;
    this.scale = this.homeScale * 2 ** clamp(zoom, -2, 18);
    this.changed();
  }

  /** Screen → map. */
  toMap(px: number, py: number): [number, number] {
    return [this.x + (px - this.width / 2) / this.scale, this.y - (py - this.height / 2) / this.scale];
  }

  /** Map → screen. */
  toScreen(x: number, y: number): [number, number] {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  /** Left, bottom, right and top of what is seen, with a margin in pixels. */
  bounds(margin = 0): [number, number, number, number] {
    const halfWidth = (this.width / 2 + margin) / this.scale;
    const halfHeight = (this.height / 2 + margin) / this.scale;
    return [this.x - halfWidth, this.y - halfHeight, this.x + halfWidth, this.y + halfHeight];
  }

  pan(dx: number, dy: number): void {
    cancelAnimationFrame(this.animation);
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
    this.keepInSight();
    this.changed();
  }

  /** Zoom so that what lies under a place of the screen stays there. */
  zoomAt(px: number, py: number, steps: number): void {
    cancelAnimationFrame(this.animation);
    const [x, y] = this.toMap(px, py);
    this.scale = this.homeScale * 2 ** clamp(this.zoom + steps, -2, 18);
    this.x = x - (px - this.width / 2) / this.scale;
    this.y = y + (py - this.height / 2) / this.scale;
    this.keepInSight();
    this.changed();
  }

  private keepInSight(): void {
    const half = this.home.side / 2;
    this.x = clamp(this.x, this.home.x - half, this.home.x + half);
    this.y = clamp(this.y, this.home.y - half, this.home.y + half);
  }

  /** Go there in a short flight; at once where motion is not wanted. */
  flyTo(x: number, y: number, zoom = this.zoom): void {
    cancelAnimationFrame(this.animation);
    if (reducedMotion()) return this.set(x, y, zoom);
    const start = { x: this.x, y: this.y, zoom: this.zoom, time: performance.now() };
    const step = (now: number): void => {
      const t = clamp((now - start.time) / 450, 0, 1);
      const s = t * t * (3 - 2 * t);
      this.set(start.x + s * (x - start.x), start.y + s * (y - start.y), start.zoom + s * (zoom - start.zoom));
      if (t < 1) this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  /** Show a rectangle of the map. */
  flyToBox(left: number, bottom: number, right: number, top: number): void {
    const size = Math.max((right - left) / this.width, (top - bottom) / this.height, 1e-9);
    this.flyTo((left + right) / 2, (bottom + top) / 2, Math.log2(0.8 / size / this.homeScale));
  }
}

export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
