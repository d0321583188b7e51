// A histogram of a numeric column; dragging, or keys on its ends, chooses a range.

import type { Column } from "../data/types";
import { t } from "../i18n/translate";
import { css, rampColor } from "../model/colors";
import type { Model } from "../model/model";
import { scaleOf, type Scale } from "../model/value-scale";
import { svg } from "../page/dom";

const BINS = 40;
const HEIGHT = 44; // in widths of a bin
const MIN_HEIGHT = 1.5; // of a bin that is not empty
const GRAB_DISTANCE = 0.03; // fraction of the width within which an end of the range is grabbed
const DIGITS = 4; // significant digits of a bound
const HANDLE_WIDTH = 0.5; // in widths of a bin
const PAGE = 5; // bins that Page Up and Page Down move an end by

interface Bounds {
  low?: number | undefined;
  high?: number | undefined;
}

export class Histogram {
  readonly element: SVGElement;
  private readonly scale: Scale;
  private readonly all: SVGElement[] = [];
  private readonly passing: SVGElement[] = [];
  private readonly selected: SVGElement[] = [];
  private readonly handles: [SVGElement, SVGElement];
  private readonly range = svg("rect", { class: "range-box", y: 0, height: HEIGHT });
  private readonly counts: Uint32Array;
  private bounds: Bounds = {};

