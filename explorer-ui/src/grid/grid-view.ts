// The cells of the grid. Only those in view are elements of the page, and the one that has the focus.

import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { h } from "../page/dom";
import { lazyThumbnail } from "../panels/thumbnails";
import { GridLines, type Section } from "./grid-lines";
import { PictureQueue } from "./picture-queue";
import { VirtualScroll } from "./virtual-scroll";

const BORDER = 3; // pixels around a picture
const GAP = 2; // pixels between cells
const MIN_SIDE = 24; // pixels, for clicking
const CAPTION = 15; // height of a value below a picture
const HEADING = 26; // height of a heading
const MARGIN = 200; // pixels above and below the view in which cells are made
const SETTLE_DELAY = 150; // milliseconds without scrolling until the scroll bar of a very long list is corrected
const MAX_OFFSET = 1_000_000; // pixels from the origin of the layer, beyond which positions are inexact
const LONG_PRESS = 450; // milliseconds
const MAX_PRESS_MOVE = 10; // pixels that a finger moves in a long press

/** The longer side of the pictures, and the number of values below them. */
export interface GridLook {
  side: number;
  nCaptions: number;
}

interface GridActions {
  /** The pointer or the focus is at an image; -1 if at none. */
  point(row: number): void;
  /** An image was clicked. */
  inspect(row: number): void;
  /** The focus has moved to an image. */
  rest(row: number): void;
  open(row: number): void;
  /** A key that the grid itself has no use for; returns whether it was used. */
  press(key: string, row: number): boolean;
  /** The values below a picture, and all that is said about an image. */
  captionsOf(row: number): string[];
  describe(row: number): string;
}

export class GridView {
  readonly element = h("div", { class: "grid-scroll", role: "listbox", "aria-multiselectable": "true", "aria-label": t("grid") });
  rows = new Int32Array(0);
  /** The cell that has the tab stop. */
  active = 0;
  private readonly canvas = h("div", { class: "grid-canvas" });
  private readonly layer = h("div", { class: "grid-layer" });
  private readonly cells = new Map<number, HTMLElement>();
  private readonly headings = new Map<number, HTMLElement>();
  private readonly scroll = new VirtualScroll();
  private readonly pictures = new PictureQueue();
  private lines = new GridLines([], 1, 1, 1, 0);
  private sections: Section[] = [];
  /** Top of the layer in the list. */
  private origin = 0;
  private settling = 0;
  /** Whether the cell that had the focus was removed, and is made again. */
  private hadFocus = false;
  private isRefocusing = false;
  private look: GridLook = { side: 64, nCaptions: 0 };
  /** The cell from which a range is selected. */
  private anchor = 0;

  constructor(
    private readonly model: Model,
    private readonly actions: GridActions,
  ) {
    this.canvas.append(this.layer);
    this.element.append(this.canvas);
    this.element.addEventListener("scroll", () => this.followScroll());
    new ResizeObserver(() => this.layOut()).observe(this.element);
    this.listen();
  }

  /** Show rows, in sections; at the start of the list unless `staysThere`. The same image stays the active one. */
  show(rows: Int32Array<ArrayBuffer>, sections: Section[], look: GridLook, staysThere: boolean): void {
    const row = this.activeRow;
    this.hadFocus ||= this.hasFocus;
    this.rows = rows;
    this.sections = sections;
    this.look = look;
    const found = rows.indexOf(row);
    if (found >= 0 && (staysThere || this.hadFocus)) this.active = found;
    else this.active = staysThere ? Math.max(0, Math.min(rows.length - 1, this.active)) : 0;
    this.anchor = this.active;
    if (!staysThere) this.scroll.moveTo(0);
    this.layOut();
  }

  /** Change the look; the first image in view stays there. */
  setLook(look: GridLook): void {
    const top = this.lines.between(this.scroll.top, this.scroll.top).from;
    this.look = look;
    this.layOut(top);
  }

  get activeRow(): number {
    return this.rows[this.active] ?? -1;
  }

