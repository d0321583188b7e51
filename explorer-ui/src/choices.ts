// The categories of a column as boxes to tick, each with a bar and its number of images.

import { button, h } from "./dom";
import { t } from "./i18n";
import { byCount, GROUP, keysOf, LABEL, MARK, NONE, OTHERS, passingCodes, type Filter, type Model } from "./model";
import type { Column } from "./types";

/** What can be ticked: its code, what stands for it in filters, its name and its number of images. */
export interface Choice {
  code: number;
  key: string;
  name: string;
  count: number;
}

/** The largest first; groups, labels and marks in their own order; then the others and those without a value. */
export function choicesOf(model: Model, column: Column): Choice[] {
  const keys = keysOf(column);
  const counts = column.counts ?? [];
  const own = [GROUP, LABEL, MARK].includes(column.name);
  const codes = own ? keys.map((_, code) => code) : byCount(column);
  const found = codes.map((code) => ({ code, key: keys[code], name: column.categories![code], count: counts[code] ?? 0 }));
  if (column.other) found.push({ code: keys.length, key: OTHERS, name: t("other"), count: column.other });
  if (column.missing) found.push({ code: -1, key: NONE, name: model.nameOfMissing(column), count: column.missing });
  return found;
}

/** A bar whose length is a fraction of the room there is. */
export function bar(fraction: number, color = ""): HTMLElement {
  const length = h("i");
  length.style.width = `${100 * Math.min(1, fraction)}%`;
  length.style.background = color;
  return h("span", { class: "measure", "aria-hidden": "true" }, length);
}

export class Choices {
  readonly element: HTMLElement;
  private readonly boxes = new Map<string, HTMLInputElement>();
  private readonly left: Set<string>;

  constructor(
    model: Model,
    private readonly column: Column,
    filter: { without: string[] } | { only: string[] },
    private readonly set: (filter: Filter) => void,
  ) {
    const passes = passingCodes(filter, column);
    const choices = choicesOf(model, column);
    this.left = new Set("without" in filter ? filter.without : []);
    for (const { code, key } of choices) if (!passes[code + 1]) this.left.add(key);
    const most = Math.max(1, ...choices.map(({ count }) => count));
    const every = (on: boolean, label: string): HTMLElement =>
      button(on ? t("tickAll") : t("tickNone"), () => this.every(on), { class: "small", "aria-label": label });
    this.element = h(
      "div",
      {},
      h("div", { class: "buttons" }, every(true, t("tickAllOf", { name: column.name })), every(false, t("tickNoneOf", { name: column.name }))),
      h("div", { class: "choices" }, ...choices.map((one) => this.choice(one, most))),
    );
  }

  private choice({ key, name, count }: Choice, most: number): HTMLElement {
    const change = (): void => {
      if (box.checked) this.left.delete(key);
      else this.left.add(key);
      this.tell();
    };
    const box = h("input", { type: "checkbox", checked: !this.left.has(key), on: { change } });
    this.boxes.set(key, box);
    const size = h("span", { class: "size", text: count.toLocaleString(document.documentElement.lang) });
    const kind = key === NONE || key === OTHERS ? "name quiet" : "name";
    return h("label", { class: "choice", "data-key": key }, box, h("span", { class: kind, text: name, title: name }), bar(count / most), size);
  }

  private every(on: boolean): void {
    this.left.clear();
    if (!on) for (const key of [...keysOf(this.column), OTHERS, NONE]) this.left.add(key);
    for (const box of this.boxes.values()) box.checked = on;
    this.tell();
  }

  private tell(): void {
    this.set({ without: [...this.left] });
  }
}
