// A histogram of a numeric column; dragging selects a range.

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

interface Bounds {
  low?: number | undefined;
  high?: number | undefined;
}

export class Histogram {
  readonly element: SVGElement;
  private readonly scale: Scale;
  private readonly all: SVGElement[] = [];
  private readonly passing: SVGElement[] = [];
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
      role: "img",
      "aria-label": label,
    });
    for (let bin = 0; bin < BINS; bin++) {
      const place = { x: bin + 0.08, width: 0.84 };
      const [all, passing] = [svg("rect", { ...place, class: "bin" }), svg("rect", { ...place, class: "bin passing" })];
      if (colored) passing.style.fill = css(rampColor((bin + 0.5) / BINS));
      this.all.push(all);
      this.passing.push(passing);
    }
    this.element.append(...this.all, ...this.passing, this.range);
    this.draw(this.all, this.counts);
    this.refresh();
    this.listen();
  }

  /** Count the visible images again. */
  refresh(): void {
    this.draw(this.passing, this.count(this.model.visible));
  }

  /** Show a range. */
  show(bounds: Bounds): void {
    this.bounds = bounds;
    const [from, to] = this.ends();
    const isChosen = bounds.low !== undefined || bounds.high !== undefined;
    this.range.setAttribute("x", String(from * BINS));
    this.range.setAttribute("width", String(Math.max(0, to - from) * BINS));
    this.range.setAttribute("visibility", isChosen ? "visible" : "hidden");
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
    let isDragging = false;
    element.addEventListener("pointerdown", (event) => {
      const place = at(event);
      const [from, to] = this.ends();
      isDragging = true;
      fixed = Math.abs(place - from) < GRAB_DISTANCE ? to : Math.abs(place - to) < GRAB_DISTANCE ? from : place;
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (!isDragging) return;
      const place = at(event);
      if (place !== fixed) this.choose(Math.min(place, fixed), Math.max(place, fixed));
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

/** Format a number: integers in full, others with a few significant digits. */
export const round = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString(document.documentElement.lang) : value.toPrecision(DIGITS);
