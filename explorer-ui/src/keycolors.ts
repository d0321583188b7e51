// What the colours of the map mean, for pictures of it: a title, and an entry for each colour or a scale.

import { css, rampColor, type Rgb } from "./colors";
import { t } from "./i18n";
import { GROUP, type Model } from "./model";

const MOST_ENTRIES = 24;

export interface ColorKey {
  title: string;
  entries: { name: string; color: string }[];
  /** How many more there are than entries. */
  more: number;
  scale: { low: string; high: string; colors: string[] } | null;
}

/** The key of what is shown now. Colours are those of the map itself; categories that are not seen have no entry. */
export async function colorKey(model: Model): Promise<ColorKey> {
  const column = model.describe(model.colorBy);
  const by = model.colorBy === GROUP ? t("groups") : model.colorBy;
  const key: ColorKey = { title: `${model.facts.name} · ${t("colorBy")}: ${by}`, entries: [], more: 0, scale: null };
  if (!column || column.kind === "text") return key;
  if (column.kind === "number") {
    const colors = Array.from({ length: 9 }, (_, i) => css(rampColor(i / 8)));
    key.scale = { low: (column.low ?? 0).toPrecision(3), high: (column.high ?? 0).toPrecision(3), colors };
    return key;
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
  const nameOf = (code: number): string => (code < 0 ? (model.colorBy === GROUP ? t("unsure") : t("noValue")) : (names[code] ?? t("otherCategories")));
  const entries = [...seen].sort(([a, { n }], [b, { n: m }]) => Number(b >= 0 && b < names.length) - Number(a >= 0 && a < names.length) || m - n);
  key.entries = entries.slice(0, MOST_ENTRIES).map(([code, { color, n }]) => ({ name: `${nameOf(code)} (${n.toLocaleString(document.documentElement.lang)})`, color }));
  key.more = entries.length - key.entries.length;
  return key;
}

const LINE = 20; // pixels from one line of the key to the next
const MARGIN = 12;
const SWATCH = 10;

/** Where the parts of a key lie in a band of some width, and how high that is. */
export interface KeyLayout {
  height: number;
  texts: { text: string; x: number; y: number; bold: boolean }[];
  boxes: { color: string; x: number; y: number; width: number; height: number }[];
}

export function layKey(key: ColorKey, width: number, measure: (text: string) => number): KeyLayout {
  const texts: KeyLayout["texts"] = [{ text: key.title, x: MARGIN, y: MARGIN + 12, bold: true }];
  const boxes: KeyLayout["boxes"] = [];
  let [x, y] = [MARGIN, MARGIN + 12 + LINE];
  const put = (text: string, color: string | null): void => {
    const needed = measure(text) + (color ? SWATCH + 6 : 0);
    if (x > MARGIN && x + needed > width - MARGIN) [x, y] = [MARGIN, y + LINE];
    if (color) boxes.push({ color, x, y: y - SWATCH, width: SWATCH, height: SWATCH });
    texts.push({ text, x: x + (color ? SWATCH + 6 : 0), y, bold: false });
    x += needed + 16;
  };
  for (const { name, color } of key.entries) put(name, color);
  if (key.more) put(t("moreColors", { n: key.more }), null);
  if (key.scale) {
    put(key.scale.low, null);
    for (const color of key.scale.colors) {
      boxes.push({ color, x, y: y - SWATCH, width: 16, height: SWATCH });
      x += 16;
    }
    x += 16;
    put(key.scale.high, null);
  }
  const isEmpty = texts.length === 1;
  return { height: (isEmpty ? y - LINE : y) + MARGIN, texts, boxes };
}
