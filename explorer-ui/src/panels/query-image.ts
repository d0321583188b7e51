// A query image that the user drops, pastes or chooses: its position on the map and its nearest neighbours.

import { errorMessage } from "../data/error-message";
import { Server } from "../data/server";
import type { Neighbor } from "../data/types";
import { t } from "../i18n/translate";
import type { Camera } from "../map/camera";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { button, h } from "../page/dom";
import { differenceText } from "./difference";
import { thumbnail } from "./thumbnails";

const SIDE = 120; // pixels of the image in the panel
const NEIGHBOR_SIDE = 44;
const MIN_ZOOM = 3; // when the map moves to the result

interface Found {
  neighbors: Neighbor[];
  /** Id of the nearest image, at whose position the query image is shown. */
  at: number;
}

export class QueryImage {
  readonly element = h("section", { class: "dropped", "aria-label": t("droppedPicture"), hidden: true });
  readonly zone = h("div", { class: "drop-zone", hidden: true }, h("p", { text: t("dropHere") }));
  /** Position and row on the map, the image (null if this browser does not support its format), and the rows of its neighbours. */
  result: { row: number; x: number; y: number; image: ImageBitmap | null; neighbors: number[] } | null = null;
  readonly changed = new Signal();
  private readonly chooser = h("input", { type: "file", accept: "image/*,.dcm,.fits,.tif,.tiff,.heic", hidden: true, tabindex: -1, "aria-hidden": "true" });
  private request = 0;
  private address = "";

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly notify: (text: string) => void,
    private readonly show: (row: number) => void,
  ) {
    this.chooser.addEventListener("change", () => {
      const file = this.chooser.files?.[0];
      if (file) void this.find(file);
      this.chooser.value = ""; // so that the same file can be chosen again
    });
    this.element.append(this.chooser);
    model.positionsChanged.on(() => this.follow());
    this.listen();
  }

  private listen(): void {
    const { hasEncoder } = this.model.facts;
    const takesFile = (event: DragEvent): boolean => hasEncoder && (event.dataTransfer?.types.includes("Files") ?? false);
    document.addEventListener("dragenter", (event) => (this.zone.hidden = !takesFile(event)));
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.zone.hidden = !takesFile(event);
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.zone.hidden = true; // the pointer left the window
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault(); // the browser would open the file
      this.zone.hidden = true;
      this.takeFiles(event.dataTransfer?.files);
    });
    document.addEventListener("paste", (event) => {
      const { target } = event;
      const files = event.clipboardData?.files;
      const isText = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
      if (isText && !files?.length) return;
      event.preventDefault();
      this.takeFiles(files);
    });
  }

  private takeFiles(files: FileList | undefined): void {
    if (!this.model.facts.hasEncoder) return this.notify(t("dropNeedsEncoder"));
    if (!files?.length) return this.notify(t("dropNoFile"));
    void this.find(files[0], files.length);
  }

  /** Stay beside the nearest image when another map is shown. */
  private follow(): void {
    const { result, model } = this;
    if (result) Object.assign(result, { x: model.x[result.row], y: model.y[result.row] });
  }

  /** Open the file dialog. */
  choose(): void {
    this.chooser.click();
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  close(): void {
    this.request += 1;
    this.element.hidden = true;
    this.result?.image?.close();
    this.result = null;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
    this.changed.emit();
  }

  async find(file: File, n = 1): Promise<void> {
    this.close();
    const { source, weights: { text: weights } } = this.model;
    if (!(source instanceof Server)) return this.notify(t("dropNeedsServer"));
    const request = ++this.request;
    const name = file.name || t("droppedPicture");
    this.render(name, n, h("p", { class: "hint", role: "status", text: t("dropAsked") }));
    let found: Found;
    try {
      found = (await (await source.post(`api/similar${weights && `?weights=${encodeURIComponent(weights)}`}`, file)).json()) as Found;
    } catch (error) {
      if (request !== this.request) return;
      const why = errorMessage(error);
      this.render(name, n, h("p", { class: "hint wrong", role: "alert", text: why }));
      return this.notify(`${name}: ${why}`);
    }
    const image = await createImageBitmap(file).catch(() => null); // this browser does not support the format
    if (request !== this.request) return image?.close();
    this.showResult(found, file, name, n, image);
  }

  private showResult(found: Found, file: File, name: string, n: number, image: ImageBitmap | null): void {
    const { model, camera } = this;
    const rows = found.neighbors.map(({ id }) => model.rowOf[id]);
    const row = model.rowOf[found.at];
    this.result = { row, x: model.x[row], y: model.y[row], image, neighbors: rows };
    const go = (): void => camera.flyTo(model.x[row], model.y[row], Math.max(MIN_ZOOM, camera.zoom));
    this.address = image ? URL.createObjectURL(file) : "";
    const element = image ? h("img", { src: this.address, alt: name, class: "dropped-picture" }) : h("p", { class: "hint", text: t("dropNotShown") });
    if (image) {
      const scale = Math.min(SIDE / image.width, SIDE / image.height);
      element.style.width = `${image.width * scale}px`;
      element.classList.toggle("pixels", scale >= 2);
    }
    this.render(
      name,
      n,
      element,
      h("h3", { text: t("neighbors") }),
      h("div", { class: "strip" }, ...found.neighbors.map((one) => this.neighbor(one))),
      h(
        "div",
        { class: "buttons" },
        button(t("showOnMap"), go, { "data-act": "show-dropped" }),
        button(t("selectThese"), () => model.select(rows), { "data-act": "select-like" }),
      ),
    );
    this.notify(t("droppedAt", { name, n: rows.length }));
    this.changed.emit();
    go();
  }

  private render(name: string, n: number, ...body: Node[]): void {
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeDropped"), title: t("closeDropped") });
    const more = n > 1 ? [h("p", { class: "hint", text: t("dropFirstOf", { n }) })] : [];
    this.element.replaceChildren(h("h2", {}, h("span", { class: "ellipsis", text: name, title: name }), close), ...more, ...body, this.chooser);
    this.element.hidden = false;
  }

  private neighbor(found: Neighbor): HTMLElement {
    const { id } = found;
    const text = found.distance.toPrecision(3);
    const what = [t("likeDropped", { id, distance: text }), differenceText(found)].filter(Boolean).join("\n");
    return h(
      "button",
      { type: "button", class: "thumb", title: what, "aria-label": what, "data-id": id, on: { click: () => this.show(this.model.rowOf[id]) } },
      thumbnail(this.model, id, NEIGHBOR_SIDE, ""),
      h("small", { text }),
    );
  }
}
