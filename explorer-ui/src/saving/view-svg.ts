// The view as an SVG file.

import type { Camera } from "../map/camera";
import type { Labels } from "../map/labels";
import { spriteBox, spriteSide, type Sprite } from "../map/sprites";
import { css, type Rgb } from "../model/colors";
import type { Model } from "../model/model";
import { cellOf, sheetOf } from "../panels/thumbnails";
import { LEGEND_FONT, LEGEND_FONT_SIZE, measureLegend, type ImageLegend } from "./image-legend";

/** Colours of the page that a saved view uses. */
export interface ViewColors {
  ground: string;
  ink: string;
}

/** Draw dots and frames as shapes, thumbnails as embedded images, and the legend below. */
export async function viewAsSvg(model: Model, camera: Camera, sprites: Sprite[], labels: Labels, colors: ViewColors, legend: ImageLegend): Promise<Blob> {
  const side = spriteSide(camera);
  const { width: w, height: hgt } = model.facts.pages;
  const rendering = side < Math.max(w, hgt) ? "auto" : "pixelated";
  const [pw, ph] = spriteBox(model, camera);
  const layout = measureLegend(legend, camera.width);
  const height = camera.height + layout.height;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${camera.width} ${height}" width="${camera.width}" height="${height}">`,
    `<rect width="100%" height="100%" fill="${colors.ground}"/>`,
    `<svg width="${camera.width}" height="${camera.height}">`, // clips to the view
  ];
  const [left, bottom, right, top] = camera.bounds();
  const color = (row: number): string => css([...model.colors.subarray(4 * row, 4 * row + 3)] as Rgb);
  for (let row = 0; row < model.n; row++) {
    const [x, y] = [model.x[row], model.y[row]];
    if (!model.visible[row] || !(x > left && x < right && y > bottom && y < top)) continue;
    const [px, py] = camera.toScreen(x, y);
    parts.push(`<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="1.2" fill="${color(row)}"/>`);
  }
  for (const { row } of sprites) {
    const [px, py] = camera.toScreen(model.x[row], model.y[row]);
    const place = `x="${(px - pw / 2).toFixed(1)}" y="${(py - ph / 2).toFixed(1)}" width="${pw.toFixed(1)}" height="${ph.toFixed(1)}"`;
    parts.push(`<image ${place} href="${await thumbnailUrl(model, model.points.id[row])}" style="image-rendering:${rendering}"/>`);
    parts.push(`<rect ${place} fill="none" stroke="${color(row)}"/>`);
  }
  for (const { name, x, y, dark } of labels.placed(camera)) {
    parts.push(
      `<text x="${x}" y="${y}" text-anchor="middle" font-family="sans-serif" font-size="14" font-weight="bold" ` +
        `fill="#fff" stroke="${dark}" stroke-width="5" paint-order="stroke">${escapeText(name)}</text>`,
    );
  }
  parts.push("</svg>", `<g transform="translate(0 ${camera.height})" font-family="${LEGEND_FONT}" font-size="${LEGEND_FONT_SIZE}" fill="${colors.ink}">`);
  for (const { color, x, y, width, height } of layout.boxes) {
    parts.push(`<rect class="key" x="${x}" y="${y}" width="${width}" height="${height}" fill="${color}"/>`);
  }
  for (const { text, x, y, bold } of layout.texts) {
    parts.push(`<text x="${x}" y="${y}"${bold ? ' font-weight="bold"' : ""}>${escapeText(text)}</text>`);
  }
  return new Blob([...parts, "</g></svg>"], { type: "image/svg+xml" });
}

const escapeText = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** The thumbnail of an image as a data URL. */
async function thumbnailUrl(model: Model, id: number): Promise<string> {
  const [x, y, width, height] = cellOf(model, id);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")!.drawImage(await sheetOf(model, id), x, y, width, height, 0, 0, width, height);
  return canvas.toDataURL("image/png");
}

