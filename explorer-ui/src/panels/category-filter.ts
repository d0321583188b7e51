// The categories of a column as checkboxes, each with a bar and its number of images.

import type { Column } from "../data/types";
import { t } from "../i18n/translate";
import { byCount, GROUP, LABEL, MARK } from "../model/columns";
import { keysOf, NONE, OTHERS, passingCodes, type Filter } from "../model/filter-rules";
import type { Model } from "../model/model";
import { button, h } from "../page/dom";

/** A category: its code, its key in filters, its name and its number of images. */
interface Choice {
  code: number;
  key: string;
  name: string;
  count: number;
}

/** Categories, the largest first (groups, labels and marks in their own order), then other categories and missing values. */
function choicesOf(model: Model, column: Column): Choice[] {
  const keys = keysOf(column);
  const counts = column.counts ?? [];
  const isDerived = [GROUP, LABEL, MARK].includes(column.name);
  const codes = isDerived ? keys.map((_, code) => code) : byCount(column);
  const found = codes.map((code) => ({ code, key: keys[code], name: column.categories![code], count: counts[code] ?? 0 }));
  if (column.other) found.push({ code: keys.length, key: OTHERS, name: t("other"), count: column.other });
  if (column.missing) found.push({ code: -1, key: NONE, name: model.nameOfMissing(column), count: column.missing });
  return found;
}

/** A bar filled to a fraction of its length. */
export function bar(fraction: number, color = ""): HTMLElement {
  const length = h("i");
  length.style.width = `${100 * Math.min(1, fraction)}%`;
  length.style.background = color;
  return h("span", { class: "measure", "aria-hidden": "true" }, length);
}

export class CategoryFilter {
  readonly element: HTMLElement;
  private readonly boxes = new Map<string, HTMLInputElement>();
  private readonly excluded: Set<string>;

  constructor(
    model: Model,
    private readonly column: Column,
    filter: { without: string[] } | { only: string[] },
    private readonly set: (filter: Filter) => void,
  ) {
    const passes = passingCodes(filter, column);
    const choices = choicesOf(model, column);
    this.excluded = new Set("without" in filter ? filter.without : []);
    for (const { code, key } of choices) if (!passes[code + 1]) this.excluded.add(key);
    const maxCount = Math.max(1, ...choices.map(({ count }) => count));
    const allButton = (on: boolean, label: string): HTMLElement =>
      button(on ? t("tickAll") : t("tickNone"), () => this.setAll(on), { class: "small", "aria-label": label });
    this.element = h(
      "div",
      {},
      h("div", { class: "buttons" }, allButton(true, t("tickAllOf", { name: column.name })), allButton(false, t("tickNoneOf", { name: column.name }))),
      h("div", { class: "choices" }, ...choices.map((one) => this.choice(one, maxCount))),
    );
  }

  private choice({ key, name, count }: Choice, maxCount: number): HTMLElement {
    const change = (): void => {
      if (box.checked) this.excluded.delete(key);
      else this.excluded.add(key);
      this.apply();
    };
    const box = h("input", { type: "checkbox", checked: !this.excluded.has(key), on: { change } });
    this.boxes.set(key, box);
    const size = h("span", { class: "size", text: count.toLocaleString(document.documentElement.lang) });
    const kind = key === NONE || key === OTHERS ? "name quiet" : "name";
    return h("label", { class: "choice", "data-key": key }, box, h("span", { class: kind, text: name, title: name }), bar(count / maxCount), size);
  }

  private setAll(on: boolean): void {
    this.excluded.clear();
    if (!on) for (const key of [...keysOf(this.column), OTHERS, NONE]) this.excluded.add(key);
    for (const box of this.boxes.values()) box.checked = on;
    this.apply();
  }

  private apply(): void {
    this.set({ without: [...this.excluded] });
  }
}
