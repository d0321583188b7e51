// The contact sheet: all images of a selection, sorted by any column. Only the images in view are elements of the page.

import type { Column, Values } from "../data/types";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { button, h, iconButton } from "../page/dom";
import { round } from "./histogram";
import { distancesToCenter, sortKeys, sortRows } from "./sheet-order";
import { thumbnail } from "./thumbnails";

const SIDES = [64, 96, 128]; // of a thumbnail, in pixels
const GAP = 4;
const MIN_SIDE = 24; // pixels, for clicking
const CAPTION = 15; // height of the value below a thumbnail
const MAX_SHEET_ROWS = 100_000; // browsers limit the height of elements
const MARGIN = 2; // lines rendered above and below the view
const ENLARGE = "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4";
const FILE_ORDER = "";
const TYPICALITY = "\u0000typicality";

export class ContactSheet {
  readonly element = h("div", { class: "sheet-box" });
  private readonly scroller = h("div", { class: "sheet", tabindex: 0, role: "group", "aria-label": t("sheet") });
  private readonly canvas = h("div", { class: "sheet-canvas" });
  private readonly rest = h("p", { class: "hint" });
  private readonly sorts = h("select", { "aria-label": t("sortBy"), class: "sort" });
  private readonly sides = h("select", { "aria-label": t("sheetSize"), class: "side" });
  private readonly turn: HTMLButtonElement;
  private readonly enlarge: HTMLButtonElement;
  private readonly rendered = new Map<number, HTMLElement>();
  private rows: number[] = [];
  /** The rows in the chosen order. */
  private order: number[] = [];
  private values: Values | null = null;
  private column: Column | null = null;
  private isDescending = false;
  private sorting = 0;