  private get hasFocus(): boolean {
    return this.cells.get(this.active)?.contains(document.activeElement) ?? false;
  }

  focus(): void {
    this.scrollTo(this.active);
    this.cells.get(this.active)?.focus({ preventScroll: true });
  }

  /** Make an image the active one and scroll to it, if it is in the grid. */
  reveal(row: number): void {
    const cell = this.rows.indexOf(row);
    if (cell < 0) return;
    this.activate(cell);
    this.scrollTo(cell);
  }

  /** Go to the next image, if there is one. */
  next(): void {
    if (this.active + 1 < this.rows.length) this.goTo(this.active + 1);
  }

  /** Show which images are selected and inspected. */
  mark(inspected: number): void {
    for (const [cell, element] of this.cells) {
      const row = this.rows[cell];
      element.setAttribute("aria-selected", String(this.model.selected[row] === 1));
      element.classList.toggle("inspected", row === inspected);
    }
  }

  /** Width and height of a cell. */
  private get frame(): [number, number] {
    const [height, width] = this.model.facts.imageShape;
    const scale = this.look.side / Math.max(height, width);
    const [frameWidth, frameHeight] = [width, height].map((one) => Math.max(MIN_SIDE, Math.ceil(scale * one)) + 2 * BORDER);
    return [frameWidth, frameHeight + this.look.nCaptions * CAPTION];
  }

  /** Make all cells in view again; at a cell, or at the same height. */
  layOut(topCell = -1): void {
    const { element } = this;
    this.clear();
    if (!element.clientHeight) return; // not on the page
    const [width, height] = this.frame;
    const nColumns = Math.max(1, Math.floor((element.clientWidth + GAP) / (width + GAP)));
    this.lines = new GridLines(this.sections, nColumns, height + GAP, width + GAP, this.sections[0]?.title ? HEADING : 0);
    this.scroll.resize(this.lines.height, element.clientHeight);
    if (topCell > 0 && topCell < this.rows.length) this.scroll.moveTo(this.lines.placeOf(topCell)[1]);
    this.canvas.style.height = `${this.scroll.height}px`;
    this.settle();
  }

  private clear(): void {
    this.hadFocus ||= this.hasFocus;
    for (const element of [...this.cells.values(), ...this.headings.values()]) element.remove();
    this.cells.clear();
    this.headings.clear();
    this.origin = this.scroll.top;
  }

  private scrollTo(cell: number): void {
    if (!this.rows.length || !this.element.clientHeight) return;
    const top = this.lines.placeOf(cell)[1];
    const { scroll, element } = this;
    const heading = this.lines.headingHeight;
    const bottom = top + this.frame[1];
    if (top - heading < scroll.top) scroll.moveTo(top - heading);
    else if (bottom > scroll.top + element.clientHeight) scroll.moveTo(bottom - element.clientHeight);
    else return this.fill();
    this.settle();
  }

