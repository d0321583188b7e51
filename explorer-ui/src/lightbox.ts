// One image as large as the window: the original file where it is still the same, else what the network saw.

import { button, h } from "./dom";
import { sentence } from "./edits";
import { t } from "./i18n";
import type { Model } from "./model";
import { neighborsOf } from "./neighbors";
import { Server } from "./source";
import { cellOf, pageOf } from "./thumbnails";

const N_NEIGHBORS = 50; // images that the arrow keys lead to
const LARGEST_ZOOM = 64; // pixels of the screen for a pixel of the picture
const STEP = 1.25; // of a key or a notch of the wheel
const SHARP_FROM = 2; // zoom from which pixels are shown as squares
const PAN = 60; // pixels that an arrow key moves a picture that is larger than the window

let lightbox: Lightbox | null = null;

/** Make ready for a run. `visited` is told of the image that is shown when the lightbox is closed. */
export function makeLightbox(model: Model, visited: (row: number) => void): void {
  lightbox?.element.remove();
  lightbox = new Lightbox(model, visited);
  document.body.append(lightbox.element);
}

/** Show an image; the arrow keys lead through `ids`, or through its neighbours where none are given. */
export function openPicture(id: number, ids?: number[]): void {
  lightbox?.open(id, ids);
}

class Lightbox {
  readonly element = h("dialog", { class: "lightbox", "aria-label": t("fullSize") });
  private readonly stage = h("div", { class: "lightbox-stage", tabindex: 0, role: "group", "aria-label": t("fullSize") });
  private readonly title = h("h2");
  private readonly facts = h("table", { class: "facts" });
  private readonly note = h("p", { class: "hint", role: "status" });
  private readonly place = h("output", { class: "hint" });
  private readonly scale = h("output", { class: "hint" });
  private picture: HTMLImageElement | HTMLCanvasElement | null = null;
  private ids: number[] = [];
  private at = 0;
  private asked = 0;
  private zoom = 1;
  private offset: [number, number] = [0, 0];
  private address = "";
  private cameFrom: Element | null = null;

