// One image: large, redrawn, with its neighbours in latent space and its columns.

import { button, h, Signal } from "./dom";
import { sentence } from "./edits";
import { t } from "./i18n";
import { GROUP, LABEL, MARK, type Model } from "./model";
import { neighborsOf } from "./neighbors";
import { Server } from "./source";
import { sized, thumbnail } from "./thumbnails";
import { MARKS, type Neighbor } from "./types";

const N_NEIGHBORS = 8;
const SIDE = 128; // of the image and of what the network makes of it, side by side

export interface InspectorActs {
  show(row: number): void;
  open(row: number): void;
  /** Choose a picture from outside, or show the way from this image to another; null where no server does it. */
  choose: (() => void) | null;
  wayFrom: ((row: number) => void) | null;
}

export class Inspector {
  readonly element = h("section", { class: "inspector", "aria-label": t("image") });
  /** The row that is shown, and whether it was clicked. */
  row = -1;
  pinned = false;
  neighbors: number[] = [];
  readonly changed = new Signal();
  private asked = 0;

  constructor(
    private readonly model: Model,
    private readonly acts: InspectorActs,
  ) {
    this.clear();
  }

  clear(): void {
    this.asked += 1;
    this.row = -1;
    this.pinned = false;
    this.neighbors = [];
    const { choose } = this.acts;
    this.element.replaceChildren(
      h("h2", { text: t("image") }),
      h("p", { class: "hint", text: t("noImage") }),
      ...(choose ? [h("p", { class: "hint drop-hint", text: t("dropHint") }), button(t("choosePicture"), choose, { "data-act": "choose" })] : []),
    );
    this.changed.tell();
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
    const asked = ++this.asked;
    this.row = row;
    this.neighbors = [];
    const id = model.points.id[row];
    const facts = h("table", { class: "facts" });
    const neighbors = h("div", { class: "strip" });
    const name = `${t("image")} ${id}`;
    const open = h(
      "button",
      { type: "button", class: "thumb open", title: t("openPicture"), "aria-label": `${t("openPicture")}: ${name}`, on: { click: () => this.acts.open(row) } },
      thumbnail(model, id, SIDE, name),
    );
    const pictures = h("div", { class: "pair" }, figure(open, name));
    const { source } = model;
    if (source instanceof Server) {
      pictures.append(figure(sized(model, source.reconstructionAddress(id), SIDE, t("reconstruction")), t("reconstruction")));
    }
    this.element.replaceChildren(
      h("h2", {}, t("image"), this.pinned ? button(t("unpin"), () => this.clear(), { class: "small unpin" }) : null),
      pictures,
      h("h3", { text: t("neighbors") }),
      neighbors,
      facts,
      this.pinned && this.acts.wayFrom ? this.way(row, this.acts.wayFrom) : h("p"),
    );
    this.changed.tell();
    if (source instanceof Server) {
      try {
        const [found, values] = await Promise.all([
          neighborsOf(source, id, N_NEIGHBORS),
          source.json(`api/images/${id}/facts`) as Promise<{ [name: string]: unknown }>,
        ]);
        if (asked !== this.asked) return;
        this.tellNeighbors(found, neighbors);
        fill(facts, { ...this.edited(row), ...without(values) });
      } catch (error) {
        if (asked === this.asked) facts.replaceChildren(h("caption", { text: sentence(error) }));
      }
    } else {
      const values: { [name: string]: unknown } = {};
      for (const column of model.facts.columns) {
        const value = (await model.column(column.name))[row];
        values[column.name] = column.kind === "category" ? nameOf(column.categories!, value as number) : value;
      }
      const found = await neighborsOf(source, id, N_NEIGHBORS);
      if (asked !== this.asked) return;
      this.tellNeighbors(found, neighbors);
      fill(facts, { ...this.edited(row), ...without(values) });
    }
    if (asked === this.asked) this.changed.tell();
  }

  private tellNeighbors(found: Neighbor[], strip: HTMLElement): void {
    this.neighbors = found.map((one) => this.model.rowOf[one.id]);
    strip.replaceChildren(...found.map((one) => this.neighbor(one)));
    if (!found.length) strip.previousElementSibling?.remove(); // an older page, saved without them
  }

  private way(row: number, wayFrom: (row: number) => void): HTMLElement {
    return h("div", { class: "buttons" }, button(t("wayTo"), () => wayFrom(row), { "data-act": "way", title: t("wayToHint") }));
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

  private neighbor({ id, distance }: Neighbor): HTMLElement {
    const text = distance.toPrecision(3);
    return h(
      "button",
      {
        type: "button",
        class: "thumb",
        title: `${id}, ${text}`,
        "aria-label": `${t("image")} ${id}, ${text}`,
        on: { click: () => this.acts.show(this.model.rowOf[id]), dblclick: () => this.acts.open(this.model.rowOf[id]) },
      },
      thumbnail(this.model, id, 44, ""),
      h("small", { text }),
    );
  }
}

const figure = (picture: HTMLElement, caption: string): HTMLElement =>
  h("figure", {}, picture, h("figcaption", { text: caption }));

/** The name of a category; beyond the last one are all the others. */
const nameOf = (names: string[], code: number): string | null => (code < 0 ? null : (names[code] ?? t("otherCategories")));

function fill(table: HTMLTableElement, values: { [name: string]: unknown }): void {
  const rows = Object.entries(values);
  table.replaceChildren(...rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row", text: name }), h("td", { text: plain(value) }))));
}

/** Columns but those that the edits stand for: an image has the group that it has now. */
function without(values: { [name: string]: unknown }): { [name: string]: unknown } {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name !== GROUP && name !== "tree"));
}

function plain(value: unknown): string {
  if (value === null || value === undefined || value === "" || Number.isNaN(value)) return "–"; // missing
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
}