  private followScroll(): void {
    this.scroll.scrolled(this.element.scrollTop);
    this.fill();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.settle(), SETTLE_DELAY);
  }

  /** Put the scroll bar where the present top is. */
  private settle(): void {
    const { element, scroll } = this;
    if (Math.abs(element.scrollTop - scroll.place) >= 1) element.scrollTop = scroll.place;
    scroll.placed(element.scrollTop);
    this.fill();
  }

  /** Make the cells in view, and remove the others. */
  private fill(): void {
    const { element, scroll, lines, cells } = this;
    if (!element.clientHeight) return;
    if (Math.abs(scroll.top - this.origin) > MAX_OFFSET) this.clear();
    this.layer.style.transform = `translateY(${element.scrollTop - scroll.top + this.origin}px)`;
    const { from, to, headings } = lines.between(scroll.top - MARGIN, scroll.top + element.clientHeight + MARGIN);
    for (const [cell, made] of cells) {
      if ((cell >= from && cell < to) || cell === this.active) continue;
      made.remove();
      cells.delete(cell);
    }
    for (const [number, made] of this.headings) {
      if (headings.includes(number)) continue;
      made.remove();
      this.headings.delete(number);
    }
    for (const number of headings) if (!this.headings.has(number)) this.makeHeading(number);
    this.makeCells(from, to);
    this.placeActive(from, to);
  }

  /** Keep the active cell near the others if it is far from them: positions have a limit, and Tab leads to it. */
  private placeActive(from: number, to: number): void {
    const element = this.cells.get(this.active);
    if (!element) return;
    const { scroll } = this;
    let top = this.lines.placeOf(this.active)[1];
    if (this.active < from) top = scroll.top - MARGIN - this.frame[1];
    else if (this.active >= to) top = scroll.top + this.element.clientHeight + MARGIN;
    element.style.top = `${top - this.origin}px`;
  }

  /** Make the cells of a range, in the order of the list, so that readers of the page follow it. */
  private makeCells(from: number, to: number): void {
    const wanted = Array.from({ length: to - from }, (_, i) => from + i);
    if (this.active < from && this.rows.length) wanted.unshift(this.active);
    else if (this.active >= to && this.active < this.rows.length) wanted.push(this.active);
    const made: [HTMLElement, () => Promise<unknown>][] = [];
    let before: ChildNode | null = null;
    for (const cell of wanted) {
      let element = this.cells.get(cell);
      if (!element) {
        const [created, load] = this.makeCell(cell);
        made.push([created, load]);
        this.cells.set(cell, created);
        this.layer.insertBefore(created, before ? before.nextSibling : this.layer.firstChild);
        element = created;
      }
      before = element;
    }
    if (this.hadFocus) this.refocus();
    for (const [element, load] of made.reverse()) this.pictures.add(element, load);
  }

  /** Give the focus back to the active cell, without scrolling to it. */
  private refocus(): void {
    this.hadFocus = false;
    this.isRefocusing = true;
    this.cells.get(this.active)?.focus({ preventScroll: true });
    this.isRefocusing = false;
  }

  private makeCell(cell: number): [HTMLElement, () => Promise<unknown>] {
    const { model } = this;
    const row = this.rows[cell];
    const id = model.points.id[row];
    const { element: picture, load } = lazyThumbnail(model, id, this.look.side);
    const captions = this.actions.captionsOf(row);
    const name = this.actions.describe(row);
    const element = h(
      "div",
      {
        class: "cell",
        role: "option",
        "data-image": id,
        "data-cell": cell,
        title: name,
        "aria-label": name,
        "aria-setsize": this.rows.length,
        "aria-posinset": cell + 1,
        "aria-selected": String(model.selected[row] === 1),
        tabindex: cell === this.active ? 0 : -1,
      },
      h("span", { class: "cell-picture" }, picture),
      ...captions.map((text) => h("small", { text })),
    );
    const [left, top] = this.lines.placeOf(cell);
    const [width, height] = this.frame;
    Object.assign(element.style, { left: `${left}px`, top: `${top - this.origin}px`, width: `${width}px`, height: `${height}px` });
    return [element, load];
  }

  private makeHeading(number: number): void {
    const { title, start, end } = this.lines.sections[number];
    const size = (end - start).toLocaleString(document.documentElement.lang);
    const element = h("div", { class: "grid-heading", "aria-hidden": "true" }, h("span", { text: title }), h("span", { class: "size", text: size }));
    element.style.top = `${this.lines.topOfSection(number) - this.origin}px`;
    this.layer.append(element);
    this.headings.set(number, element);
  }

  // ------------------------------------------------------------ pointer and keys

  private listen(): void {
    const { element, actions } = this;
    element.addEventListener("click", (event) => this.click(event));
    element.addEventListener("dblclick", (event) => {
      const cell = cellOf(event.target);
      if (cell >= 0) actions.open(this.rows[cell]);
    });
    element.addEventListener("pointerover", (event) => {
      const cell = cellOf(event.target);
      if (event.pointerType !== "touch") actions.point(cell < 0 ? -1 : this.rows[cell]);
    });
    element.addEventListener("pointerleave", () => actions.point(-1));
    element.addEventListener("focusin", (event) => {
      if (!this.isRefocusing && cellOf(event.target) === this.active) this.scrollTo(this.active); // as by Tab
    });
    element.addEventListener("focusout", () => actions.point(-1));
    element.addEventListener("keydown", (event) => this.key(event));
    this.listenForLongPress();
  }

  /** A long press adds an image to the selection, or removes it. */
  private listenForLongPress(): void {
    let timer = 0;
    let start: [number, number] = [0, 0];
    const cancel = (): void => clearTimeout(timer);
    this.element.addEventListener("pointerdown", (event) => {
      cancel();
      const cell = cellOf(event.target);
      if (event.pointerType !== "touch" || cell < 0) return;
      start = [event.clientX, event.clientY];
      timer = setTimeout(() => {
        this.toggle(cell);
        this.element.addEventListener("click", (click) => click.stopImmediatePropagation(), { once: true, capture: true });
      }, LONG_PRESS);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (Math.hypot(event.clientX - start[0], event.clientY - start[1]) > MAX_PRESS_MOVE) cancel();
    });
    for (const end of ["pointerup", "pointercancel"]) this.element.addEventListener(end, cancel);
    this.element.addEventListener("contextmenu", (event) => (event as PointerEvent).pointerType === "touch" && event.preventDefault());
  }

  private click(event: MouseEvent): void {
    const cell = cellOf(event.target);
    if (cell < 0) return;
    if (event.shiftKey) this.selectRange(cell);
    else if (event.ctrlKey || event.metaKey) this.toggle(cell);
    else this.actions.inspect(this.rows[cell]);
    if (!event.shiftKey) this.anchor = cell;
    this.activate(cell);
    this.cells.get(cell)?.focus({ preventScroll: true });
  }

  private selectRange(cell: number): void {
    const [first, last] = [Math.min(this.anchor, cell), Math.max(this.anchor, cell)];
    this.model.select(this.rows.subarray(first, last + 1), true);
  }

  private toggle(cell: number): void {
    const { model } = this;
    const row = this.rows[cell];
    const rows = model.selectedRows();
    model.select(model.selected[row] ? rows.filter((one) => one !== row) : [...rows, row]);
  }

  private activate(cell: number): void {
    this.cells.get(this.active)?.setAttribute("tabindex", "-1");
    this.active = cell;
    this.cells.get(cell)?.setAttribute("tabindex", "0");
  }

  /** Move the focus to a cell. */
  private goTo(cell: number): void {
    this.activate(cell);
    this.focus();
    this.actions.point(this.rows[cell]);
    this.actions.rest(this.rows[cell]);
  }

  private key(event: KeyboardEvent): void {
    if (!this.rows.length || event.altKey) return;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!this.act(key, control, event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation(); // the map has keys of its own
  }

  private act(key: string, control: boolean, shift: boolean): boolean {
    const { lines, model } = this;
    if (control) {
      if (key !== "a") return false;
      model.select(this.rows);
      return true;
    }
    const linesOfPage = Math.max(1, Math.floor(this.element.clientHeight / this.frame[1]));
    if (MOVES.has(key)) {
      const to = lines.step(this.active, key, linesOfPage);
      if (shift) this.selectRange(to);
      else this.anchor = to;
      this.goTo(to);
    } else if (key === " ") this.toggle(this.active);
    else if (key === "Enter") this.actions.open(this.activeRow);
    else return this.actions.press(key, this.activeRow);
    return true;
  }
}

const MOVES = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

/** Number of the cell that an element is in; -1 if it is in none. */
function cellOf(target: EventTarget | null): number {
  const cell = target instanceof Element ? target.closest<HTMLElement>(".cell") : null;
  return cell ? Number(cell.dataset.cell) : -1;
}
