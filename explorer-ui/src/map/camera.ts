// The part of the map that is in view, and its scale.

import { reducedMotion } from "../page/dom";

const MIN_ZOOM = -2;
const MAX_ZOOM = 18; // reached only if images lie at nearly the same positions
const MIN_ZOOM_RANGE = 1; // maximum zoom of a map of very few images
export const MAX_SPACING = 256; // median distance in pixels between nearest images at the maximum zoom
const HOME_MARGIN = 0.08; // fraction of the shorter side of the view that is free when the whole map is in it
const MAX_HOME_MARGIN = 104; // pixels, for the large thumbnails of few images
const KEEP_WITHIN = 0.4; // fraction of the view on each side of its middle: zooming in keeps an image within it
const FLIGHT_TIME = 450; // milliseconds

/** Size of the thumbnails: growing with the zoom, fixed, or none (dots only). */
export const THUMBNAIL_SIZES = ["auto", "small", "medium", "large", "none"] as const;
export type ThumbnailSize = (typeof THUMBNAIL_SIZES)[number];

export class Camera {
  width = 1;
  height = 1;
  x = 0;
  y = 0;
  /** Pixels of the screen per unit of the map. */
  scale = 1;
  /** Median distance between nearest images: of all images, and of the visible ones. */
  spacing = 0;
  shownSpacing = 0;
  thumbnailSize: ThumbnailSize = "auto";
  /** Finds the image nearest to a position, so that zooming in does not end in an empty view. */
  nearest: (x: number, y: number) => [number, number] | null = () => null;
  /** Distance from the image nearest to a position to the next one, by which the zoom is limited there; 0 if unknown. */
  localSpacing: (x: number, y: number) => number = () => 0;
  private home = { x: 0, y: 0, side: 1 };
  private animation = 0;

  constructor(private readonly changed: () => void) {}

  /** Set the square that contains all points: left, bottom, side. */
  setHome([left, bottom, side]: [number, number, number]): void {
    this.home = { x: left + side / 2, y: bottom + side / 2, side };
    this.reset();
  }

  /** Set the size of the screen; the middle of the view stays, and so does its scale or its zoom. */
  resize(width: number, height: number, keepScale: boolean): void {
    const { x, y, zoom, scale } = this;
    this.width = width;
    this.height = height;
    this.set(x, y, keepScale ? Math.log2(scale / this.homeScale) : zoom);
  }

  get homeScale(): number {
    const shorter = Math.min(this.width, this.height);
    const thumbnail = Math.min(MAX_HOME_MARGIN, (this.spacing * shorter) / this.home.side); // of few images, it is large
    return Math.max(shorter / 2, shorter - Math.max(HOME_MARGIN * shorter, thumbnail)) / this.home.side;
  }

  /** Doublings of the scale at which the whole map is in view. */
  get zoom(): number {
    return Math.log2(this.scale / this.homeScale);
  }

  /** The zoom at which the nearest images are well apart, for half of the images. */
  get maxZoom(): number {
    return this.spacing ? this.zoomOfSpacing(this.spacing) : MAX_ZOOM;
  }

  /** The maximum zoom at a position: where images are denser than elsewhere, it is larger. */
  maxZoomAt(x: number, y: number): number {
    const spacing = this.localSpacing(x, y);
    return spacing > 0 ? Math.max(this.maxZoom, this.zoomOfSpacing(spacing)) : this.maxZoom;
  }

  /** Whether the middle of the view can be magnified. */
  get canZoomIn(): boolean {
    const zoom = this.zoom + 1e-6;
    return zoom < this.maxZoom || zoom < this.maxZoomAt(this.x, this.y);
  }

  private zoomOfSpacing(spacing: number): number {
    return clamp(Math.log2(MAX_SPACING / spacing / this.homeScale), MIN_ZOOM_RANGE, MAX_ZOOM);
  }

  get isHome(): boolean {
    return this.x === this.home.x && this.y === this.home.y && Math.abs(this.zoom) < 1e-6;
  }

  /** Identifies the view. */
  get key(): string {
    return [this.x, this.y, this.scale, this.width, this.height, this.thumbnailSize, this.shownSpacing].join();
  }

