// Filters by columns: ranges of numbers, categories, parts of texts; and the legend of the colours on the map.

import "./panels.css";
import { Choices } from "./choices";
import { css, MISSING, OTHER, rampColor, type Rgb } from "./colors";
import { afterTyping, button, h } from "./dom";
import { Histogram, round } from "./histogram";
import { t } from "./i18n";
import { GROUP, passesMissing, type Filter, type Model, type Range } from "./model";
import type { Column } from "./types";

const MOST_FOUND = 10_000; // images that a search gives
const MOST_NAMED = 10; // categories named over the map

export class Filters {
  readonly element = h("section", { class: "filters", "aria-label": t("filters") });
  /** What is said over the map when nothing is left on it. */
  readonly nothing: HTMLElement;
  private readonly shown = h("p", { class: "hint", "aria-live": "polite" });
  private readonly select: HTMLButtonElement;
  private readonly clear: HTMLButtonElement;
  private readonly sought = h("div", { class: "sought" });
  private histograms: Histogram[] = [];
  /** The filters that the panel shows. */
  private written = "";

  constructor(
    private readonly model: Model,
    private readonly clearSearch: () => void,
  ) {
    this.select = button("", () => model.select(model.visibleRows()), { class: "small select-shown" });
    this.clear = button(t("clearAll"), () => this.clearAll(), { class: "small clear-all" });
    const again = button(t("clearAll"), () => this.clearAll(), { class: "clear-nothing" });
    this.nothing = h("div", { class: "nothing", role: "status", hidden: true }, h("p", { text: t("nothingMatches") }), again);
    model.filtered.on(() => this.follow());
    this.rebuild();
  }

  /** Show columns and categories as they are now. */
  refresh(): void {
    if (!afterTyping(this.element, () => this.rebuild())) this.rebuild();
  }

  rebuild(): void {
    const { model } = this;
    this.written = this.signature();
    this.histograms = [];
    const add = h("select", { "aria-label": t("addFilter"), on: { change: () => void this.add(add.value) } });
    add.append(h("option", { value: "", text: t("addFilter") }));
    for (const column of model.choices) {
      if (!model.filters.has(column.name)) add.append(h("option", { value: column.name, text: column.name }));
    }
    const hidden = h("input", {
      type: "checkbox",
      checked: model.showHidden,
      on: {
        change: () => {
          model.showHidden = hidden.checked;
          model.refilter();
        },
      },
    });
    this.element.replaceChildren(
      h("h2", { text: t("filters") }),
      this.shown,
      h("div", { class: "buttons" }, this.select, this.clear),
      this.sought,
      h("div", {}, ...[...model.filters].map(([name, filter]) => this.row(name, filter))),
      add,
      h("label", { class: "check" }, hidden, t("showHidden")),
    );
    this.count();
  }

  private clearAll(): void {
    this.clearSearch();
    void this.model.setFilters({});
  }

  private signature(changed: [string, Filter] | null = null): string {
    const { model } = this;
    return JSON.stringify([...model.filters].map(([name, one]) => [name, changed?.[0] === name ? changed[1] : one, model.loaded(name) !== null]));
  }

  /** After a filter was changed, here or elsewhere. */
  private follow(): void {
    if (this.signature() !== this.written) this.refresh();
    else this.count();
    for (const one of this.histograms) one.refresh();
  }

  private count(): void {
    const { model } = this;
    const { n, nVisible, sought } = model;
    this.shown.textContent = t("shown", { n: nVisible, total: n });
    this.select.textContent = t("selectShown", { n: nVisible });
    this.select.disabled = nVisible === 0;
    this.clear.disabled = !model.isFiltered;
    this.nothing.hidden = nVisible > 0 || !model.isFiltered;
    this.sought.replaceChildren(
      ...(sought
        ? [
            h("span", { text: t(sought.n < MOST_FOUND ? "searchFor" : "searchMost", sought) }),
            button("×", this.clearSearch, { "aria-label": t("clearSearch"), class: "small" }),
          ]
        : []),
    );
  }

  /** A filter that lets all pass, so that the column is loaded and no longer offered. */
  private async add(name: string): Promise<void> {
    const column = this.model.describe(name);
    if (!column) return;
    const all: Filter = column.kind === "text" ? { text: "" } : column.kind === "number" ? {} : { without: [] };
    await this.model.setFilter(name, all);
    if (this.signature() !== this.written) this.rebuild(); // asked for here: it does not wait for a field to be left
  }

