// The legend of a saved view: a title, and an entry for each colour or a colour scale.

import { t } from "../i18n/translate";
import { css, rampColor, type Rgb } from "../model/colors";
import { GROUP } from "../model/columns";
import type { Model } from "../model/model";

const MAX_ENTRIES = 24;

export interface ImageLegend {
  title: string;
  entries: { name: string; color: string }[];
  /** Number of categories without an entry. */
  more: number;
  scale: { low: string; high: string; colors: string[] } | null;
}

/** The legend of the current view, with the colours of the map; categories without visible images have no entry. */
export async function imageLegend(model: Model): Promise<ImageLegend> {
  const column = model.describe(model.colorBy);
  const by = model.colorBy === GROUP ? t("groups") : model.colorBy;
  const legend: ImageLegend = { title: `${model.facts.name} · ${t("colorBy")}: ${by}`, entries: [], more: 0, scale: null };
  if (!column || column.kind === "text") return legend;
  if (column.kind === "number") {
    const colors = Array.from({ length: 9 }, (_, i) => css(rampColor(i / 8)));
    legend.scale = { low: (column.low ?? 0).toPrecision(3), high: (column.high ?? 0).toPrecision(3), colors };
    return legend;
  }
  const values = (await model.column(model.colorBy)) as ArrayLike<number>;
  const seen = new Map<number, { color: string; n: number }>();
  for (let row = 0; row < model.n; row++) {
    if (!model.visible[row]) continue;
    const one = seen.get(values[row]);
    if (one) one.n += 1;
    else seen.set(values[row], { color: css([...model.colors.subarray(4 * row, 4 * row + 3)] as Rgb), n: 1 });
  }
  const names = column.categories ?? [];
  const nameOf = (code: number): string => (code < 0 ? (model.colorBy === GROUP ? t("unsure") : t("missing")) : (names[code] ?? t("other")));
  const entries = [...seen].sort(([a, { n }], [b, { n: m }]) => Number(b >= 0 && b < names.length) - Number(a >= 0 && a < names.length) || m - n);
  legend.entries = entries.slice(0, MAX_ENTRIES).map(([code, { color, n }]) => ({ name: `${nameOf(code)} (${n.toLocaleString(document.documentElement.lang)})`, color }));
  legend.more = entries.length - legend.entries.length;
  return legend;
}

export const LEGEND_FONT = "sans-serif";
export const LEGEND_FONT_SIZE = 12; // pixels
const LINE = 20; // pixels between lines
const MARGIN = 12;
const SWATCH = 10;

/** Positions of the parts of a legend in a band of a given width, and its height. */
interface LegendLayout {
  height: number;
  texts: { text: string; x: number; y: number; bold: boolean }[];
  boxes: { color: string; x: number; y: number; width: number; height: number }[];
}

/** Lay out a legend; `measure` gives the width of a text. */
export function layOutLegend(legend: ImageLegend, width: number, measure: (text: string) => number): LegendLayout {
  const texts: LegendLayout["texts"] = [{ text: legend.title, x: MARGIN, y: MARGIN + 12, bold: true }];
  const boxes: LegendLayout["boxes"] = [];
  let [x, y] = [MARGIN, MARGIN + 12 + LINE];
  const put = (text: string, color: string | null): void => {
    const needed = measure(text) + (color ? SWATCH + 6 : 0);
    if (x > MARGIN && x + needed > width - MARGIN) [x, y] = [MARGIN, y + LINE];
    if (color) boxes.push({ color, x, y: y - SWATCH, width: SWATCH, height: SWATCH });
    texts.push({ text, x: x + (color ? SWATCH + 6 : 0), y, bold: false });
    x += needed + 16;
  };
  for (const { name, color } of legend.entries) put(name, color);
  if (legend.more) put(t("moreColors", { n: legend.more }), null);
  if (legend.scale) {
    put(legend.scale.low, null);
    for (const color of legend.scale.colors) {
      boxes.push({ color, x, y: y - SWATCH, width: 16, height: SWATCH });
      x += 16;
    }
    x += 16;
    put(legend.scale.high, null);
  }
  const isEmpty = texts.length === 1;
  return { height: (isEmpty ? y - LINE : y) + MARGIN, texts, boxes };
}

/** Lay out a legend in its font. */
export function measureLegend(legend: ImageLegend, width: number): LegendLayout {
  const context = document.createElement("canvas").getContext("2d")!;
  context.font = `${LEGEND_FONT_SIZE}px ${LEGEND_FONT}`;
  return layOutLegend(legend, width, (text) => context.measureText(text).width);
}