  constructor(
    private readonly model: Model,
    private readonly column: Column,
    private readonly set: (bounds: Bounds) => void,
    colored = false,
  ) {
    this.scale = scaleOf(column);
    this.counts = this.count(null);
    const label = t("histogram", { name: column.name, low: round(column.low ?? 0), high: round(column.high ?? 0) });
    this.element = svg("svg", {
      class: colored ? "histogram colored" : "histogram",
      viewBox: `0 0 ${BINS} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "group",
      "aria-label": label,
    });
    for (let bin = 0; bin < BINS; bin++) {
      const place = { x: bin + 0.08, width: 0.84 };
      const [all, passing, selected] = ["bin", "bin passing", "bin selected"].map((kind) => svg("rect", { ...place, class: kind }));
      if (colored) passing.style.fill = css(rampColor((bin + 0.5) / BINS));
      this.all.push(all);
      this.passing.push(passing);
      this.selected.push(selected);
    }
    this.handles = [this.handle(0), this.handle(1)];
    this.element.append(...this.all, ...this.passing, ...this.selected, this.range, ...this.handles);
    this.show({});
    this.draw(this.all, this.counts);
    this.refresh();
    this.listen();
  }

  /** Count the visible images, and the selected ones, again. */
  refresh(): void {
    const { model } = this;
    this.draw(this.passing, this.count(model.visible));
    this.draw(this.selected, model.nSelected ? this.count(model.selected) : new Uint32Array(BINS));
  }

  /** Show a range. */
  show(bounds: Bounds): void {
    this.bounds = bounds;
    const [from, to] = this.ends();
    this.range.setAttribute("x", String(from * BINS));
    this.range.setAttribute("width", String(Math.max(0, to - from) * BINS));
    this.range.setAttribute("visibility", this.isChosen ? "visible" : "hidden");
    [from, to].forEach((place, end) => {
      const handle = this.handles[end];
      handle.setAttribute("x", String(place * (BINS - HANDLE_WIDTH)));
      handle.setAttribute("aria-valuenow", String(Math.round(place * BINS)));
      const value = end === 0 ? (bounds.low ?? this.column.low) : (bounds.high ?? this.column.high);
      handle.setAttribute("aria-valuetext", round(value ?? 0));
    });
  }

  /** An end of the range, which arrow keys move by a bin. */
  private handle(end: 0 | 1): SVGElement {
    const handle = svg("rect", {
      class: "handle",
      y: 0,
      width: HANDLE_WIDTH,
      height: HEIGHT,
      tabindex: 0,
      role: "slider",
      "aria-label": t(end === 0 ? "lowerEnd" : "upperEnd", { name: this.column.name }),
      "aria-valuemin": 0,
      "aria-valuemax": BINS,
    });
    handle.addEventListener("keydown", (event) => {
      const ends = this.ends();
      const bin = Math.round(ends[end] * BINS);
      const to = binAfter(bin, event.key);
      if (to === null && event.key !== "Delete") return;
      event.preventDefault();
      event.stopPropagation(); // the map has the same keys
      if (to === null) return this.choose(0, 1);
      ends[end] = clamp(to / BINS);
      if (ends[0] < ends[1]) this.choose(...ends);
    });
    return handle;
  }

  private get isChosen(): boolean {
    return this.bounds.low !== undefined || this.bounds.high !== undefined;
  }

  private ends(): [number, number] {
    const { low, high } = this.bounds;
    const place = (value: number | undefined, end: number): number =>
      value === undefined ? end : clamp(this.scale.fraction(value)) || 0;
    return [place(low, 0), place(high, 1)];
  }

  private count(flags: Uint8Array | null): Uint32Array {
    const counts = new Uint32Array(BINS);
    const values = this.model.loaded(this.column.name) as Float32Array;
    for (let row = 0; row < values.length; row++) {
      if (flags && !flags[row]) continue;
      const bin = Math.floor(this.scale.fraction(values[row]) * BINS);
      if (bin >= 0 && bin <= BINS) counts[Math.min(BINS - 1, bin)] += 1; // NaN falls in no bin
    }
    return counts;
  }

  private draw(bins: SVGElement[], counts: Uint32Array): void {
    const maxHeight = Math.sqrt(Math.max(1, ...this.counts)); // square roots keep small bins visible
    bins.forEach((bin, i) => {
      const height = counts[i] ? Math.max(MIN_HEIGHT, (HEIGHT * Math.sqrt(counts[i])) / maxHeight) : 0;
      bin.setAttribute("y", String(HEIGHT - height));
      bin.setAttribute("height", String(height));
    });
  }

  private listen(): void {
    const { element } = this;
    const at = (event: PointerEvent): number => {
      const box = element.getBoundingClientRect();
      return clamp((event.clientX - box.left) / box.width);
    };
    let fixed = 0; // the end of the range that is not dragged
    let moved: [number, number, number] | null = null; // the ends of a range that is moved, and where it was grabbed
    let isDragging = false;
    element.addEventListener("pointerdown", (event) => {
      const place = at(event);
      const [from, to] = this.ends();
      isDragging = true;
      const isInside = this.isChosen && place - from > GRAB_DISTANCE && to - place > GRAB_DISTANCE;
      moved = isInside ? [from, to, place] : null;
      fixed = Math.abs(place - from) < GRAB_DISTANCE ? to : Math.abs(place - to) < GRAB_DISTANCE ? from : place;
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (!isDragging) return;
      const place = at(event);
      if (moved) this.choose(...movedRange(...moved, place));
      else if (place !== fixed) this.choose(Math.min(place, fixed), Math.max(place, fixed));
    });
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (isDragging = false));
    element.addEventListener("dblclick", () => this.choose(0, 1));
  }

  private choose(from: number, to: number): void {
    const bound = (fraction: number): number | undefined =>
      fraction <= 0 || fraction >= 1 ? undefined : Number(this.scale.value(fraction).toPrecision(DIGITS));
    const bounds = { low: bound(from), high: bound(to) };
    this.show(bounds);
    this.set(bounds);
  }
}

const clamp = (fraction: number): number => Math.min(1, Math.max(0, fraction));

/** A range that was grabbed at one place and dragged to another, within the histogram. */
export function movedRange(from: number, to: number, grabbed: number, place: number): [number, number] {
  const by = Math.min(1 - to, Math.max(-from, place - grabbed));
  return [from + by, to + by];
}

/** The bin that a key moves an end to; null if the key has no meaning. */
export function binAfter(bin: number, key: string): number | null {
  const moves: { [key: string]: number } = {
    ArrowLeft: bin - 1,
    ArrowDown: bin - 1,
    ArrowRight: bin + 1,
    ArrowUp: bin + 1,
    PageDown: bin - PAGE,
    PageUp: bin + PAGE,
    Home: 0,
    End: BINS,
  };
  return moves[key] ?? null;
}

/** Format a number: integers in full, others with a few significant digits. */
export const round = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString(document.documentElement.lang) : value.toPrecision(DIGITS);
