// The inspected image: the image and its reconstruction, its nearest neighbours and its columns.

import { errorMessage } from "../data/error-message";
import { Latest } from "../data/latest";
import { Server } from "../data/server";
import { StaticSite } from "../data/static-site";
import type { Neighbor } from "../data/types";
import { t } from "../i18n/translate";
import { nameOfCode } from "../model/columns";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { button, h } from "../page/dom";
import { differenceText } from "./difference";
import { fillFacts } from "./image-facts";
import { SoundPlayer } from "./sound-player";
import { imageAt, thumbnail } from "./thumbnails";

const N_NEIGHBORS = 8;
const WEIGHTS_DELAY = 120; // milliseconds without a move of a slider until neighbours are requested
const SIDE = 128; // pixels of the image and of its reconstruction

interface InspectorActions {
  show(row: number): void;
  open(row: number): void;
  /** Choose a query image, or interpolate from this image to another; null where the run or the page cannot. */
  choose: (() => void) | null;
  interpolateFrom: ((row: number) => void) | null;
}

export class Inspector {
  readonly element = h("section", { class: "inspector", "aria-label": t("image") });
  /** The inspected row (-1: none), and whether it was clicked. */
  row = -1;
  pinned = false;
  neighbors: number[] = [];
  readonly changed = new Signal();
  /** An image was clicked, or gone to. */
  readonly chosen = new Signal();
  private request = 0;
  private readonly nearest = new Latest<Neighbor[]>(
    (found) => this.showNeighbors(found),
    (error) => this.strip.replaceChildren(h("p", { class: "hint", text: errorMessage(error) })),
  );
  /** The parts that depend on the image; between them is `weights`, which keeps the focus. */
  private readonly top = h("div", { class: "part" });
  private readonly bottom = h("div", { class: "part" });
  private strip = h("div");
  private readonly player = new SoundPlayer();

  constructor(
    private readonly model: Model,
    /** The sliders of the weights of the kinds of features. */
    weights: HTMLElement | null,
    private readonly actions: InspectorActions,
  ) {
    this.element.append(this.top, ...(weights ? [weights] : []), this.bottom);
    model.weights.changed.on(() => this.reweigh());
    this.clear();
  }

  clear(): void {
    this.request += 1;
    this.nearest.drop();
    this.row = -1;
    this.pinned = false;
    this.neighbors = [];
    this.player.clear();
    const { choose } = this.actions;
    this.bottom.replaceChildren();
    this.top.replaceChildren(
      h("h2", { text: t("image") }),
      h("p", { class: "hint", text: t("noImage") }),
      ...(choose ? [h("p", { class: "hint drop-hint", text: t("dropHint") }), button(t("choosePicture"), choose, { "data-act": "choose" })] : []),
    );
    this.changed.emit();
  }

  hover(row: number): void {
    if (this.pinned || row === this.row) return;
    if (row < 0) this.clear();
    else void this.inspect(row);
  }

  pin(row: number): void {
    this.pinned = true;
    this.chosen.emit();
    void this.inspect(row);
  }

  private async inspect(row: number): Promise<void> {
    const { model } = this;
    const request = ++this.request;
    this.row = row;
    this.neighbors = [];
    this.player.clear();
    const id = model.points.id[row];
    const facts = h("table", { class: "facts" });
    this.strip = h("div", { class: "strip" });
    const kind = t(model.facts.hasPictures ? "image" : "point");
    const name = `${kind} ${id}`;
    const open = h(
      "button",
      { type: "button", class: "thumb open", title: t("openPicture"), "aria-label": `${t("openPicture")}: ${name}`, on: { click: () => this.actions.open(row) } },
      thumbnail(model, id, SIDE, name),
    );
    const pictures = h("div", { class: "pair" }, ...(model.facts.hasPictures ? [figure(open, name)] : []));
    const { source } = model;
    if (source instanceof Server && model.facts.hasDecoder) {
      pictures.append(figure(imageAt(model, source.reconstructionAddress(id), SIDE, t("reconstruction")), t("reconstruction")));
    }
    this.top.replaceChildren(
      h("h2", {}, model.facts.hasPictures ? kind : name, this.pinned ? button(t("unpin"), () => this.clear(), { class: "small unpin" }) : null),
      pictures,
      this.player.element,
      h("h3", { text: t("neighbors") }),
      this.strip,
    );
    this.bottom.replaceChildren(
      facts,
      this.pinned && this.actions.interpolateFrom ? interpolationButton(row, this.actions.interpolateFrom) : h("p"),
    );
    this.changed.emit();
    void this.nearest.ask(() => this.findNeighbors());
    try {
      const values = source instanceof Server ? await source.json(`api/images/${id}/facts`) : await this.savedFacts(row);
      if (request !== this.request) return;
      fillFacts(facts, model, row, values);
      if (source instanceof Server && isSound(values.path, model.facts.soundSuffixes)) this.player.offer(source, id);
    } catch (error) {
      if (request === this.request) facts.replaceChildren(h("caption", { text: errorMessage(error) }));
    }
  }

  /** The columns of a row on a page that was saved as one file. */
  private async savedFacts(row: number): Promise<{ [name: string]: unknown }> {
    if (this.model.source instanceof StaticSite) return this.model.source.imageFacts(row);
    const values: { [name: string]: unknown } = {};
    for (const column of this.model.facts.columns) {
      const value = (await this.model.column(column.name))[row];
      values[column.name] = column.kind === "category" ? nameOfCode(column.categories!, value as number) : value;
    }
    return values;
  }

  private findNeighbors(): Promise<Neighbor[]> {
    const { source, points, weights } = this.model;
    return source.neighbors(points.id[this.row], N_NEIGHBORS, weights.text);
  }

  /** Find the neighbours by other weights; the ones before stay until then. */
  private reweigh(): void {
    if (this.row < 0 || this.model.weights.isEmpty) this.nearest.drop();
    else this.nearest.askSoon(() => this.findNeighbors(), WEIGHTS_DELAY);
  }

  private showNeighbors(found: Neighbor[]): void {
    const { strip } = this;
    this.neighbors = found.map((one) => this.model.rowOf[one.id]);
    strip.replaceChildren(...found.map((one) => this.neighbor(one)));
    if (!found.length) strip.previousElementSibling?.remove(); // a page saved without neighbours
    this.changed.emit();
  }

  private neighbor(found: Neighbor): HTMLElement {
    const { id } = found;
    const text = found.distance.toPrecision(3);
    const difference = differenceText(found);
    return h(
      "button",
      {
        type: "button",
        class: "thumb",
        title: [`${id}, ${text}`, difference].filter(Boolean).join("\n"),
        "aria-label": [`${t("image")} ${id}, ${text}`, difference].filter(Boolean).join(". "),
        on: { click: () => void this.model.find(id).then(this.actions.show), dblclick: () => this.actions.open(this.model.rowOf[id]) },
      },
      thumbnail(this.model, id, 44, ""),
      h("small", { text }),
    );
  }
}

const interpolationButton = (row: number, interpolateFrom: (row: number) => void): HTMLElement =>
  h("div", { class: "buttons" }, button(t("interpolateTo"), () => interpolateFrom(row), { "data-act": "way", title: t("interpolateHint") }));

/** Whether a path, with or without the number of a piece, is that of a sound. */
function isSound(path: unknown, suffixes: string[] = []): boolean {
  const file = String(path).replace(/\[\d+\]$/, "").toLowerCase();
  return suffixes.some((suffix) => file.endsWith(suffix));
}

const figure = (content: HTMLElement, caption: string): HTMLElement =>
  h("figure", {}, content, h("figcaption", { text: caption }));

