// Actions on the map: pointing, clicking, drawing shapes, and moving from image to image.

import { errorMessage } from "../data/error-message";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { closeTopLayer } from "../page/layers";
import type { Message } from "../page/message";
import type { Inspector } from "../panels/inspector";
import { openImage } from "../panels/lightbox";
import type { Camera } from "./camera";
import type { DecoderTool } from "./decoder-tool";
import { Gestures, type Point, type Tool } from "./gestures";
import type { MapView } from "./map-view";
import { NeighborWalk } from "./neighbor-walk";
import type { Overlay } from "./overlay";
import { boundsOf, MAX_TOUCH_DISTANCE, nearestRow, rowAt, rowsInside, spacingAt } from "./picking";

const HINT_TIME = 10_000; // milliseconds

export class MapActions {
  readonly gestures: Gestures;
  private readonly walk: NeighborWalk;
  /** Row from which the next click interpolates; -1 if no interpolation was requested. */
  private interpolateFrom = -1;
  /** Steps of the walk are taken one after the other. */
  private walking: Promise<void> = Promise.resolve();
  /** The row whose distance to the next one was measured last. */
  private spacing = { row: -1, value: 0 };

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly view: MapView,
    private readonly overlay: Overlay,
    private readonly inspector: Inspector,
    private readonly decoder: DecoderTool | null,
    private readonly message: Message,
  ) {
    this.walk = new NeighborWalk(model);
    this.gestures = new Gestures(view.canvas, camera, {
      hover: (px, py) => this.hover(px, py),
      leave: () => this.leave(),
      click: (px, py, event) => this.click(px, py, event),
      doubleClick: (px, py) => this.doubleClick(px, py),
      hold: () => this.message.show(t("held"), HINT_TIME),
      longPress: (px, py) => this.longPress(px, py),
      draw: (tool, points, isDone, isAdded) => this.draw(tool, points, isDone, isAdded),
      move: () => view.noteMovement(),
    });
    decoder?.closed.on(() => {
      overlay.shape = [];
      view.invalidate();
    });
    camera.nearest = (x, y) => {
      const row = nearestRow(model, x, y);
      return row < 0 ? null : [model.x[row], model.y[row]];
    };
    camera.localSpacing = (x, y) => this.spacingNear(x, y);
    const forget = (): void => void (this.spacing = { row: -1, value: 0 });
    model.filterChanged.on(forget);
    model.positionsChanged.on(forget);
  }

  private spacingNear(x: number, y: number): number {
    const row = nearestRow(this.model, x, y);
    if (row !== this.spacing.row) this.spacing = { row, value: row < 0 ? 0 : spacingAt(this.model, row) };
    return this.spacing.value;
  }

  /** Close the topmost layer; if none is open, clear the inspected image and the selection. */
  escape(): void {
    if (this.interpolateFrom >= 0) this.interpolateFrom = -1;
    else if (!closeTopLayer()) {
      this.inspector.clear();
      this.overlay.shape = [];
      if (this.model.nSelected) this.model.select([]);
    }
    this.view.invalidate();
  }

  useTool(tool: Tool): void {
    this.gestures.tool = tool;
    this.overlay.shape = [];
    this.decoder?.hidePreview();
    this.view.canvas.dataset.tool = tool;
    this.view.invalidate();
  }

  // ------------------------------------------------------------ pointer

  private rowAt(px: number, py: number, isTouch = false): number {
    return rowAt(this.model, this.camera, this.view.sprites, px, py, isTouch ? MAX_TOUCH_DISTANCE : undefined);
  }

  private hover(px: number, py: number): void {
    if (!this.overlay.isHovered) this.view.invalidate(); // the image in the panel may be the same
    this.overlay.isHovered = true;
    if (this.gestures.tool === "decode") this.decoder?.previewAt(px, py);
    this.inspector.hover(this.rowAt(px, py));
  }

  /** The panel keeps the image that was pointed at; the map no longer marks it. */
  private leave(): void {
    this.overlay.isHovered = false;
    this.decoder?.hidePreview();
    this.view.invalidate();
  }

  private click(px: number, py: number, event: PointerEvent): void {
    const { model, inspector } = this;
    const row = this.rowAt(px, py, event.pointerType === "touch");
    const isToggle = event.ctrlKey || event.metaKey;
    const isModified = isToggle || event.shiftKey || event.altKey || this.interpolateFrom >= 0;
    const label = isModified ? null : this.view.labels.at(event.clientX, event.clientY);
    if (label) return this.zoomTo(label);
    if (row < 0) {
      if (isModified) return; // a click that misses an image keeps the selection
      inspector.clear();
      if (this.gestures.tool !== "pan") model.select([]);
    } else if (this.interpolateFrom >= 0 || (event.altKey && inspector.pinned && this.decoder)) {
      const from = this.interpolateFrom >= 0 ? this.interpolateFrom : inspector.row;
      this.interpolateFrom = -1;
      void this.decoder?.interpolate(from, row);
    } else if (isToggle) {
      this.toggle(row);
    } else if (event.shiftKey) {
      model.select([row], true);
    } else {
      inspector.pin(row);
    }
  }

  private longPress(px: number, py: number): void {
    const row = this.rowAt(px, py, true);
    if (row >= 0) this.toggle(row);
    this.message.hide();
  }

  /** Add an image to the selection, or remove it. */
  private toggle(row: number): void {
    const { model } = this;
    const rows = model.selectedRows();
    model.select(model.selected[row] ? rows.filter((one) => one !== row) : [...rows, row]);
  }

  private doubleClick(px: number, py: number): boolean {
    const row = this.rowAt(px, py);
    if (row < 0) return false;
    this.inspector.pin(row); // the first of the two clicks may have met a label
    openImage(this.model.points.id[row]);
    return this.model.facts.hasPictures;
  }

  private draw(tool: Tool, points: Point[], isDone: boolean, isAdded: boolean): void {
    const { model, overlay, camera } = this;
    overlay.isClosed = tool !== "path";
    overlay.shape = isDone && overlay.isClosed ? [] : points.map((point) => camera.toMap(...point)); // moves with the map
    if (isDone && points.length > 1) {
      if (tool === "path") void this.decoder?.decodePath(points);
      else model.select(rowsInside(model, camera, points), isAdded);
    }
    this.view.invalidate();
  }

  /** Let the next click choose the image to interpolate to. */
  startInterpolation(row: number): void {
    this.interpolateFrom = row;
    this.message.show(t("chooseTarget"), HINT_TIME);
  }

  // ------------------------------------------------------------ moving

  /** Open the inspected image; pin the image in the middle if there is none. */
  openOrPin(): void {
    const { inspector, model } = this;
    if (inspector.row >= 0) openImage(model.points.id[inspector.row]);
    else this.goTo(this.currentRow());
  }

  /** Pin an image, and move the map if it is out of view. */
  goTo(row: number): void {
    if (row < 0) return; // no image is visible
    this.inspector.pin(row);
    const { model, camera } = this;
    if (!camera.sees(model.x[row], model.y[row])) camera.flyTo(model.x[row], model.y[row]);
  }

  zoomTo(rows: number[]): void {
    const bounds = boundsOf(this.model, rows);
    if (bounds) this.camera.flyToBox(...bounds);
  }

  walkForward(): void {
    this.walking = this.walking.then(async () => {
      try {
        const row = await this.walk.next(this.currentRow());
        if (row < 0) this.message.show(t("allVisited"));
        else this.goTo(row);
      } catch (error) {
        this.message.show(errorMessage(error));
      }
    });
  }

  walkBack(): void {
    this.walking = this.walking.then(() => {
      const row = this.walk.back(this.currentRow());
      if (row < 0) this.message.show(t("walkStart"));
      else this.goTo(row);
    });
  }

  /** The inspected row, or the one nearest to the middle of the view. */
  private currentRow(): number {
    const { inspector, model, camera } = this;
    return inspector.row >= 0 ? inspector.row : nearestRow(model, camera.x, camera.y);
  }
}
