// Shows an image at full size: the original file if it is unchanged, otherwise the input of the network.

import { errorMessage } from "../data/error-message";
import { Server } from "../data/server";
import { StaticSite } from "../data/static-site";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { ReviewBar } from "../grid/review-bar";
import type { ReviewKeys } from "../grid/review-keys";
import { button, h } from "../page/dom";
import { listenForPinch } from "../page/pinch";
import { fillFacts } from "./image-facts";
import { cellOf, sheetOf } from "./thumbnails";

const N_NEIGHBORS = 50; // reached with the arrow keys
const MAX_IMAGE_ZOOM = 64; // pixels of the screen per pixel of the image
const STEP = 1.25; // factor of a key press or a notch of the wheel
const PIXELATED_FROM = 2; // zoom
const PAN = 60; // pixels per arrow key
const SWIPE = 50; // pixels that a finger moves to show the next image

let lightbox: Lightbox | null = null;

/**
 * Create the lightbox of a run; none where points have no pictures. `closedAt` is called with the row that is shown when the
 * lightbox is closed; `review` has the keys that label and mark images, where they can be edited.
 */
export function createLightbox(model: Model, closedAt: (row: number) => void, review: ReviewKeys | null): void {
  lightbox?.element.remove();
  lightbox = model.facts.hasPictures ? new Lightbox(model, closedAt, review) : null;
  if (lightbox) document.body.append(lightbox.element);
}

/** Show an image; the arrow keys step through `ids`, by default its neighbours. */
export function openImage(id: number, ids?: number[]): void {
  lightbox?.open(id, ids);
}

class Lightbox {
  readonly element = h("dialog", { class: "lightbox", "aria-label": t("fullSize") });
  private readonly stage = h("div", { class: "lightbox-stage", tabindex: 0, role: "group", "aria-label": t("fullSize") });
  private readonly title = h("h2");
  private readonly facts = h("table", { class: "facts" });
  private readonly note = h("p", { class: "hint", role: "status" });
  private readonly position = h("output", { class: "hint" });
  private readonly scale = h("output", { class: "hint" });
  private image: HTMLImageElement | HTMLCanvasElement | null = null;
  private ids: number[] = [];
  private at = 0;
  private request = 0;
  private zoom = 1;
  private offset: [number, number] = [0, 0];
  private address = "";
  private opener: Element | null = null;

