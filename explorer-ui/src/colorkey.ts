// What the colours mean, with counts: the largest categories as bars, numbers as a histogram. A click or a drag filters.

import { bar } from "./choices";
import { css, MISSING, N_COLORS, OTHER, type Rgb } from "./colors";
import { h } from "./dom";
import { Histogram } from "./histogram";
import { t } from "./i18n";
import { GROUP, keysOf, NONE, OTHERS, passesMissing, passingCodes, type Model, type Range } from "./model";
import type { Column } from "./types";

const MOST_COLORED = [10, N_COLORS]; // what can be chosen

/** A row of the key: its colour, and the keys of the categories that it stands for. */
interface Entry {
  name: string;
  keys: string[];
  color: Rgb;
  count: number;
}

export class ColorKey {
  readonly element = h("section", { class: "colorkey", hidden: true });
  private histogram: Histogram | null = null;
  private shown = "";
  private rows: { keys: string[]; element: HTMLElement }[] = [];

  constructor(private readonly model: Model) {
    model.painted.on(() => this.follow());
    model.filtered.on(() => this.histogram?.refresh());
    model.edited.on(() => this.rebuild());
  }

  private follow(): void {
    const { model } = this;
    if (`${model.colorBy} ${model.nColored}` !== this.shown) this.rebuild();
    this.press();
  }

  private rebuild(): void {
    const { model } = this;
    const column = model.describe(model.colorBy);
    this.shown = `${model.colorBy} ${model.nColored}`;
    this.histogram = null;
    this.rows = [];
    const isShown = column && column.kind !== "text" && column.name !== GROUP && model.loaded(column.name) !== null;
    this.element.hidden = !isShown;
    if (!isShown) return this.element.replaceChildren();
    this.element.setAttribute("aria-label", t("colors", { name: column.name }));
    const head = h("h2", {}, h("span", { class: "name", text: t("colors", { name: column.name }) }));
    if (column.kind === "number") this.element.replaceChildren(head, ...this.numbers(column));
    else this.element.replaceChildren(head, this.categories(column));
    if (column.kind === "category" && column.categories!.length > MOST_COLORED[0]) head.append(this.most());
    this.press();
  }

  private most(): HTMLElement {
    const { model } = this;
    const select = h("select", { class: "small", "aria-label": t("colorsOwn") });
    for (const n of MOST_COLORED) select.append(h("option", { value: n, text: t("largest", { n }) }));
    select.value = String(model.nColored);
    select.addEventListener("change", () => void model.colorCategories(Number(select.value)));
    return select;
  }

  private numbers(column: Column): HTMLElement[] {
    const { model } = this;
    const missing = column.missing ?? 0;
    const set = (changed: Partial<Range>): void => {
      void model.setFilter(column.name, { ...((model.filters.get(column.name) ?? {}) as Range), ...changed });
    };
    const parts: HTMLElement[] = [];
    if (missing < model.n) {
      const place = h("div");
      this.histogram = new Histogram(model, column, set, true);
      place.append(this.histogram.element);
      const end = (value: number): HTMLElement => h("span", { text: value.toPrecision(3) });
      parts.push(place, h("div", { class: "ends" }, end(column.low!), end(column.high!)));
    }
    if (missing) {
      const box = h("input", { type: "checkbox", on: { change: () => set({ missing: box.checked }) } });
      this.rows.push({ keys: [NONE], element: box });
      parts.push(h("label", { class: "check" }, box, swatch(MISSING), t("nMissing", { n: missing })));
    }
    return parts;
  }

  private categories(column: Column): HTMLElement {
    const { model } = this;
    const colors = model.categoryColors(column);
    const keys = keysOf(column);
    const own = model.coloredCodes(column);
    const isOwn = new Set(own);
    const entries: Entry[] = own.map((code) => ({
      name: column.categories![code],
      keys: [keys[code]],
      color: colors[code + 1],
      count: column.counts![code],
    }));
    const others = model.nInOthers(column);
    if (others) entries.push({ name: t("other"), keys: [...keys.filter((_, code) => !isOwn.has(code)), OTHERS], color: OTHER, count: others });
    if (column.missing) entries.push({ name: model.nameOfMissing(column), keys: [NONE], color: MISSING, count: column.missing });
    const most = Math.max(1, ...own.map((code) => column.counts![code])); // the others are no category
    return h("ul", { class: "bars" }, ...entries.map((one) => h("li", {}, this.entry(column, one, most))));
  }

  private entry(column: Column, { name, keys, color, count }: Entry, most: number): HTMLElement {
    const n = count.toLocaleString(document.documentElement.lang);
    const element = h(
      "button",
      {
        type: "button",
        class: "bar-row",
        title: t("chooseHint"),
        "aria-label": `${t("onlyThis", { name })}, ${n}`,
        "aria-pressed": "false",
        on: { click: () => this.toggle(column, keys) },
      },
      swatch(color),
      h("span", { class: "name", text: name }),
      bar(count / most, css(color)),
      h("span", { class: "size", text: n }),
    );
    this.rows.push({ keys, element });
    return element;
  }

  /** Show only these categories, besides others that were chosen so; without any all are shown. */
  private toggle(column: Column, keys: string[]): void {
    const filter = this.model.filters.get(column.name);
    const only = new Set(filter && "only" in filter ? filter.only : []);
    const isChosen = keys.every((key) => only.has(key));
    for (const key of keys) {
      if (isChosen) only.delete(key);
      else only.add(key);
    }
    void this.model.setFilter(column.name, only.size ? { only: [...only] } : null);
  }

  /** Show what the filter of the column lets pass. */
  private press(): void {
    const { model } = this;
    const column = model.describe(model.colorBy);
    if (!column || this.element.hidden) return;
    const filter = model.filters.get(column.name);
    if (column.kind === "number") {
      const range = (filter ?? {}) as Range;
      this.histogram?.show(range);
      for (const { element } of this.rows) (element as HTMLInputElement).checked = passesMissing(range);
    } else {
      const named = filter && ("only" in filter || "without" in filter) ? filter : null;
      const passes = named && passingCodes(named, column);
      const places = new Map([NONE, ...keysOf(column), OTHERS].map((key, i) => [key, i]));
      for (const { keys, element } of this.rows) {
        element.setAttribute("aria-pressed", String(passes !== null && keys.some((key) => passes[places.get(key)!])));
      }
    }
  }
}

function swatch(color: Rgb): HTMLElement {
  const dot = h("i", { class: "dot" });
  dot.style.background = css(color);
  return dot;
}