  constructor(
    private readonly model: Model,
    /** Opens an image, among the ids of the sheet. */
    private readonly open: (id: number, ids: number[]) => void,
  ) {
    for (const side of SIDES) this.sides.append(h("option", { value: side, text: `${side} px` }));
    this.turn = button("↑", () => this.reverse(), { class: "turn", "aria-label": t("ascending"), title: t("ascending") });
    this.enlarge = iconButton(ENLARGE, t("largeSheet"), () => this.toggleSize(), { class: "enlarge" });
    this.sides.addEventListener("change", () => this.layOut());
    this.sorts.addEventListener("change", () => void this.sort());
    this.scroller.addEventListener("scroll", () => this.fill());
    this.scroller.append(this.canvas);
    this.element.append(
      h("div", { class: "buttons" }, h("label", { class: "sort-label" }, `${t("sortBy")} `, this.sorts), this.turn, this.sides, this.enlarge),
      this.scroller,
      this.rest,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.isLarge) return;
      event.stopPropagation();
      this.toggleSize();
    });
    new ResizeObserver(() => this.layOut()).observe(this.scroller);
  }

  show(rows: number[]): void {
    this.rows = rows;
    const chosen = this.sorts.value;
    const choice = (value: string, text: string): HTMLElement => h("option", { value, text });
    this.sorts.replaceChildren(
      choice(FILE_ORDER, t("fileOrder")),
      choice(TYPICALITY, t("typicality")),
      ...this.model.choices.map(({ name }) => choice(name, name)),
    );
    this.sorts.value = chosen;
    if (this.sorts.selectedIndex < 0) this.sorts.value = FILE_ORDER;
    if (!rows.length && this.isLarge) this.toggleSize();
    void this.sort();
  }

  get isLarge(): boolean {
    return this.element.classList.contains("large");
  }

  private toggleSize(): void {
    const isLarge = this.element.classList.toggle("large");
    const name = t(isLarge ? "smallSheet" : "largeSheet");
    this.enlarge.title = name;
    this.enlarge.setAttribute("aria-label", name);
    this.layOut();
  }

  private reverse(): void {
    this.isDescending = !this.isDescending;
    const name = t(this.isDescending ? "descending" : "ascending");
    this.turn.textContent = this.isDescending ? "↓" : "↑";
    this.turn.title = name;
    this.turn.setAttribute("aria-label", name);
    void this.sort();
  }

  private async sort(): Promise<void> {
    const { model, rows } = this;
    const request = ++this.sorting;
    const by = this.sorts.value;
    const column = by && by !== TYPICALITY ? (model.describe(by) ?? null) : null;
    const values =
      column &&
      (await model.column(column.name).catch((error: unknown) => {
        model.loadFailed.emit(error);
        return null;
      }));
    if (request !== this.sorting) return; // superseded by a later request
    const keys = by === TYPICALITY ? distancesToCenter(model) : column && values ? sortKeys(column, values) : null;
    // images of equal confidence: those nearer to the centre of their group are more typical
    const ties = column?.name === "confidence" ? distancesToCenter(model).map((distance) => -distance) : null;
    this.order = sortRows(rows, model.points.id, keys, ties, this.isDescending);
    this.column = values && column;
    this.values = values;
    this.scroller.scrollTop = 0;
    this.layOut();
  }

  private get side(): number {
    return Number(this.sides.value);
  }

  /** Width and height of a thumbnail with its frame. */
  private get frame(): [number, number] {
    const [height, width] = this.model.facts.imageShape;
    const scale = this.side / Math.max(height, width);
    return [Math.max(MIN_SIDE, Math.ceil(scale * width)), Math.max(MIN_SIDE, Math.ceil(scale * height))];
  }

  private get lineHeight(): number {
    return this.frame[1] + (this.column ? CAPTION : 0) + GAP;
  }

  private get nColumns(): number {
    return Math.max(1, Math.floor((this.scroller.clientWidth + GAP) / (this.frame[0] + GAP)));
  }

  /** Render all thumbnails again, after a change of order or size. */
  private layOut(): void {
    for (const element of this.rendered.values()) element.remove();
    this.rendered.clear();
    const lines = Math.min(MAX_SHEET_ROWS, Math.ceil(this.order.length / this.nColumns));
    this.canvas.style.height = `${lines * this.lineHeight}px`;
    const rest = this.order.length - lines * this.nColumns;
    this.rest.textContent = rest > 0 ? t("more", { n: rest }) : "";
    this.fill();
  }

  /** Render the thumbnails in view, and remove the others. */
  private fill(): void {
    const { nColumns, lineHeight, scroller } = this;
    if (!scroller.clientHeight) return; // not on the page
    const top = Math.floor(scroller.scrollTop / lineHeight) - MARGIN;
    const bottom = Math.ceil((scroller.scrollTop + scroller.clientHeight) / lineHeight) + MARGIN;
    const from = Math.max(0, top * nColumns);
    const to = Math.min(this.order.length, Math.min(MAX_SHEET_ROWS, bottom) * nColumns);
    for (const [at, element] of this.rendered) {
      if (at >= from && at < to) continue;
      element.remove();
      this.rendered.delete(at);
    }
    for (let at = from; at < to; at++) if (!this.rendered.has(at)) this.make(at);
  }

  private make(at: number): void {
    const { model, side } = this;
    const [width, height] = [this.frame[0], this.lineHeight - GAP];
    const id = model.points.id[this.order[at]];
    const value = this.valueOf(this.order[at]);
    const name = `${t("image")} ${id}`;
    const element = h(
      "button",
      {
        type: "button",
        class: "thumb",
        "data-image": id,
        title: value === null ? name : `${name} · ${t("inOrder", { name: this.column!.name, value })}`,
        "aria-label": value === null ? name : `${name}, ${value}`,
        on: { click: () => this.open(id, this.order.map((row) => model.points.id[row])) },
      },
      thumbnail(model, id, side - 2, ""),
      value === null ? null : h("small", { text: value }),
    );
    element.style.left = `${(at % this.nColumns) * (width + GAP)}px`;
    element.style.top = `${Math.floor(at / this.nColumns) * (height + GAP)}px`;
    element.style.width = `${width}px`;
    element.style.height = `${height}px`;
    this.rendered.set(at, element);
    // in order, for the keyboard
    const next = [...this.rendered.keys()].filter((other) => other > at).sort((a, b) => a - b)[0];
    this.canvas.insertBefore(element, next === undefined ? null : this.rendered.get(next)!);
  }

  /** Value of an image in the column that the sheet is sorted by. */
  private valueOf(row: number): string | null {
    const { column, values } = this;
    if (!column || !values) return null;
    const value = values[row];
    if (column.kind === "text") return String(value) || "–";
    if (column.kind === "number") return Number.isNaN(value) ? "–" : round(value as number);
    const code = value as number;
    return code < 0 ? "–" : (column.categories![code] ?? t("other"));
  }
}
