// Filters by columns: ranges of numbers, categories, parts of texts; and the legend of the colours.

import { categoryColor, css, rampColor, type Rgb } from "./colors";
import { afterTyping, button, h } from "./dom";
import { t } from "./i18n";
import { GROUP, keysOf, NONE, type Filter, type Model } from "./model";
import type { Column } from "./types";

const MOST_CHOICES = 100;

export class Filters {
  readonly element = h("section", { class: "filters", "aria-label": t("filters") });
  private readonly shown = h("p", { class: "hint", "aria-live": "polite" });

  constructor(private readonly model: Model) {
    model.painted.on(() => this.count());
    this.rebuild();
  }

  /** Show columns and categories as they are now. */
  refresh(): void {
    if (!afterTyping(this.element, () => this.rebuild())) this.rebuild();
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
      h("div", {}, ...[...model.filters].map(([name, filter]) => this.row(name, filter))),
      add,
      h("label", { class: "check" }, hidden, t("showHidden")),
    );
    this.count();
  }

  private count(): void {
    this.shown.textContent = t("shown", { n: this.model.nVisible, total: this.model.n });
  }

  /** A filter that lets all pass, so that the column is loaded and no longer offered. */
  private add(name: string): void {
    const column = this.model.describe(name);
    if (!column) return;
    const all: Filter = column.kind === "text" ? { text: "" } : column.kind === "number" ? {} : { without: [] };
    void this.model.setFilter(name, all).then(() => this.rebuild());
  }

  private row(name: string, filter: Filter): HTMLElement | null {
    const column = this.model.describe(name);
    if (!column) return null;
    const set = (changed: Filter): void => void this.model.setFilter(name, changed);
    const drop = (): void => void this.model.setFilter(name, null).then(() => this.rebuild());
    const remove = button("×", drop, { "aria-label": `${t("clear")} ${name}`, class: "small" });
    return h("fieldset", {}, h("legend", {}, name, remove), this.control(column, filter, set));
  }

  private control(column: Column, filter: Filter, set: (filter: Filter) => void): HTMLElement {
    if ("text" in filter) {
      const label = `${column.name} ${t("contains")}`;
      const input = h("input", { type: "search", "aria-label": label, value: filter.text, on: { input: () => set({ text: input.value }) } });
      return input;
    }
    return "without" in filter ? choices(column, filter.without, set) : range(column, filter, set);
  }
}

function choices(column: Column, without: string[], set: (filter: Filter) => void): HTMLElement {
  const left = new Set(without);
  const boxes = new Map<string, HTMLInputElement>();
  const tell = (): void => set({ without: [...left] });
  const one = (key: string, name: string): HTMLElement => {
    const change = (): void => {
      if (box.checked) left.delete(key);
      else left.add(key);
      tell();
    };
    const box = h("input", { type: "checkbox", checked: !left.has(key), on: { change } });
    boxes.set(key, box);
    return h("label", { class: "check" }, box, name);
  };
  const keys = keysOf(column);
  const every = (on: boolean): void => {
    for (const key of [...keys, NONE]) {
      if (on) left.delete(key);
      else left.add(key);
    }
    for (const box of boxes.values()) box.checked = on;
    tell();
  };
  return h(
    "div",
    {},
    h(
      "div",
      { class: "buttons" },
      button(t("tickAll"), () => every(true), { class: "small" }),
      button(t("tickNone"), () => every(false), { class: "small" }),
    ),
    h(
      "div",
      { class: "choices" },
      ...keys.slice(0, MOST_CHOICES).map((key, i) => one(key, column.categories![i])),
      one(NONE, t("without")),
    ),
  );
}

function range(column: Column, filter: { low?: number | undefined; high?: number | undefined }, set: (filter: Filter) => void): HTMLElement {
  const number = (label: string, value: number | undefined, bound: number): HTMLInputElement =>
    h("input", { type: "number", step: "any", value, placeholder: bound.toPrecision(4), "aria-label": `${column.name} ${label}` });
  const low = number(t("from"), filter.low, column.low!);
  const high = number(t("to"), filter.high, column.high!);
  const given = (input: HTMLInputElement): number | undefined => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : undefined);
  for (const input of [low, high]) input.addEventListener("input", () => set({ low: given(low), high: given(high) }));
  return h("div", { class: "range" }, low, "–", high);
}

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
