// A short legend over the map.

import { t } from "../i18n/translate";
import { css, MISSING, OTHER, rampColor, type Rgb } from "../model/colors";
import { GROUP } from "../model/columns";
import type { Model } from "../model/model";
import { PHONE } from "../page/breakpoints";
import { h } from "../page/dom";

const MAX_ENTRIES = 10;
const MAX_NARROW_ENTRIES = 4;

/** A legend of the colours with the largest categories or the ends of the scale. */
export function mapLegend(model: Model): HTMLElement {
  const column = model.describe(model.colorBy);
  const element = h("div", { class: "legend", role: "img", "aria-label": `${t("colorBy")} ${model.colorBy}` });
  if (!column || column.kind === "text") return element;
  const entry = (name: string, color: Rgb): HTMLElement => {
    const dot = h("i");
    dot.style.background = css(color);
    return h("span", { class: "entry" }, dot, name);
  };
  if (column.kind === "number") {
    const bar = h("span", { class: "ramp" });
    bar.style.background = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map((fraction) => css(rampColor(fraction))).join()})`;
    const ends = [column.low, column.high].map((end) => h("span", { text: (end ?? 0).toPrecision(3) }));
    if (column.missing !== (model.facts.nImages ?? model.n)) element.append(ends[0], bar, ends[1]);
  } else {
    if (column.name === GROUP) return element; // the list of groups is the legend
    const colors = model.categoryColors(column);
    const own = model.coloredCodes(column);
    const n = matchMedia(PHONE).matches ? MAX_NARROW_ENTRIES : MAX_ENTRIES;
    for (const code of own.slice(0, n)) element.append(entry(column.categories![code], colors[code + 1]));
    if (own.length > n) element.append(t("more", { n: own.length - n })); // the panel lists all
    const others = model.nInOthers(column);
    if (others) element.append(entry(`${t("other")} (${others.toLocaleString(document.documentElement.lang)})`, OTHER));
  }
  const missing = column.missing ?? 0;
  if (missing) element.append(entry(`${model.nameOfMissing(column)} (${missing.toLocaleString(document.documentElement.lang)})`, MISSING));
  return element;
}
