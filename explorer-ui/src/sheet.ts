// The contact sheet: all images of a selection, as large as wanted and in the order of any column. Only those that are
// in sight are elements of the page.

import { button, h, iconButton } from "./dom";
import { round } from "./histogram";
import { t } from "./i18n";
import type { Model } from "./model";
import { thumbnail } from "./thumbnails";
import type { Column, Values } from "./types";

const SIDES = [64, 96, 128]; // of a picture, in pixels
const GAP = 4;
const LEAST = 24; // width and height that one can click
const CAPTION = 15; // height of the value below a picture
const MOST_LINES = 100_000; // browsers have no higher elements
const BEYOND = 2; // lines that are made ready above and below
const LARGER = "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4";
const FILES = "";
const TYPICALITY = "\u0000typicality";

export class Sheet {
  readonly element = h("div", { class: "sheet-box" });
  private readonly scroller = h("div", { class: "sheet", tabindex: 0, role: "group", "aria-label": t("sheet") });
  private readonly canvas = h("div", { class: "sheet-canvas" });
  private readonly rest = h("p", { class: "hint" });
  private readonly sorts = h("select", { "aria-label": t("sortBy"), class: "sort" });
  private readonly sides = h("select", { "aria-label": t("sheetSize"), class: "side" });
  private readonly turn: HTMLButtonElement;
  private readonly enlarge: HTMLButtonElement;
  private readonly made = new Map<number, HTMLElement>();
  private rows: number[] = [];
  /** The rows in the order wanted. */
  private order: number[] = [];
  private values: Values | null = null;
  private column: Column | null = null;
  private isDescending = false;
  private sorting = 0;

  constructor(
    private readonly model: Model,
    /** Shows an image; the others are those that it stands among. */
    private readonly open: (id: number, ids: number[]) => void,
  ) {
    for (const side of SIDES) this.sides.append(h("option", { value: side, text: `${side} px` }));
    this.turn = button("↑", () => this.reverse(), { class: "turn", "aria-label": t("ascending"), title: t("ascending") });
    this.enlarge = iconButton(LARGER, t("largeSheet"), () => this.toggleSize(), { class: "enlarge" });
    this.sides.addEventListener("change", () => this.lay());
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
    new ResizeObserver(() => this.lay()).observe(this.scroller);
  }

  show(rows: number[]): void {
    this.rows = rows;
    const wanted = this.sorts.value;
    const choice = (value: string, text: string): HTMLElement => h("option", { value, text });
    this.sorts.replaceChildren(
      choice(FILES, t("fileOrder")),
      choice(TYPICALITY, t("typicality")),
      ...this.model.choices.map(({ name }) => choice(name, name)),
    );
    this.sorts.value = wanted;
    if (this.sorts.selectedIndex < 0) this.sorts.value = FILES;
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
    this.lay();
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
    const asked = ++this.sorting;
    const by = this.sorts.value;
    const column = by && by !== TYPICALITY ? (model.describe(by) ?? null) : null;
    const values =
      column &&
      (await model.column(column.name).catch((error: unknown) => {
        model.failed.tell(error);
        return null;
      }));
    if (asked !== this.sorting) return; // another was asked for meanwhile
    const keys = by === TYPICALITY ? distancesToMiddle(model) : column && values ? sortKeys(column, values) : null;
    // images that are as sure of their group as each other: those in its middle are surer
    const ties = column?.name === "confidence" ? distancesToMiddle(model).map((distance) => -distance) : null;
    const sign = this.isDescending ? -1 : 1;
    const { id } = model.points;
    this.order = rows.slice().sort((a, b) => {
      if (keys) {
        const [first, second] = [keys[a], keys[b]];
        if (Number.isNaN(first) || Number.isNaN(second)) {
          if (Number.isNaN(first) !== Number.isNaN(second)) return Number.isNaN(first) ? 1 : -1; // missing last
        } else if (first !== second) return sign * (first - second);
        else if (ties && ties[a] !== ties[b]) return sign * (ties[a] - ties[b]);
      }
      return keys ? id[a] - id[b] : sign * (id[a] - id[b]);
    });
    this.column = values && column;
    this.values = values;
    this.scroller.scrollTop = 0;
    this.lay();
  }

