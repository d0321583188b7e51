// Draws the map: WebGL canvas, labels, minimap, zoom bar and overlay, at most once a frame.

import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { medianSpacing } from "../model/spacing";
import { h } from "../page/dom";
import type { Inspector } from "../panels/inspector";
import { reloadPage } from "../widget/notebook";
import type { Camera } from "./camera";
import { Labels } from "./labels";
import { mapLegend } from "./map-legend";
import { Minimap } from "./minimap";
import type { Overlay } from "./overlay";
import { chooseSprites, spriteSide, type Sprite } from "./sprites";
import { Renderer } from "./webgl/renderer";
import { THEMES, type Theme } from "./webgl/theme";
import { ZoomBar } from "./zoom-bar";

const REST_DELAY = 160; // milliseconds without movement after which the map is drawn in full

export class MapView {
  readonly canvas = h("canvas", { class: "map", tabindex: 0, role: "application" });
  readonly stage = h("main", { class: "stage" });
  readonly legend = h("div", { class: "legend-place" });
  readonly labels: Labels;
  readonly minimap: Minimap;
  readonly zoomBar: ZoomBar;
  /** Sprites on the map, the last on top. */
  sprites: Sprite[] = [];
  readonly frameDrawn = new Signal();
  private readonly renderer: Renderer;
  private movedAt = 0;
  private isFrameRequested = false;
  private isSpacingStale = false;
  /** The view that the sprites were chosen for. */
  private chosenFor = "";
  /** Whether the map is fitted to the next size, as that of a resized window. */
  private isFitted = true;
  /** Middle of the stage on the page. */
  private middle: [number, number] = [0, 0];

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly inspector: Inspector,
    private readonly overlay: Overlay,
  ) {
    this.renderer = new Renderer(this.canvas, model, () => this.update());
    this.minimap = new Minimap(model, camera);
    this.zoomBar = new ZoomBar(model, camera);
    this.labels = new Labels(model, [this.minimap.element, this.zoomBar.element, this.legend]);
    this.listen();
  }

  private listen(): void {
    const { model, canvas } = this;
    model.positionsChanged.on(() => {
      this.renderer.updatePositions();
      this.labels.element.hidden = model.isMoving;
      if (!model.isMoving) this.labels.markStale();
      this.update();
    });
    model.colorsChanged.on(() => {
      this.renderer.updateColors();
      this.minimap.repaint();
      this.legend.replaceChildren(mapLegend(model));
      this.update();
    });
    model.filterChanged.on(() => {
      this.isSpacingStale = true;
      this.labels.markStale();
    });
    model.editsChanged.on(() => {
      this.labels.markStale();
      this.invalidate();
    });
    this.inspector.changed.on(() => {
      this.selectSprites(false);
      this.invalidate();
    });
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", reloadPage);
    new ResizeObserver(() => this.resize()).observe(this.stage);
    window.addEventListener("resize", () => (this.isFitted = true));
  }

  /** Show the whole map. */
  start(): void {
    const { model, camera } = this;
    camera.setHome(model.facts.square);
    this.resize();
    camera.spacing = model.facts.spacing ?? medianSpacing(model.points.x, model.points.y, null, model.facts.square);
    this.measureSpacing();
    camera.reset();
  }

  /** Load the tree of groups, by which labels are refined. */
  async loadLabels(): Promise<void> {
    await this.labels.loadTree();
    this.labels.markStale();
    this.invalidate();
  }

  resize(): void {
    const { camera, inspector, model } = this;
    const { left, top, width, height } = this.stage.getBoundingClientRect();
    this.setCanvasSize(width, height, devicePixelRatio);
    camera.resize(Math.max(1, width), Math.max(1, height), !this.isFitted);
    const [px, py] = this.middle;
    this.middle = [left + width / 2, top + height / 2];
    // panels that open or close do not move the map
    if (!this.isFitted) camera.set(camera.x + (this.middle[0] - px) / camera.scale, camera.y - (this.middle[1] - py) / camera.scale, camera.zoom);
    this.isFitted = false;
    const [x, y] = [model.x[inspector.row], model.y[inspector.row]];
    if (inspector.pinned && !camera.sees(x, y, 0)) camera.flyTo(x, y); // a panel covers the image
  }

  /** Fit the map to the size that the stage has in the next frame, with the same part of it in view. */
  refit(): void {
    this.isFitted = true;
    requestAnimationFrame(() => this.resize());
  }

  private setCanvasSize(width: number, height: number, ratio: number): void {
    for (const canvas of [this.canvas, this.overlay.element]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
  }

  /** Measure the spacing of the visible images, which the size of the sprites depends on. */
  private measureSpacing(): void {
    const { model, camera } = this;
    const { x, y } = model.points;
    this.isSpacingStale = false;
    const isAll = model.nVisible === model.nPresent;
    camera.shownSpacing = isAll ? camera.spacing : medianSpacing(x, y, model.visible, model.facts.square);
  }

  /** Note that the user moves the map: it is drawn in part until it rests. */
  noteMovement(): void {
    this.movedAt = performance.now();
  }

  /** Draw the map in the next frame. */
  invalidate(): void {
    if (this.isFrameRequested) return;
    this.isFrameRequested = true;
    requestAnimationFrame(() => {
      this.isFrameRequested = false;
      this.drawFrame();
    });
  }

  private drawFrame(): void {
    const isMoving = performance.now() - this.movedAt < REST_DELAY;
    this.selectSprites(false);
    this.renderer.draw(this.camera, devicePixelRatio, isMoving, this.theme);
    if (this.renderer.nSprites && !performance.getEntriesByName("first-picture").length) performance.mark("first-picture");
    this.labels.draw(this.camera);
    this.minimap.draw();
    this.zoomBar.draw(isMoving);
    this.overlay.draw(this.sprites);
    this.frameDrawn.emit();
    if (isMoving || this.labels.isBehind(this.camera)) setTimeout(() => this.invalidate(), REST_DELAY);
  }

  private get theme(): Theme {
    return THEMES[document.documentElement.dataset.theme!];
  }

  /** Choose the sprites again and draw the map. */
  update(): void {
    this.selectSprites(true);
    this.invalidate();
  }

  /** Load all pictures again: their channels have other colours. */
  forgetPictures(): void {
    this.overlay.forgetImages();
    this.update();
  }

  /** Choose the sprites of this view; unless forced, only if the view has changed. */
  private selectSprites(isForced: boolean): void {
    const { camera, inspector } = this;
    if (this.isSpacingStale) this.measureSpacing();
    const pinned = inspector.pinned ? inspector.row : -1;
    const key = `${camera.key} ${pinned}`;
    if (!isForced && key === this.chosenFor) return;
    this.chosenFor = key;
    this.sprites = chooseSprites(this.model, camera, pinned);
    this.renderer.setSprites(this.sprites);
  }

  get nSprites(): number {
    return this.renderer.nSprites;
  }

  get spriteSide(): number {
    return spriteSide(this.camera);
  }

  /** Draw the view with `ratio` pixels for one of the page, call `save` with the canvases, and draw the page again. */
  drawAt<T>(ratio: number, save: (map: HTMLCanvasElement, overlay: HTMLCanvasElement) => T): T {
    const { camera } = this;
    this.setCanvasSize(camera.width, camera.height, ratio);
    this.renderer.draw(camera, ratio, false, this.theme);
    this.overlay.draw(this.sprites, ratio);
    const saved = save(this.canvas, this.overlay.element); // the WebGL canvas keeps its pixels until this task ends
    this.resize();
    this.drawFrame();
    return saved;
  }
}