  reset(): void {
    cancelAnimationFrame(this.animation);
    this.set(this.home.x, this.home.y, 0);
  }

  set(x: number, y: number, zoom: number): void {
    this.x = x;
    this.y = y;
    this.scale = this.scaleOf(zoom, x, y);
    this.changed();
  }

  /** The scale of a zoom within its limits at a position of the map. */
  private scaleOf(zoom: number, x: number, y: number): number {
    const limit = zoom <= this.maxZoom ? this.maxZoom : this.maxZoomAt(x, y);
    return this.homeScale * 2 ** clamp(zoom, MIN_ZOOM, limit);
  }

  /** Convert a position on the screen to one on the map. */
  toMap(px: number, py: number): [number, number] {
    return [this.x + (px - this.width / 2) / this.scale, this.y - (py - this.height / 2) / this.scale];
  }

  /** Convert a position on the map to one on the screen. */
  toScreen(x: number, y: number): [number, number] {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  /** Left, bottom, right and top of the view on the map, with a margin in pixels. */
  bounds(margin = 0): [number, number, number, number] {
    const halfWidth = (this.width / 2 + margin) / this.scale;
    const halfHeight = (this.height / 2 + margin) / this.scale;
    return [this.x - halfWidth, this.y - halfHeight, this.x + halfWidth, this.y + halfHeight];
  }

  /** Whether a position on the map is in view, at least `margin` pixels from its edge. */
  sees(x: number, y: number, margin = 60): boolean {
    const [left, bottom, right, top] = this.bounds(-margin);
    return x > left && x < right && y > bottom && y < top;
  }

  /** Move the map by pixels of the screen. */
  pan(dx: number, dy: number): void {
    cancelAnimationFrame(this.animation);
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
    this.keepOnMap();
    this.changed();
  }

  /** Zoom about a position on the screen. */
  zoomAt(px: number, py: number, steps: number): void {
    cancelAnimationFrame(this.animation);
    const [x, y] = this.toMap(px, py);
    const scale = this.scaleOf(this.zoom + steps, x, y);
    this.scale = steps > 0 ? Math.max(this.scale, scale) : scale; // the limit may have been larger elsewhere
    this.x = x - (px - this.width / 2) / this.scale;
    this.y = y + (py - this.height / 2) / this.scale;
    this.keepOnMap();
    if (steps > 0) this.keepAnImage();
    this.changed();
  }

  private keepOnMap(): void {
    const half = this.home.side / 2;
    this.x = clamp(this.x, this.home.x - half, this.home.x + half);
    this.y = clamp(this.y, this.home.y - half, this.home.y + half);
  }

  /** Move as little as needed to keep an image in view. */
  private keepAnImage(): void {
    const found = this.nearest(this.x, this.y);
    if (!found) return;
    const [rx, ry] = [(KEEP_WITHIN * this.width) / this.scale, (KEEP_WITHIN * this.height) / this.scale];
    this.x = clamp(this.x, found[0] - rx, found[0] + rx);
    this.y = clamp(this.y, found[1] - ry, found[1] + ry);
  }

  /** Move there with a short animation; at once if reduced motion is preferred. */
  flyTo(x: number, y: number, zoom = this.zoom): void {
    if (Number.isNaN(x + y)) return; // an image that this map does not have
    cancelAnimationFrame(this.animation);
    if (reducedMotion()) return this.set(x, y, zoom);
    const start = { x: this.x, y: this.y, zoom: this.zoom, time: performance.now() };
    const step = (now: number): void => {
      const t = clamp((now - start.time) / FLIGHT_TIME, 0, 1);
      const s = t * t * (3 - 2 * t);
      this.set(start.x + s * (x - start.x), start.y + s * (y - start.y), start.zoom + s * (zoom - start.zoom));
      if (t < 1) this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  flyHome(): void {
    this.flyTo(this.home.x, this.home.y, 0);
  }

  /** Move so that a rectangle of the map is in view. */
  flyToBox(left: number, bottom: number, right: number, top: number): void {
    const size = Math.max((right - left) / this.width, (top - bottom) / this.height, 1e-9);
    this.flyTo((left + right) / 2, (bottom + top) / 2, Math.log2(0.8 / size / this.homeScale));
  }
}

export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