  constructor(
    private readonly model: Model,
    private readonly closedAt: (row: number) => void,
    private readonly review: ReviewKeys | null,
  ) {
    const { element } = this;
    element.append(
      h(
        "header",
        { class: "lightbox-bar" },
        this.title,
        this.position,
        button("‹", () => this.step(-1), { "aria-label": t("previousImage"), title: t("previousImage"), "data-step": "back" }),
        button("›", () => this.step(1), { "aria-label": t("nextImage"), title: t("nextImage"), "data-step": "next" }),
        button("−", () => this.zoomBy(1 / STEP), { "aria-label": t("zoomOut"), title: t("zoomOut") }),
        this.scale,
        button("+", () => this.zoomBy(STEP), { "aria-label": t("zoomIn"), title: t("zoomIn") }),
        button(t("fitPicture"), () => this.fit()),
        button(t("truePixels"), () => this.zoomBy(1 / this.zoom)),
        button("×", () => element.close(), { "aria-label": t("closePicture"), title: t("closePicture"), class: "close" }),
      ),
      this.stage,
      h("div", { class: "lightbox-facts", tabindex: 0, role: "region", "aria-label": t("columns") }, this.note, review ? new ReviewBar(review, (key) => this.press(key), null).element : "", this.facts),
    );
    element.addEventListener("close", () => this.closed());
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("click", (event) => event.target === element && element.close()); // on the backdrop
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(STEP ** Math.max(-2, Math.min(2, -event.deltaY / 100)), this.fromMiddle(event.clientX, event.clientY));
    }, { passive: false });
    this.stage.addEventListener("dblclick", () => (Math.abs(this.zoom - this.fitting) < 1e-6 ? this.zoomBy(2) : this.fit()));
    listenForPinch(this.stage, {
      move: (dx, dy) => this.move(dx, dy),
      zoom: (factor, at) => this.zoomBy(factor, this.fromMiddle(...at)),
      swipe: (dx, dy) => {
        const isFitted = this.zoom < this.fitting * 1.01;
        if (isFitted && Math.abs(dx) > SWIPE && Math.abs(dx) > 2 * Math.abs(dy)) this.step(dx < 0 ? 1 : -1);
      },
    });
    new ResizeObserver(() => this.element.open && this.fit()).observe(this.stage);
  }

  /** A position of the window relative to the middle of the stage. */
  private fromMiddle(x: number, y: number): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [x - box.left - box.width / 2, y - box.top - box.height / 2];
  }

  open(id: number, ids?: number[]): void {
    this.opener ??= document.activeElement;
    this.ids = ids?.includes(id) ? ids : [id];
    this.at = this.ids.indexOf(id);
    if (!this.element.open) this.element.showModal();
    this.stage.focus();
    void this.show();
    if (!ids) void this.findNeighbors(id);
  }

  private closed(): void {
    this.request += 1;
    const row = this.model.rowOf[this.ids[this.at]];
    this.clear();
    if (this.opener instanceof HTMLElement && this.opener.isConnected) this.opener.focus({ preventScroll: true });
    this.opener = null;
    this.closedAt(row);
  }

  private clear(): void {
    this.image?.remove();
    this.image = null;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
  }

  private async findNeighbors(id: number): Promise<void> {
    try {
      const neighbors = await this.model.source.neighbors(id, N_NEIGHBORS, this.model.weights.text);
      if (this.ids.length !== 1 || this.ids[0] !== id) return;
      this.ids = [id, ...neighbors.map((one) => one.id)];
      this.showPosition();
    } catch {
      // the request of the image reports the error
    }
  }

  private step(by: number): void {
    const to = this.at + by;
    if (to < 0 || to >= this.ids.length) return;
    this.at = to;
    void this.show();
  }

  /** Label or mark the image by a key, and show the next one; returns whether the key has a meaning. */
  private press(key: string): boolean {
    if (!this.review?.press(key, this.model.rowOf[this.ids[this.at]])) return false;
    this.step(1);
    return true;
  }

  private showPosition(): void {
    this.position.textContent = this.ids.length > 1 ? t("ofImages", { i: this.at + 1, n: this.ids.length }) : "";
  }

  private async show(): Promise<void> {
    const request = ++this.request;
    const id = this.ids[this.at];
    this.title.textContent = `${t("image")} ${id}`;
    this.showPosition();
    this.note.textContent = "";
    this.facts.replaceChildren();
    const { source } = this.model;
    void this.showFacts(id, request);
    if (source instanceof Server) {
      try {
        return await this.showFile(request, await source.blob(source.originalAddress(id)), id);
      } catch (error) {
        if (request !== this.request) return;
        this.note.textContent = error instanceof UnsupportedFormat ? t("noViewer") : t("noOriginal", { why: errorMessage(error) });
      }
      try {
        if (request === this.request) await this.showFile(request, await source.blob(source.imageAddress(id)), id);
      } catch (error) {
        if (request === this.request) this.note.textContent = errorMessage(error);
      }
      return;
    }
    const bitmap = await sheetOf(this.model, id);
    if (request !== this.request) return;
    const [x, y, width, height] = cellOf(this.model, id);
    const canvas = h("canvas", { width, height, role: "img", "aria-label": `${t("image")} ${id}` });
    canvas.getContext("2d")!.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
    this.clear();
    this.setImage(canvas);
  }

  /** Show an image file, unless the request is superseded. */
  private async showFile(request: number, data: Blob, id: number): Promise<void> {
    const address = URL.createObjectURL(data);
    const image = h("img", { alt: `${t("image")} ${id}`, draggable: "false" });
    image.src = address;
    try {
      await image.decode();
    } catch {
      URL.revokeObjectURL(address);
      throw new UnsupportedFormat();
    }
    if (request !== this.request) {
      URL.revokeObjectURL(address);
      return;
    }
    this.clear();
    this.address = address;
    this.setImage(image);
  }

  private setImage(image: HTMLImageElement | HTMLCanvasElement): void {
    this.image = image;
    this.stage.replaceChildren(image);
    this.element.dataset.size = this.size.join("×");
    this.fit();
  }

  private async showFacts(id: number, request: number): Promise<void> {
    const { model } = this;
    let values: { [name: string]: unknown } = {};
    try {
      if (model.source instanceof Server) values = (await model.source.json(`api/images/${id}/facts`)) as { [name: string]: unknown };
      else if (model.source instanceof StaticSite) values = await model.source.imageFacts(await model.find(id));
      else values = { path: (await model.column("path"))[model.rowOf[id]] };
    } catch {
      return; // the request of the image reports the error
    }
    if (request !== this.request) return;
    if (typeof values.path === "string") this.title.textContent = values.path;
    this.title.title = this.title.textContent!;
    fillFacts(this.facts, model, model.rowOf[id], values);
  }

  // ------------------------------------------------------------ zoom

  private get size(): [number, number] {
    const { image } = this;
    if (image instanceof HTMLImageElement) return [image.naturalWidth || 1, image.naturalHeight || 1];
    return [image?.width || 1, image?.height || 1];
  }

  private get fitting(): number {
    const [width, height] = this.size;
    return Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height, MAX_IMAGE_ZOOM) || 1;
  }

  private fit(): void {
    this.offset = [0, 0];
    this.zoom = this.fitting;
    this.draw();
  }

  /** Zoom about a position relative to the middle of the stage. */
  private zoomBy(factor: number, [fx, fy]: [number, number] = [0, 0]): void {
    const before = this.zoom;
    this.zoom = Math.min(MAX_IMAGE_ZOOM, Math.max(Math.min(1, this.fitting), before * factor));
    const moved = this.zoom / before;
    this.offset = [fx + (this.offset[0] - fx) * moved, fy + (this.offset[1] - fy) * moved];
    this.draw();
  }

  private move(dx: number, dy: number): void {
    this.offset = [this.offset[0] + dx, this.offset[1] + dy];
    this.draw();
  }

  private draw(): void {
    const { image, zoom, stage } = this;
    if (!image) return;
    const sides = this.size.map((side) => side * zoom);
    const room = [stage.clientWidth, stage.clientHeight];
    // keep the edges of the image outside of the stage
    this.offset = this.offset.map((at, i) => {
      const limit = Math.max(0, (sides[i] - room[i]) / 2);
      return Math.max(-limit, Math.min(limit, at));
    }) as [number, number];
    image.style.width = `${sides[0]}px`;
    image.style.height = `${sides[1]}px`;
    image.style.transform = `translate(-50%, -50%) translate(${this.offset[0]}px, ${this.offset[1]}px)`;
    image.classList.toggle("pixels", zoom >= PIXELATED_FROM);
    this.scale.textContent = `${Math.round(100 * zoom)} %`;
  }

  private key(event: KeyboardEvent): void {
    if (event.altKey) return;
    if (event.ctrlKey || event.metaKey) return this.undo(event);
    const isLarge = this.zoom > this.fitting * 1.01 && event.shiftKey;
    const actions: { [key: string]: () => void } = {
      ArrowRight: () => (isLarge ? this.move(-PAN, 0) : this.step(1)),
      ArrowLeft: () => (isLarge ? this.move(PAN, 0) : this.step(-1)),
      ArrowDown: () => (isLarge ? this.move(0, -PAN) : this.step(1)),
      ArrowUp: () => (isLarge ? this.move(0, PAN) : this.step(-1)),
      "+": () => this.zoomBy(STEP),
      "=": () => this.zoomBy(STEP),
      "-": () => this.zoomBy(1 / STEP),
      "0": () => this.fit(),
      z: () => this.zoomBy(1 / this.zoom),
    };
    if (actions[event.key]) actions[event.key]();
    else if (!this.press(event.key.length === 1 ? event.key.toLowerCase() : event.key)) return;
    event.preventDefault();
  }

  /** Undo the last edit, as the page does where no dialog is open. */
  private undo(event: KeyboardEvent): void {
    if (event.key.toLowerCase() !== "z" || event.shiftKey || !this.review) return;
    event.preventDefault();
    this.review.undo();
    this.step(-1);
  }
}

/** The browser cannot show this format, such as TIFF. */
class UnsupportedFormat extends Error {}
