// A chart of losses.

import { t } from "../i18n/translate";
import { categoryColor, css } from "../model/colors";
import { h, reducedMotion, svg } from "../page/dom";

/** Draw losses by epoch on a logarithmic scale. */
export function lossChart(lines: [string, number[]][]): HTMLElement {
  const [width, height, left, bottom] = [420, 220, 62, 34];
  const values = lines.flatMap(([, series]) => series).filter((value) => value > 0);
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const n = Math.max(...lines.map(([, series]) => series.length));
  const px = (i: number): number => left + ((width - left - 12) * i) / Math.max(1, n - 1);
  const py = (value: number): number => 14 + ((height - bottom - 14) * (high - Math.log10(value))) / (high - low || 1);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": t("training") });
  for (const fraction of [0, 0.5, 1]) {
    const value = 10 ** (low + fraction * (high - low));
    chart.append(svg("line", { x1: left, x2: width - 12, y1: py(value), y2: py(value), class: "grid" }));
    chart.append(svg("text", { x: left - 6, y: py(value) + 4, "text-anchor": "end" }, document.createTextNode(value.toPrecision(2))));
  }
  for (const i of new Set([0, Math.floor((n - 1) / 2), n - 1])) {
    chart.append(svg("text", { x: px(i), y: height - 16, "text-anchor": "middle" }, document.createTextNode(String(i + 1))));
  }
  chart.append(svg("text", { x: (left + width) / 2, y: height - 2, "text-anchor": "middle" }, document.createTextNode(t("epoch"))));
  lines.forEach(([name, series], i) => {
    const points = series.map((value, epoch) => `${px(epoch)},${py(value)}`).join(" ");
    const color = css(categoryColor(i));
    chart.append(svg("polyline", { points, fill: "none", stroke: color, "stroke-width": 2 }));
    const sample = svg("tspan", { fill: color }, document.createTextNode("━ "));
    const text = document.createTextNode(`${name === "loss" ? t("loss") : name} ${series[series.length - 1].toPrecision(3)}`);
    chart.append(svg("text", { x: width - 14, y: 26 + 16 * i, "text-anchor": "end", class: "series" }, sample, text));
  });
  return h("div", { class: reducedMotion() ? "" : "appear" }, chart);
}