  private get side(): number {
    return Number(this.sides.value);
  }

  /** Width and height of a picture with its frame. */
  private get frame(): [number, number] {
    const [height, width] = this.model.facts.imageShape;
    const scale = this.side / Math.max(height, width);
    return [Math.max(LEAST, Math.ceil(scale * width)), Math.max(LEAST, Math.ceil(scale * height))];
  }

  private get lineHeight(): number {
    return this.frame[1] + (this.column ? CAPTION : 0) + GAP;
  }

  private get across(): number {
    return Math.max(1, Math.floor((this.scroller.clientWidth + GAP) / (this.frame[0] + GAP)));
  }

  /** Make all anew, as after another order or size. */
  private lay(): void {
    for (const element of this.made.values()) element.remove();
    this.made.clear();
    const lines = Math.min(MOST_LINES, Math.ceil(this.order.length / this.across));
    this.canvas.style.height = `${lines * this.lineHeight}px`;
    const rest = this.order.length - lines * this.across;
    this.rest.textContent = rest > 0 ? t("more", { n: rest }) : "";
    this.fill();
  }

  /** Make the pictures that are in sight, and drop those that no longer are. */
  private fill(): void {
    const { across, lineHeight, scroller } = this;
    if (!scroller.clientHeight) return; // not on the page
    const top = Math.floor(scroller.scrollTop / lineHeight) - BEYOND;
    const bottom = Math.ceil((scroller.scrollTop + scroller.clientHeight) / lineHeight) + BEYOND;
    const from = Math.max(0, top * across);
    const to = Math.min(this.order.length, Math.min(MOST_LINES, bottom) * across);
    for (const [at, element] of this.made) {
      if (at >= from && at < to) continue;
      element.remove();
      this.made.delete(at);
    }
    for (let at = from; at < to; at++) if (!this.made.has(at)) this.make(at);
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
    element.style.left = `${(at % this.across) * (width + GAP)}px`;
    element.style.top = `${Math.floor(at / this.across) * (height + GAP)}px`;
    element.style.width = `${width}px`;
    element.style.height = `${height}px`;
    this.made.set(at, element);
    // in their order, for who goes through them by keyboard
    const next = [...this.made.keys()].filter((other) => other > at).sort((a, b) => a - b)[0];
    this.canvas.insertBefore(element, next === undefined ? null : this.made.get(next)!);
  }

  /** What an image has in the column that the sheet is sorted by. */
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

/** Numbers in the order of a column's values; NaN where there is none. */
function sortKeys(column: Column, values: Values): ArrayLike<number> {
  if (column.kind === "number") return values as Float32Array;
  const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
  const ranks = (names: string[]): Map<string, number> => new Map([...new Set(names)].sort(compare).map((name, rank) => [name, rank]));
  if (column.kind === "text") {
    const rank = ranks(values as string[]);
    return Float64Array.from(values as string[], (text) => (text === "" ? NaN : rank.get(text)!));
  }
  const rank = ranks(column.categories!);
  return Float64Array.from(values as Int32Array, (code) => {
    if (code < 0) return NaN;
    return code < column.categories!.length ? rank.get(column.categories![code])! : rank.size; // others after the named
  });
}

/** How far from the middle of its group each image lies on the map. */
function distancesToMiddle(model: Model): Float64Array {
  const { x, y } = model.points;
  const sums = new Map<number, [number, number, number]>();
  for (let row = 0; row < model.n; row++) {
    let sum = sums.get(model.group[row]);
    if (!sum) sums.set(model.group[row], (sum = [0, 0, 0]));
    sum[0] += x[row];
    sum[1] += y[row];
    sum[2] += 1;
  }
  return Float64Array.from(model.group, (number, row) => {
    const [sx, sy, m] = sums.get(number)!;
    return Math.hypot(x[row] - sx / m, y[row] - sy / m);
  });
}
