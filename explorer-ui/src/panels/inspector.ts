// The inspected image: the image and its reconstruction, its nearest neighbours and its columns.

import { errorMessage } from "../data/error-message";
import { Server } from "../data/server";
import { MARKS, type Neighbor } from "../data/types";
import { t } from "../i18n/translate";
import { GROUP, LABEL, MARK } from "../model/columns";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { button, h } from "../page/dom";
import { differenceText } from "./difference";
import { imageAt, thumbnail } from "./thumbnails";

const N_NEIGHBORS = 8;
const SIDE = 128; // pixels of the image and of its reconstruction

interface InspectorActions {
  show(row: number): void;
  open(row: number): void;
  /** Choose a query image, or interpolate from this image to another; null without a server. */
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
  private request = 0;

  constructor(
    private readonly model: Model,
    private readonly actions: InspectorActions,
  ) {
    this.clear();
  }

  clear(): void {
    this.request += 1;
    this.row = -1;
    this.pinned = false;
    this.neighbors = [];
    const { choose } = this.actions;
    this.element.replaceChildren(
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
    void this.inspect(row);
  }

  private async inspect(row: number): Promise<void> {
    const { model } = this;
    const request = ++this.request;
    this.row = row;
    this.neighbors = [];
    const id = model.points.id[row];
    const facts = h("table", { class: "facts" });
    const neighbors = h("div", { class: "strip" });
    const name = `${t("image")} ${id}`;
    const open = h(
      "button",
      { type: "button", class: "thumb open", title: t("openPicture"), "aria-label": `${t("openPicture")}: ${name}`, on: { click: () => this.actions.open(row) } },
      thumbnail(model, id, SIDE, name),
    );
    const pictures = h("div", { class: "pair" }, figure(open, name));
    const { source } = model;
    if (source instanceof Server) {
      pictures.append(figure(imageAt(model, source.reconstructionAddress(id), SIDE, t("reconstruction")), t("reconstruction")));
    }
    this.element.replaceChildren(
      h("h2", {}, t("image"), this.pinned ? button(t("unpin"), () => this.clear(), { class: "small unpin" }) : null),
      pictures,
      h("h3", { text: t("neighbors") }),
      neighbors,
      facts,
      this.pinned && this.actions.interpolateFrom ? interpolationButton(row, this.actions.interpolateFrom) : h("p"),
    );
    this.changed.emit();
    if (source instanceof Server) {
      try {
        const [found, values] = await Promise.all([
          source.neighbors(id, N_NEIGHBORS),
          source.json(`api/images/${id}/facts`) as Promise<{ [name: string]: unknown }>,
        ]);
        if (request !== this.request) return;
        this.showNeighbors(found, neighbors);
        fill(facts, { ...this.edited(row), ...withoutGroups(values) });
      } catch (error) {
        if (request === this.request) facts.replaceChildren(h("caption", { text: errorMessage(error) }));
      }
    } else {
      const values: { [name: string]: unknown } = {};
      for (const column of model.facts.columns) {
        const value = (await model.column(column.name))[row];
        values[column.name] = column.kind === "category" ? nameOf(column.categories!, value as number) : value;
      }
      const found = await source.neighbors(id, N_NEIGHBORS);
      if (request !== this.request) return;
      this.showNeighbors(found, neighbors);
      fill(facts, { ...this.edited(row), ...withoutGroups(values) });
    }
    if (request === this.request) this.changed.emit();
  }

  private showNeighbors(found: Neighbor[], strip: HTMLElement): void {
    this.neighbors = found.map((one) => this.model.rowOf[one.id]);
    strip.replaceChildren(...found.map((one) => this.neighbor(one)));
    if (!found.length) strip.previousElementSibling?.remove(); // a page saved without neighbours
  }

  private edited(row: number): { [name: string]: unknown } {
    const { model } = this;
    const group = model.groupOf(row);
    const marks = MARKS.filter((_, bit) => model.marks[row] & (1 << bit));
    return {
      [t("group")]: group ? model.groupName(group) : t("unsure"),
      ...(marks.length ? { [MARK]: marks.map((mark) => t(mark)).join(", ") } : {}),
      ...(model.label[row] >= 0 ? { [LABEL]: model.edits.labels[model.label[row]] } : {}),
    };
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
        on: { click: () => this.actions.show(this.model.rowOf[id]), dblclick: () => this.actions.open(this.model.rowOf[id]) },
      },
      thumbnail(this.model, id, 44, ""),
      h("small", { text }),
    );
  }
}

const interpolationButton = (row: number, interpolateFrom: (row: number) => void): HTMLElement =>
  h("div", { class: "buttons" }, button(t("interpolateTo"), () => interpolateFrom(row), { "data-act": "way", title: t("interpolateHint") }));

const figure = (content: HTMLElement, caption: string): HTMLElement =>
  h("figure", {}, content, h("figcaption", { text: caption }));

/** Name of a category; codes past the last one stand for other categories. */
const nameOf = (names: string[], code: number): string | null => (code < 0 ? null : (names[code] ?? t("other")));

function fill(table: HTMLTableElement, values: { [name: string]: unknown }): void {
  const rows = Object.entries(values);
  table.replaceChildren(...rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row", text: name }), h("td", { text: formatValue(value) }))));
}

/** Columns without those that the edits replace. */
function withoutGroups(values: { [name: string]: unknown }): { [name: string]: unknown } {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name !== GROUP && name !== "tree"));
}

function formatValue(value: unknown): string {
  if (value === null || value === undefined || value === "" || Number.isNaN(value)) return "–"; // missing
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
}
