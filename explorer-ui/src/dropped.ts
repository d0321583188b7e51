// A picture from outside, dropped, pasted or chosen: where it would lie on the map, and what is like it.

import type { Camera } from "./camera";
import { button, h, Signal } from "./dom";
import { sentence } from "./edits";
import { t } from "./i18n";
import type { Model } from "./model";
import { Server } from "./source";
import { thumbnail } from "./thumbnails";
import type { Neighbor } from "./types";

const SIDE = 120; // of the picture in the panel
const NEIGHBOR_SIDE = 44;
const NEAREST_ZOOM = 3; // from which one looks at what is like an image

interface Found {
  neighbors: Neighbor[];
  x: number;
  y: number;
}

export class Dropped {
  readonly element = h("section", { class: "dropped", "aria-label": t("droppedPicture"), hidden: true });
  readonly zone = h("div", { class: "drop-zone", hidden: true }, h("p", { text: t("dropHere") }));
  /** Where it lies on the map, how it looks, and the rows that are like it. */
  place: { x: number; y: number; picture: ImageBitmap | null; neighbors: number[] } | null = null;
  readonly changed = new Signal();
  private readonly chooser = h("input", { type: "file", accept: "image/*,.dcm,.fits,.tif,.tiff,.heic", hidden: true, tabindex: -1, "aria-hidden": "true" });
  private asked = 0;
  private address = "";

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly say: (text: string) => void,
    private readonly show: (row: number) => void,
  ) {
    this.chooser.addEventListener("change", () => {
      const file = this.chooser.files?.[0];
      if (file) void this.find(file);
      this.chooser.value = ""; // the same one can be chosen again
    });
    this.element.append(this.chooser);
    this.listen();
  }

  private listen(): void {
    const holdsFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener("dragenter", (event) => (this.zone.hidden = !holdsFile(event)));
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.zone.hidden = !holdsFile(event);
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.zone.hidden = true; // it has left the window
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault(); // the browser would leave the page for the file
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
    if (!files?.length) return this.say(t("dropNoFile"));
    void this.find(files[0], files.length);
  }

  /** Let the user choose a file. */
  choose(): void {
    this.chooser.click();
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  close(): void {
    this.asked += 1;
    this.element.hidden = true;
    this.place?.picture?.close();
    this.place = null;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
    this.changed.tell();
  }

  async find(file: File, n = 1): Promise<void> {
    this.close();
    const { source } = this.model;
    if (!(source instanceof Server)) return this.say(t("dropNeedsServer"));
    const asked = ++this.asked;
    const name = file.name || t("droppedPicture");
    this.fill(name, n, h("p", { class: "hint", role: "status", text: t("dropAsked") }));
    let found: Found;
    try {
      found = (await (await source.post("api/similar", file)).json()) as Found;
    } catch (error) {
      if (asked !== this.asked) return;
      const why = sentence(error);
      this.fill(name, n, h("p", { class: "hint wrong", role: "alert", text: why }));
      return this.say(`${name}: ${why}`);
    }
    const picture = await createImageBitmap(file).catch(() => null); // a format that this browser does not show
    if (asked !== this.asked) return picture?.close();
    this.put(found, file, name, n, picture);
  }

  private put(found: Found, file: File, name: string, n: number, picture: ImageBitmap | null): void {
    const { model, camera } = this;
    const rows = found.neighbors.map(({ id }) => model.rowOf[id]);
    this.place = { x: found.x, y: found.y, picture, neighbors: rows };
    const go = (): void => camera.flyTo(found.x, found.y, Math.max(NEAREST_ZOOM, camera.zoom));
    this.address = picture ? URL.createObjectURL(file) : "";
    const image = picture ? h("img", { src: this.address, alt: name, class: "dropped-picture" }) : h("p", { class: "hint", text: t("dropNotShown") });
    if (picture) {
      const scale = Math.min(SIDE / picture.width, SIDE / picture.height);
      image.style.width = `${picture.width * scale}px`;
      image.classList.toggle("pixels", scale >= 2);
    }
    this.fill(
      name,
      n,
      image,
      h("h3", { text: t("neighbors") }),
      h("div", { class: "strip" }, ...found.neighbors.map((one) => this.neighbor(one))),
      h(
        "div",
        { class: "buttons" },
        button(t("showOnMap"), go, { "data-act": "show-dropped" }),
        button(t("selectThese"), () => model.select(rows), { "data-act": "select-like" }),
      ),
    );
    this.say(t("droppedAt", { name, n: rows.length }));
    this.changed.tell();
    go();
  }

  private fill(name: string, n: number, ...body: Node[]): void {
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeDropped"), title: t("closeDropped") });
    const more = n > 1 ? [h("p", { class: "hint", text: t("dropFirstOf", { n }) })] : [];
    this.element.replaceChildren(h("h2", {}, h("span", { class: "ellipsis", text: name, title: name }), close), ...more, ...body, this.chooser);
    this.element.hidden = false;
  }

  private neighbor({ id, distance }: Neighbor): HTMLElement {
    const text = distance.toPrecision(3);
    const what = t("likeDropped", { id, distance: text });
    return h(
      "button",
      { type: "button", class: "thumb", title: what, "aria-label": what, "data-id": id, on: { click: () => this.show(this.model.rowOf[id]) } },
      thumbnail(this.model, id, NEIGHBOR_SIDE, ""),
      h("small", { text }),
    );
  }
}
