// Keeps the page and the attributes of the widget in Python the same.

import type { App } from "../app";
import type { WidgetModel } from "../data/over-widget";
import { GROUP, LABEL, MARK } from "../model/columns";
import { imageLegend } from "../saving/image-legend";
import { viewAsPng } from "../saving/view-png";

const PICTURE_DELAY = 1500; // milliseconds without a change until the still picture is drawn again
const PICTURE_WIDTH = 1000; // pixels of the still picture
const MIN_WIDTH = 100; // pixels of a page that is worth a picture
const TOLERANCE = 1e-4; // of positions in widths of the view, and of the zoom

interface View {
  x: number;
  y: number;
  zoom: number;
}

export class NotebookLink {
  /** Whether the page shows what the widget says: before, it must not tell the widget what it shows. */
  private isStarted = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly app: App,
    private readonly widget: WidgetModel,
  ) {}

  /** Show what the attributes of the widget say, and follow both from now on. */
  async start(): Promise<void> {
    const { app, widget } = this;
    const { model } = app;
    await this.takeColor();
    this.takeView(false);
    this.takeSelection();
    this.isStarted = true;
    widget.on("change:view", () => this.takeView(true));
    widget.on("change:color_by", () => void this.takeColor());
    widget.on("change:_selection", () => this.takeSelection());
    widget.on("change:_revision", () => void this.takeEdits());
    model.selectionChanged.on(() => this.save({ _selection: idsAsBytes(model.idsOf(model.selectedRows())) }));
    model.editsChanged.on(() => {
      if (model.edits.revision !== widget.get("_revision")) this.save({ _revision: model.edits.revision });
    });
    this.drawSoon();
  }

  /** Take over a new state of the page. */
  saveAddress(address: string): void {
    if (!this.isStarted) return;
    const { model } = this.app;
    const names = [GROUP, LABEL, MARK, ...model.facts.columns.map((one) => one.name)];
    this.save({
      _address: address,
      ...(this.isInView() ? {} : { view: this.view }),
      ...(names.includes(model.colorBy) ? { color_by: model.colorBy } : {}), // Python does not know columns of the page
    });
  }

  private save(values: { [name: string]: unknown }): void {
    for (const [name, value] of Object.entries(values)) this.widget.set(name, value);
    try {
      this.widget.save_changes();
    } catch {
      return; // the kernel is gone, which requests report
    }
    if (!("_picture" in values)) this.drawSoon();
  }

  private get view(): View {
    const { x, y, zoom } = this.app.camera;
    return { x, y, zoom };
  }

  /** Whether the page shows the view of the widget. */
  private isInView(): boolean {
    const { x, y, zoom } = this.widget.get("view") as View;
    const { camera } = this.app;
    const width = camera.width / camera.scale;
    const moved = Math.max(Math.abs(x - camera.x), Math.abs(y - camera.y)) / width;
    return moved < TOLERANCE && Math.abs(zoom - camera.zoom) < TOLERANCE;
  }

  private takeView(isAnimated: boolean): void {
    if (this.isInView()) return;
    const { x, y, zoom } = this.widget.get("view") as View;
    if (isAnimated) this.app.camera.flyTo(x, y, zoom);
    else this.app.camera.set(x, y, zoom);
  }

  private async takeColor(): Promise<void> {
    const name = this.widget.get("color_by") as string;
    if (name !== this.app.model.colorBy) await this.app.colorBy(name);
  }

  private takeSelection(): void {
    const { model } = this.app;
    const ids = bytesAsIds(this.widget.get("_selection") as DataView | null);
    const own = model.idsOf(model.selectedRows());
    if (ids.length !== own.length || ids.some((id, i) => id !== own[i])) model.select(ids.map((id) => model.rowOf[id]).filter((row) => row !== undefined));
  }

  private async takeEdits(): Promise<void> {
    if (this.widget.get("_revision") !== this.app.model.edits.revision) await this.app.refreshEdits();
  }

  // ------------------------------------------------------------ still picture

  private drawSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.savePicture(), PICTURE_DELAY);
  }

  /** Save the view as the picture that the notebook keeps. */
  private async savePicture(): Promise<void> {
    const { camera, view, model } = this.app;
    if (camera.width < MIN_WIDTH) return; // the cell is folded
    const legend = await imageLegend(model);
    const { backgroundColor, color } = getComputedStyle(document.body);
    const colors = { ground: backgroundColor, ink: color };
    const ratio = Math.min(devicePixelRatio, PICTURE_WIDTH / camera.width);
    const png = await view.drawAt(ratio, (map, overlay) => viewAsPng(map, overlay, view.labels, camera, colors, legend));
    this.save({ _picture: new Uint8Array(await png.arrayBuffer()) });
  }
}

const idsAsBytes = (ids: number[]): Uint8Array => new Uint8Array(Int32Array.from(ids).buffer);

function bytesAsIds(bytes: DataView | null): number[] {
  if (!bytes?.byteLength) return [];
  const copy = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength).slice();
  return [...new Int32Array(copy.buffer)];
}
