// The filters by columns: ranges of numbers, categories, and parts of texts.

import type { Column } from "../data/types";
import { t } from "../i18n/translate";
import { passesMissing, type Filter, type Range } from "../model/filter-rules";
import type { Model } from "../model/model";
import { deferWhileTyping, button, h } from "../page/dom";
import { CategoryFilter } from "./category-filter";
import { Histogram, round } from "./histogram";

const MAX_SEARCH_RESULTS = 10_000; // limit of the server

export class Filters {
  readonly element = h("section", { class: "filters", "aria-label": t("filters") });
  /** Message over the map when no image is visible. */
  readonly emptyMessage: HTMLElement;
  private readonly shown = h("p", { class: "hint", "aria-live": "polite" });
  private readonly select: HTMLButtonElement;
  private readonly clear: HTMLButtonElement;
  private readonly searchResult = h("div", { class: "sought" });
  /** The histograms and bars of the columns that are filtered. */
  private charts: { refresh(): void }[] = [];
  /** Signature of the filters that the panel shows. */
  private rendered = "";

  constructor(
    private readonly model: Model,
    private readonly clearSearch: () => void,
  ) {
    this.select = button("", () => model.select(model.visibleRows()), { class: "small select-shown" });
    this.clear = button(t("clearAll"), () => this.clearAll(), { class: "small clear-all" });
    const again = button(t("clearAll"), () => this.clearAll(), { class: "clear-nothing" });
    this.emptyMessage = h("div", { class: "nothing", role: "status", hidden: true }, h("p", { text: t("nothingMatches") }), again);
    model.filterChanged.on(() => this.update());
    model.selectionChanged.on(() => {
      for (const one of this.charts) one.refresh();
    });
    this.rebuild();
  }

  /** Show the current columns and categories. */
  refresh(): void {
    if (!deferWhileTyping(this.element, () => this.rebuild())) this.rebuild();
  }

  rebuild(): void {
    const { model } = this;
    this.rendered = this.signature();
    this.charts = [];
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
    const faint = h("input", { type: "checkbox", class: "faint", checked: model.showFaint, on: { change: () => model.keepFaint(faint.checked) } });
    this.element.replaceChildren(
      h("h2", { text: t("filters") }),
      this.shown,
      h("div", { class: "buttons" }, this.select, this.clear),
      this.searchResult,
      h("div", {}, ...[...model.filters].map(([name, filter]) => this.row(name, filter))),
      add,
      h("label", { class: "check" }, hidden, t("showHidden")),
      h("label", { class: "check" }, faint, t("keepFaint")),
    );
    this.updateCounts();
  }

  private clearAll(): void {
    this.clearSearch();
    void this.model.setFilters({});
  }

  private signature(changed: [string, Filter] | null = null): string {
    const { model } = this;
    return JSON.stringify([...model.filters].map(([name, one]) => [name, changed?.[0] === name ? changed[1] : one, model.loaded(name) !== null]));
  }

  /** Update after a filter has changed, here or elsewhere. */
  private update(): void {
    if (this.signature() !== this.rendered) this.refresh();
    else this.updateCounts();
    for (const one of this.charts) one.refresh();
  }

  private updateCounts(): void {
    const { model } = this;
    const { nPresent, nVisible, searchResult } = model;
    this.shown.textContent = t("shown", { n: nVisible, total: nPresent });
    this.select.textContent = t("selectShown", { n: nVisible });
    this.select.disabled = nVisible === 0;
    this.clear.disabled = !model.isFiltered;
    this.emptyMessage.hidden = nVisible > 0 || !model.isFiltered;
    this.searchResult.replaceChildren(
      ...(searchResult
        ? [
            h("span", { text: t(searchResult.n < MAX_SEARCH_RESULTS ? "searchFor" : "searchMost", searchResult) }),
            button("×", this.clearSearch, { "aria-label": t("clearSearch"), class: "small" }),
          ]
        : []),
    );
  }

  /** Add a filter that passes all images, so that the column is loaded. */
  private async add(name: string): Promise<void> {
    const column = this.model.describe(name);
    if (!column) return;
    const all: Filter = column.kind === "text" ? { text: "" } : column.kind === "number" ? {} : { without: [] };
    await this.model.setFilter(name, all);
    if (this.signature() !== this.rendered) this.rebuild(); // requested by the user: do not wait for a field to lose the focus
  }

  private row(name: string, filter: Filter): HTMLElement | null {
    const { model } = this;
    const column = model.describe(name);
    if (!column || !model.loaded(name)) return null;
    const set = (changed: Filter): void => {
      this.rendered = this.signature([name, changed]);
      void model.setFilter(name, changed);
    };
    const remove = button("×", () => void model.setFilter(name, null), { "aria-label": t("removeFilter", { name }), class: "small" });
    return h("fieldset", {}, h("legend", {}, name, remove), this.control(column, filter, set));
  }

  private control(column: Column, filter: Filter, set: (filter: Filter) => void): HTMLElement {
    if ("text" in filter) {
      const label = `${column.name} ${t("contains")}`;
      const input = h("input", { type: "search", "aria-label": label, value: filter.text, on: { input: () => set({ text: input.value }) } });
      return input;
    }
    if ("without" in filter || "only" in filter) {
      const categories = new CategoryFilter(this.model, column, filter, set);
      this.charts.push(categories);
      return categories.element;
    }
    return this.range(column, filter, set);
  }

  private range(column: Column, filter: Range, set: (filter: Filter) => void): HTMLElement {
    const { model } = this;
    const missing = column.missing ?? 0;
    if (missing === (model.facts.nImages ?? model.n)) return h("p", { class: "hint", text: t("noValues") });
    let now = filter;
    const number = (label: string, value: number | undefined, bound: number): HTMLInputElement =>
      h("input", { type: "number", step: "any", value, placeholder: round(bound), "aria-label": `${column.name} ${label}` });
    const low = number(t("minimum"), filter.low, column.low!);
    const high = number(t("maximum"), filter.high, column.high!);
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
    this.charts.push(histogram);
    return h(
      "div",
      {},
      histogram.element,
      h("div", { class: "range" }, low, "–", high),
      missing ? h("label", { class: "check" }, without, t("nMissing", { n: missing })) : null,
    );
  }
}
