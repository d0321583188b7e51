// The categories of a column as checkboxes, each with a bar and its number of images; dragging over bars keeps those alone.

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
  private readonly choices: Choice[];
  /** The bar and the number of each choice. */
  private readonly shown: { bar: HTMLElement; size: HTMLElement }[] = [];
  private readonly maxCount: number;
  private readonly list: HTMLElement;
  /** The choice at which a drag, or a range of keys, begins. */
  private anchor = -1;

  constructor(
    private readonly model: Model,
    private readonly column: Column,
    filter: { without: string[] } | { only: string[] },
    private readonly set: (filter: Filter) => void,
  ) {
    const passes = passingCodes(filter, column);
    this.choices = choicesOf(model, column);
    this.excluded = new Set("without" in filter ? filter.without : []);
    for (const { code, key } of this.choices) if (!passes[code + 1]) this.excluded.add(key);
    this.maxCount = Math.max(1, ...this.choices.map(({ count }) => count));
    this.list = h("div", { class: "choices" }, ...this.choices.map((one, at) => this.choice(one, at)));
    const allButton = (on: boolean, label: string): HTMLElement =>
      button(on ? t("tickAll") : t("tickNone"), () => this.setAll(on), { class: "small", "aria-label": label });
    this.element = h(
      "div",
      {},
      h("div", { class: "buttons" }, allButton(true, t("tickAllOf", { name: column.name })), allButton(false, t("tickNoneOf", { name: column.name }))),
      this.list,
    );
    this.listen();
    this.refresh();
  }

  /** Count the visible images of each category again. */
  refresh(): void {
    const { model, column, choices } = this;
    const values = model.loaded(column.name);
    if (!values) return;
    const m = column.categories!.length;
    const counts = new Uint32Array(m + 2); // codes begin at -1
    for (let row = 0; row < model.n; row++) if (model.visible[row]) counts[Math.min(m, values[row] as number) + 1] += 1;
    const lang = document.documentElement.lang;
    choices.forEach(({ code, count }, at) => {
      const { bar: shown, size } = this.shown[at];
      const n = counts[code + 1];
      (shown.firstElementChild as HTMLElement).style.width = `${(100 * n) / this.maxCount}%`;
      size.textContent = count.toLocaleString(lang);
      size.title = t("shown", { n, total: count });
    });
  }

  private choice({ key, name, count }: Choice, at: number): HTMLElement {
    const change = (): void => {
      if (box.checked) this.excluded.delete(key);
      else this.excluded.add(key);
      this.apply();
    };
    const box = h("input", { type: "checkbox", checked: !this.excluded.has(key), on: { change } });
    this.boxes.set(key, box);
    const size = h("span", { class: "size" });
    const measure = h("span", { class: "measure brushed", "aria-hidden": "true", title: t("brushHint") }, h("i"), h("b"));
    (measure.lastElementChild as HTMLElement).style.width = `${(100 * count) / this.maxCount}%`;
    this.shown.push({ bar: measure, size });
    const kind = key === NONE || key === OTHERS ? "name quiet" : "name";
    return h("label", { class: "choice", "data-key": key, "data-at": at }, box, h("span", { class: kind, text: name, title: name }), measure, size);
  }

  private listen(): void {
    const { list } = this;
    const choiceAt = (x: number, y: number): number => Number(document.elementFromPoint(x, y)?.closest<HTMLElement>(".choice")?.dataset.at ?? -1);
    const isOnBar = (event: Event): boolean => event.target instanceof Element && event.target.closest(".measure") !== null;
    let last = -1;
    list.addEventListener("pointerdown", (event) => {
      if (!isOnBar(event)) return;
      event.preventDefault();
      list.setPointerCapture(event.pointerId);
      this.anchor = last = choiceAt(event.clientX, event.clientY);
      this.keepRange(last);
    });
    list.addEventListener("pointermove", (event) => {
      if (!list.hasPointerCapture(event.pointerId)) return;
      const at = choiceAt(event.clientX, event.clientY);
      if (at < 0 || at === last) return;
      last = at;
      this.keepRange(at);
    });
    list.addEventListener("click", (event) => isOnBar(event) && event.preventDefault()); // not a tick
    list.addEventListener("keydown", (event) => this.key(event));
  }

  /** Arrow keys move, with Shift they keep a range of categories alone; Enter keeps one. */
  private key(event: KeyboardEvent): void {
    const at = Number((event.target as Element).closest<HTMLElement>(".choice")?.dataset.at ?? -1);
    const by = { ArrowDown: 1, ArrowUp: -1, Enter: 0 }[event.key];
    if (at < 0 || by === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // the map has the same keys
    if (this.anchor < 0) this.anchor = at;
    const to = Math.max(0, Math.min(this.choices.length - 1, at + by));
    this.boxes.get(this.choices[to].key)!.focus();
    if (!event.shiftKey) this.anchor = to;
    if (event.shiftKey || by === 0) this.keepRange(to);
  }

  /** Keep the categories from the anchor to another one alone. */
  private keepRange(to: number): void {
    const [first, last] = [Math.min(this.anchor, to), Math.max(this.anchor, to)];
    this.setAll(false, this.choices.slice(first, last + 1).map(({ key }) => key));
  }

  /** Tick all categories or none, except some. */
  private setAll(on: boolean, others: string[] = []): void {
    this.excluded.clear();
    if (!on) for (const key of [...keysOf(this.column), OTHERS, NONE]) if (!others.includes(key)) this.excluded.add(key);
    for (const [key, box] of this.boxes) box.checked = on !== others.includes(key);
    this.apply();
  }

  private apply(): void {
    this.set({ without: [...this.excluded] });
  }
}
