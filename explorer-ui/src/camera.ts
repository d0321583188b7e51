// Which part of the map is seen, and how large.

import { reducedMotion } from "./dom";

const FARTHEST = -2; // zoom
const NEAREST = 18; // zoom, where images lie at the same places
const LEAST_RANGE = 1; // zoom that a map of very few images has at least
export const NEAR_SIDE = 256; // pixels between an image and the nearest other one where zooming ends, in the median
const IN_SIGHT = 0.4; // fraction of the view on each side of its middle in which one image stays when one zooms in

/** How large pictures are: as the map is zoomed, of one size, or dots only. */
export const PICTURE_SIZES = ["auto", "small", "medium", "large", "none"] as const;
export type PictureSize = (typeof PICTURE_SIZES)[number];

export class Camera {
  width = 1;
  height = 1;
  x = 0;
  y = 0;
  /** Pixels of the screen for a unit of the map. */
  scale = 1;
  /** Median distance between nearest images, of all and of those that are shown. */
  spacing = 0;
  shownSpacing = 0;
  pictureSize: PictureSize = "auto";
  /** The image nearest to a place of the map, for zooming not to end in emptiness. */
  nearest: (x: number, y: number) => [number, number] | null = () => null;
  private home = { x: 0, y: 0, side: 1 };
  private animation = 0;

  constructor(private readonly changed: () => void) {}

  /** The square in which all points lie: left, bottom, side. */
  setHome([left, bottom, side]: [number, number, number]): void {
    this.home = { x: left + side / 2, y: bottom + side / 2, side };
    this.reset();
  }

  /** Take the size of the screen; the view stays where it is, with its scale or with its zoom. */
  resize(width: number, height: number, keepScale: boolean): void {
    const { x, y, zoom, scale } = this;
    this.width = width;
    this.height = height;
    this.set(x, y, keepScale ? Math.log2(scale / this.homeScale) : zoom);
  }

  get homeScale(): number {
    return (0.92 * Math.min(this.width, this.height)) / this.home.side;
  }

  /** How often the whole map was doubled. */
  get zoom(): number {
    return Math.log2(this.scale / this.homeScale);
  }

  /** The zoom at which the nearest images are apart, beyond which there is nothing more to see. */
  get maxZoom(): number {
    if (!this.spacing) return NEAREST;
    return clamp(Math.log2(NEAR_SIDE / this.spacing / this.homeScale), LEAST_RANGE, NEAREST);
  }

  get isHome(): boolean {
    return this.x === this.home.x && this.y === this.home.y && Math.abs(this.zoom) < 1e-6;
  }

  /** Changes when the view does. */
  get key(): string {
    return [this.x, this.y, this.scale, this.width, this.height, this.pictureSize, this.shownSpacing].join();
  }

  reset(): void {
    cancelAnimationFrame(this.animation);
    this.set(this.home.x, this.home.y, 0);
  }

  set(x: number, y: number, zoom: number): void {
    this.x = x;
    this.y = y;
    this.scale = this.scaleOf(zoom);
    this.changed();
  }

  private scaleOf(zoom: number): number {
    return this.homeScale * 2 ** clamp(zoom, FARTHEST, this.maxZoom);
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

  /** Whether a place of the map is seen, and not just at the edge. */
  sees(x: number, y: number, margin = 60): boolean {
    const [left, bottom, right, top] = this.bounds(-margin);
    return x > left && x < right && y > bottom && y < top;
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
    this.scale = this.scaleOf(this.zoom + steps);
    this.x = x - (px - this.width / 2) / this.scale;
    this.y = y + (py - this.height / 2) / this.scale;
    this.keepInSight();
    if (steps > 0) this.keepSomething();
    this.changed();
  }

  private keepInSight(): void {
    const half = this.home.side / 2;
    this.x = clamp(this.x, this.home.x - half, this.home.x + half);
    this.y = clamp(this.y, this.home.y - half, this.home.y + half);
  }

  /** Move just so far that an image is in the view. */
  private keepSomething(): void {
    const found = this.nearest(this.x, this.y);
    if (!found) return;
    const [rx, ry] = [(IN_SIGHT * this.width) / this.scale, (IN_SIGHT * this.height) / this.scale];
    this.x = clamp(this.x, found[0] - rx, found[0] + rx);
    this.y = clamp(this.y, found[1] - ry, found[1] + ry);
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

  flyHome(): void {
    this.flyTo(this.home.x, this.home.y, 0);
  }

  /** Show a rectangle of the map. */
  flyToBox(left: number, bottom: number, right: number, top: number): void {
    const size = Math.max((right - left) / this.width, (top - bottom) / this.height, 1e-9);
    this.flyTo((left + right) / 2, (bottom + top) / 2, Math.log2(0.8 / size / this.homeScale));
  }
}

export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