  private row(name: string, filter: Filter): HTMLElement | null {
    const { model } = this;
    const column = model.describe(name);
    if (!column || !model.loaded(name)) return null;
    const set = (changed: Filter): void => {
      this.written = this.signature([name, changed]);
      void model.setFilter(name, changed);
    };
    const remove = button("×", () => void model.setFilter(name, null), { "aria-label": `${t("clear")} ${name}`, class: "small" });
    return h("fieldset", {}, h("legend", {}, name, remove), this.control(column, filter, set));
  }

  private control(column: Column, filter: Filter, set: (filter: Filter) => void): HTMLElement {
    if ("text" in filter) {
      const label = `${column.name} ${t("contains")}`;
      const input = h("input", { type: "search", "aria-label": label, value: filter.text, on: { input: () => set({ text: input.value }) } });
      return input;
    }
    if ("without" in filter || "only" in filter) return new Choices(this.model, column, filter, set).element;
    return this.range(column, filter, set);
  }

  private range(column: Column, filter: Range, set: (filter: Filter) => void): HTMLElement {
    const { model } = this;
    const missing = column.missing ?? 0;
    if (missing === model.n) return h("p", { class: "hint", text: t("noValues") });
    let now = filter;
    const number = (label: string, value: number | undefined, bound: number): HTMLInputElement =>
      h("input", { type: "number", step: "any", value, placeholder: round(bound), "aria-label": `${column.name} ${label}` });
    const low = number(t("from"), filter.low, column.low!);
    const high = number(t("to"), filter.high, column.high!);
    const without = h("input", { type: "checkbox", class: "with-missing" });
    const change = (changed: Partial<Range>): void => {
      now = { ...now, ...changed };
      without.checked = passesMissing(now);
      set(now);
    };
    const given = (input: HTMLInputElement): number | undefined => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : undefined);
    const histogram = new Histogram(model, column, (bounds) => {
      low.value = String(bounds.low ?? "");
      high.value = String(bounds.high ?? "");
      change(bounds);
    });
    for (const input of [low, high]) {
      input.addEventListener("input", () => {
        const bounds = { low: given(low), high: given(high) };
        histogram.show(bounds);
        change(bounds);
      });
    }
    without.addEventListener("change", () => change({ missing: without.checked }));
    without.checked = passesMissing(filter);
    histogram.show(filter);
    this.histograms.push(histogram);
    return h(
      "div",
      {},
      histogram.element,
      h("div", { class: "range" }, low, "–", high),
      missing ? h("label", { class: "check" }, without, t("nMissing", { n: missing })) : null,
    );
  }
}

/** What the colours mean. */
export function legend(model: Model): HTMLElement {
  const column = model.describe(model.colorBy);
  const element = h("div", { class: "legend", role: "img", "aria-label": `${t("colorBy")} ${model.colorBy}` });
  if (!column || column.kind === "text") return element;
  const entry = (name: string, color: Rgb): HTMLElement => {
    const dot = h("i");
    dot.style.background = css(color);
    return h("span", { class: "entry" }, dot, name);
  };
  if (column.kind === "number") {
    const bar = h("span", { class: "ramp" });
    bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map((share) => css(rampColor(share))).join()})`;
    const ends = [column.low, column.high].map((end) => h("span", { text: (end ?? 0).toPrecision(3) }));
    if (column.missing !== model.n) element.append(ends[0], bar, ends[1]);
  } else {
    if (column.name === GROUP) return element; // the list of groups is the legend
    const colors = model.categoryColors(column);
    const own = model.coloredCodes(column);
    for (const code of own.slice(0, MOST_NAMED)) element.append(entry(column.categories![code], colors[code + 1]));
    if (own.length > MOST_NAMED) element.append(t("more", { n: own.length - MOST_NAMED })); // the panel has all
    const others = model.nInOthers(column);
    if (others) element.append(entry(`${t("other")} (${others.toLocaleString(document.documentElement.lang)})`, OTHER));
  }
  const missing = column.missing ?? 0;
  if (missing) element.append(entry(`${model.nameOfMissing(column)} (${missing.toLocaleString(document.documentElement.lang)})`, MISSING));
  return element;
}