  constructor(
    private readonly model: Model,
    private readonly visited: (row: number) => void,
  ) {
    const { element } = this;
    element.append(
      h(
        "header",
        { class: "lightbox-bar" },
        this.title,
        this.place,
        button("‹", () => this.step(-1), { "aria-label": t("previousImage"), title: t("previousImage"), "data-step": "back" }),
        button("›", () => this.step(1), { "aria-label": t("nextImage"), title: t("nextImage"), "data-step": "next" }),
        button("−", () => this.zoomBy(1 / STEP), { "aria-label": t("smallerPicture"), title: t("smallerPicture") }),
        this.scale,
        button("+", () => this.zoomBy(STEP), { "aria-label": t("largerPicture"), title: t("largerPicture") }),
        button(t("fitPicture"), () => this.fit()),
        button(t("truePixels"), () => this.zoomBy(1 / this.zoom)),
        button("×", () => element.close(), { "aria-label": t("closePicture"), title: t("closePicture"), class: "close" }),
      ),
      this.stage,
      h("div", { class: "lightbox-facts" }, this.note, this.facts),
    );
    element.addEventListener("close", () => this.closed());
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("click", (event) => event.target === element && element.close()); // beside it
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.stage.getBoundingClientRect();
      const from: [number, number] = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
      this.zoomBy(STEP ** Math.max(-2, Math.min(2, -event.deltaY / 100)), from);
    }, { passive: false });
    this.stage.addEventListener("dblclick", () => (Math.abs(this.zoom - this.fitting) < 1e-6 ? this.zoomBy(2) : this.fit()));
    this.stage.addEventListener("pointerdown", (event) => this.stage.setPointerCapture(event.pointerId));
    this.stage.addEventListener("pointermove", (event) => event.buttons && this.move(event.movementX, event.movementY));
    new ResizeObserver(() => this.element.open && this.fit()).observe(this.stage);
  }

  open(id: number, ids?: number[]): void {
    this.cameFrom ??= document.activeElement;
    this.ids = ids?.includes(id) ? ids : [id];
    this.at = this.ids.indexOf(id);
    if (!this.element.open) this.element.showModal();
    this.stage.focus();
    void this.show();
    if (!ids) void this.findNeighbors(id);
  }

  private closed(): void {
    this.asked += 1;
    const row = this.model.rowOf[this.ids[this.at]];
    this.clear();
    if (this.cameFrom instanceof HTMLElement && this.cameFrom.isConnected) this.cameFrom.focus({ preventScroll: true });
    this.cameFrom = null;
    this.visited(row);
  }

  private clear(): void {
    this.picture?.remove();
    this.picture = null;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
  }

  private async findNeighbors(id: number): Promise<void> {
    try {
      const neighbors = await neighborsOf(this.model.source, id, N_NEIGHBORS);
      if (this.ids.length !== 1 || this.ids[0] !== id) return;
      this.ids = [id, ...neighbors.map((one) => one.id)];
      this.tellPlace();
    } catch {
      // there is no way on from here; the picture's own request says why
    }
  }

  private step(by: number): void {
    const to = this.at + by;
    if (to < 0 || to >= this.ids.length) return;
    this.at = to;
    void this.show();
  }

  private tellPlace(): void {
    this.place.textContent = this.ids.length > 1 ? t("ofImages", { i: this.at + 1, n: this.ids.length }) : "";
  }

  private async show(): Promise<void> {
    const asked = ++this.asked;
    const id = this.ids[this.at];
    this.title.textContent = `${t("image")} ${id}`;
    this.tellPlace();
    this.note.textContent = "";
    this.facts.replaceChildren();
    const { source } = this.model;
    void this.tellFacts(id, asked);
    if (source instanceof Server) {
      try {
        return await this.put(asked, await source.blob(source.originalAddress(id)), id);
      } catch (error) {
        if (asked !== this.asked) return;
        this.note.textContent = error instanceof NotShown ? t("noViewer") : t("noOriginal", { why: sentence(error) });
      }
      try {
        if (asked === this.asked) await this.put(asked, await source.blob(source.imageAddress(id)), id);
      } catch (error) {
        if (asked === this.asked) this.note.textContent = sentence(error);
      }
      return;
    }
    const bitmap = await pageOf(this.model, id);
    if (asked !== this.asked) return;
    const [x, y, width, height] = cellOf(this.model, id);
    const canvas = h("canvas", { width, height, role: "img", "aria-label": `${t("image")} ${id}` });
    canvas.getContext("2d")!.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
    this.clear();
    this.take(canvas);
  }

  /** Show the picture that some data is, unless another was asked for meanwhile. */
  private async put(asked: number, data: Blob, id: number): Promise<void> {
    const address = URL.createObjectURL(data);
    const image = h("img", { alt: `${t("image")} ${id}`, draggable: "false" });
    image.src = address;
    try {
      await image.decode();
    } catch {
      URL.revokeObjectURL(address);
      throw new NotShown();
    }
    if (asked !== this.asked) {
      URL.revokeObjectURL(address);
      return;
    }
    this.clear();
    this.address = address;
    this.take(image);
  }

  private take(picture: HTMLImageElement | HTMLCanvasElement): void {
    this.picture = picture;
    this.stage.replaceChildren(picture);
    this.element.dataset.size = this.size.join("×");
    this.fit();
  }

  private async tellFacts(id: number, asked: number): Promise<void> {
    const { model } = this;
    let values: { [name: string]: unknown } = {};
    try {
      if (model.source instanceof Server) values = (await model.source.json(`api/images/${id}/facts`)) as { [name: string]: unknown };
      else values = { path: (await model.column("path"))[model.rowOf[id]] };
    } catch {
      return; // the picture's own request says why
    }
    if (asked !== this.asked) return;
    const told = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
    if (typeof values.path === "string") this.title.textContent = values.path;
    this.title.title = this.title.textContent!;
    this.facts.replaceChildren(
      ...told.map(([name, value]) => h("tr", {}, h("th", { scope: "row", text: name }), h("td", { text: String(value) }))),
    );
  }

  // ------------------------------------------------------------ zoom

  private get size(): [number, number] {
    const { picture } = this;
    if (picture instanceof HTMLImageElement) return [picture.naturalWidth || 1, picture.naturalHeight || 1];
    return [picture?.width || 1, picture?.height || 1];
  }

  private get fitting(): number {
    const [width, height] = this.size;
    return Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height, LARGEST_ZOOM) || 1;
  }

  private fit(): void {
    this.offset = [0, 0];
    this.zoom = this.fitting;
    this.draw();
  }

  /** Zoom about a place, from the middle of the stage. */
  private zoomBy(factor: number, [fx, fy]: [number, number] = [0, 0]): void {
    const before = this.zoom;
    this.zoom = Math.min(LARGEST_ZOOM, Math.max(Math.min(1, this.fitting), before * factor));
    const moved = this.zoom / before;
    this.offset = [fx + (this.offset[0] - fx) * moved, fy + (this.offset[1] - fy) * moved];
    this.draw();
  }

  private move(dx: number, dy: number): void {
    this.offset = [this.offset[0] + dx, this.offset[1] + dy];
    this.draw();
  }

  private draw(): void {
    const { picture, zoom, stage } = this;
    if (!picture) return;
    const sides = this.size.map((side) => side * zoom);
    const room = [stage.clientWidth, stage.clientHeight];
    // never farther than its edge
    this.offset = this.offset.map((at, i) => {
      const most = Math.max(0, (sides[i] - room[i]) / 2);
      return Math.max(-most, Math.min(most, at));
    }) as [number, number];
    picture.style.width = `${sides[0]}px`;
    picture.style.height = `${sides[1]}px`;
    picture.style.transform = `translate(-50%, -50%) translate(${this.offset[0]}px, ${this.offset[1]}px)`;
    picture.classList.toggle("pixels", zoom >= SHARP_FROM);
    this.scale.textContent = `${Math.round(100 * zoom)} %`;
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isLarge = this.zoom > this.fitting * 1.01 && event.shiftKey;
    const acts: { [key: string]: () => void } = {
      ArrowRight: () => (isLarge ? this.move(-PAN, 0) : this.step(1)),
      ArrowLeft: () => (isLarge ? this.move(PAN, 0) : this.step(-1)),
      ArrowDown: () => (isLarge ? this.move(0, -PAN) : this.step(1)),
      ArrowUp: () => (isLarge ? this.move(0, PAN) : this.step(-1)),
      "+": () => this.zoomBy(STEP),
      "=": () => this.zoomBy(STEP),
      "-": () => this.zoomBy(1 / STEP),
      "0": () => this.fit(),
      "1": () => this.zoomBy(1 / this.zoom),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

/** A file that this browser cannot show, such as a TIFF. */
class NotShown extends Error {}
