// Filters by columns: ranges of numbers, categories, parts of texts; and the legend of the colours.

import { categoryColor, css, rampColor, type Rgb } from "./colors";
import { button, h } from "./dom";
import { t } from "./i18n";
import { GROUP, type Filter, type Model } from "./model";
import type { Column } from "./types";

const MOST_CHOICES = 100;

export class Filters {
  readonly element = h("section", { class: "filters", "aria-label": t("filters") });
  private readonly shown = h("p", { class: "hint", "aria-live": "polite" });
  private readonly rows = h("div");

  constructor(private readonly model: Model) {
    model.painted.on(() => this.count());
    this.rebuild();
  }

  rebuild(): void {
    const { model } = this;
    const add = h("select", { "aria-label": t("addFilter"), on: { change: () => this.add(add.value) } });
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
      this.rows,
      add,
      h("label", { class: "check" }, hidden, t("showHidden")),
    );
    this.count();
  }

  private count(): void {
    this.shown.textContent = t("shown", { n: this.model.nVisible, total: this.model.n });
  }

  private add(name: string): void {
    const column = this.model.describe(name);
    if (!column) return;
    const set = (filter: Filter): void => void this.model.setFilter(name, filter);
    const remove = button("×", () => {
      row.remove();
      void this.model.setFilter(name, null).then(() => this.rebuild());
    }, { "aria-label": `${t("clear")} ${name}`, class: "small" });
    const row = h("fieldset", {}, h("legend", {}, name, remove), this.control(column, set));
    this.rows.append(row);
    // a filter that lets all pass, so that the column is loaded and no longer offered
    const all = column.kind === "text" ? { text: "" } : column.kind === "number" ? { low: -Infinity, high: Infinity } : allOf(column);
    void this.model.setFilter(name, all).then(() => this.rebuild());
  }

  private control(column: Column, set: (filter: Filter) => void): HTMLElement {
    if (column.kind === "number") return range(column, set);
    if (column.kind === "text") {
      const input = h("input", { type: "search", "aria-label": `${column.name} ${t("contains")}`, on: { input: () => set({ text: input.value }) } });
      return input;
    }
    const filter = allOf(column);
    return h(
      "div",
      { class: "choices" },
      ...[...column.categories!.slice(0, MOST_CHOICES).entries()].map(([i, name]) => {
        const box = h("input", {
          type: "checkbox",
          checked: true,
          on: {
            change: () => {
              if (box.checked) filter.categories.add(i);
              else filter.categories.delete(i);
              set(filter);
            },
          },
        });
        return h("label", { class: "check" }, box, name);
      }),
    );
  }
}

const allOf = (column: Column): { categories: Set<number> } => ({ categories: new Set([-1, ...column.categories!.keys()]) });

function range(column: Column, set: (filter: Filter) => void): HTMLElement {
  const number = (label: string, value: number): HTMLInputElement =>
    h("input", { type: "number", step: "any", placeholder: value.toPrecision(4), "aria-label": `${column.name} ${label}` });
  const low = number(t("from"), column.low!);
  const high = number(t("to"), column.high!);
  for (const input of [low, high]) {
    input.addEventListener("input", () => set({ low: bound(low, -Infinity), high: bound(high, Infinity) }));
  }
  return h("div", { class: "range" }, low, "–", high);
}

const bound = (input: HTMLInputElement, otherwise: number): number =>
  Number.isFinite(input.valueAsNumber) ? Math.fround(input.valueAsNumber) : otherwise; // as the values are

/** What the colours mean. */
export function legend(model: Model): HTMLElement {
  const column = model.describe(model.colorBy);
  const element = h("div", { class: "legend", role: "img", "aria-label": `${t("colorBy")} ${model.colorBy}` });
  if (!column || column.kind === "text") return element;
  if (column.kind === "number") {
    const bar = h("span", { class: "ramp" });
    bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map((share) => css(rampColor(share))).join()})`;
    element.append(h("span", { text: column.low!.toPrecision(3) }), bar, h("span", { text: column.high!.toPrecision(3) }));
    return element;
  }
  if (column.name === GROUP) return element; // the list of groups is the legend
  const entry = (name: string, color: Rgb): HTMLElement => {
    const dot = h("i");
    dot.style.background = css(color);
    return h("span", { class: "entry" }, dot, name);
  };
  element.append(...column.categories!.slice(0, 20).map((name, i) => entry(name, categoryColor(i))));
  if (column.categories!.length > 20) element.append(t("more", { n: column.categories!.length - 20 }));
  return element;
}
