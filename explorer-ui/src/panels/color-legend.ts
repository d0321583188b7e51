// The legend in the panel: the largest categories as bars, or numbers as a histogram. A click or a drag filters.

import type { Column } from "../data/types";
import { t } from "../i18n/translate";
import { css, MISSING, N_COLORS, OTHER, type Rgb } from "../model/colors";
import { GROUP } from "../model/columns";
import { keysOf, NONE, OTHERS, passesMissing, passingCodes, type Range } from "../model/filter-rules";
import type { Model } from "../model/model";
import { h } from "../page/dom";
import { bar } from "./category-filter";
import { Histogram } from "./histogram";

const COLORED_CHOICES = [10, N_COLORS]; // choices of the user

/** A row of the legend: its colour, and the keys of the categories that it stands for. */
interface Entry {
  name: string;
  keys: string[];
  color: Rgb;
  count: number;
}

export class ColorLegend {
  readonly element = h("section", { class: "colorkey", hidden: true });
  private histogram: Histogram | null = null;
  private shown = "";
  private rows: { keys: string[]; element: HTMLElement }[] = [];

  constructor(private readonly model: Model) {
    model.colorsChanged.on(() => this.update());
    model.filterChanged.on(() => this.histogram?.refresh());
    model.editsChanged.on(() => this.rebuild());
  }

  private update(): void {
    const { model } = this;
    if (`${model.colorBy} ${model.nColored}` !== this.shown) this.rebuild();
    this.updatePressed();
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
    if (column.kind === "category" && column.categories!.length > COLORED_CHOICES[0]) head.append(this.limitSelect());
    this.updatePressed();
  }

  private limitSelect(): HTMLElement {
    const { model } = this;
    const select = h("select", { class: "small", "aria-label": t("colorsOwn") });
    for (const n of COLORED_CHOICES) select.append(h("option", { value: n, text: t("largest", { n }) }));
    select.value = String(model.nColored);
    select.addEventListener("change", () => void model.setColoredCategories(Number(select.value)));
    return select;
  }

  private numbers(column: Column): HTMLElement[] {
    const { model } = this;
    const missing = column.missing ?? 0;
    const set = (changed: Partial<Range>): void => {
      void model.setFilter(column.name, { ...((model.filters.get(column.name) ?? {}) as Range), ...changed });
    };
    const parts: HTMLElement[] = [];
    if (missing < (model.facts.nImages ?? model.n)) {
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
    const maxCount = Math.max(1, ...own.map((code) => column.counts![code])); // "other" is not a category
    return h("ul", { class: "bars" }, ...entries.map((one) => h("li", {}, this.entry(column, one, maxCount))));
  }

  private entry(column: Column, { name, keys, color, count }: Entry, maxCount: number): HTMLElement {
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
      bar(count / maxCount, css(color)),
      h("span", { class: "size", text: n }),
    );
    this.rows.push({ keys, element });
    return element;
  }

  /** Add these categories to the shown ones, or remove them; without any, all are shown. */
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

  /** Show which categories pass the filter of the column. */
  private updatePressed(): void {
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
