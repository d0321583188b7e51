// Pictures of a view.

import type { Camera } from "./camera";
import { css, type Rgb } from "./colors";
import { layKey, type ColorKey, type KeyLayout } from "./keycolors";
import type { Labels } from "./labels";
import type { Model } from "./model";
import { pictureBox, pictureSide } from "./pictures";
import type { Picture } from "./renderer";
import { cellOf, pageOf } from "./thumbnails";

const FONT = "sans-serif";
const KEY_SIZE = 12; // of the letters of the key, in pixels

/** The colours of a picture that are the page's. */
export interface Paper {
  ground: string;
  ink: string;
}

/** The view as an SVG file: dots and frames as shapes, pictures inside, the key of the colours below. */
export async function asSvg(model: Model, camera: Camera, shown: Picture[], labels: Labels, paper: Paper, key: ColorKey): Promise<Blob> {
  const side = pictureSide(camera);
  const { width: w, height: hgt } = model.facts.pages;
  const rendering = side < Math.max(w, hgt) ? "auto" : "pixelated";
  const [pw, ph] = pictureBox(model, camera);
  const layout = keyFor(key, camera.width);
  const height = camera.height + layout.height;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${camera.width} ${height}" width="${camera.width}" height="${height}">`,
    `<rect width="100%" height="100%" fill="${paper.ground}"/>`,
    `<svg width="${camera.width}" height="${camera.height}">`, // cuts off what goes beyond the view
  ];
  const [left, bottom, right, top] = camera.bounds();
  const color = (row: number): string => css([...model.colors.subarray(4 * row, 4 * row + 3)] as Rgb);
  for (let row = 0; row < model.n; row++) {
    const [x, y] = [model.x[row], model.y[row]];
    if (!model.visible[row] || !(x > left && x < right && y > bottom && y < top)) continue;
    const [px, py] = camera.toScreen(x, y);
    parts.push(`<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="1.2" fill="${color(row)}"/>`);
  }
  for (const { row } of shown) {
    const [px, py] = camera.toScreen(model.x[row], model.y[row]);
    const place = `x="${(px - pw / 2).toFixed(1)}" y="${(py - ph / 2).toFixed(1)}" width="${pw.toFixed(1)}" height="${ph.toFixed(1)}"`;
    parts.push(`<image ${place} href="${await cut(model, model.points.id[row])}" style="image-rendering:${rendering}"/>`);
    parts.push(`<rect ${place} fill="none" stroke="${color(row)}"/>`);
  }
  for (const { name, x, y, dark } of labels.placed(camera)) {
    parts.push(
      `<text x="${x}" y="${y}" text-anchor="middle" font-family="sans-serif" font-size="14" font-weight="bold" ` +
        `fill="#fff" stroke="${dark}" stroke-width="5" paint-order="stroke">${escapeText(name)}</text>`,
    );
  }
  parts.push("</svg>", `<g transform="translate(0 ${camera.height})" font-family="${FONT}" font-size="${KEY_SIZE}" fill="${paper.ink}">`);
  for (const { color, x, y, width, height } of layout.boxes) {
    parts.push(`<rect class="key" x="${x}" y="${y}" width="${width}" height="${height}" fill="${color}"/>`);
  }
  for (const { text, x, y, bold } of layout.texts) {
    parts.push(`<text x="${x}" y="${y}"${bold ? ' font-weight="bold"' : ""}>${escapeText(text)}</text>`);
  }
  return new Blob([...parts, "</g></svg>"], { type: "image/svg+xml" });
}

function keyFor(key: ColorKey, width: number): KeyLayout {
  const context = document.createElement("canvas").getContext("2d")!;
  context.font = `${KEY_SIZE}px ${FONT}`;
  return layKey(key, width, (text) => context.measureText(text).width);
}

const escapeText = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

async function cut(model: Model, id: number): Promise<string> {
  const [x, y, width, height] = cellOf(model, id);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")!.drawImage(await pageOf(model, id), x, y, width, height, 0, 0, width, height);
  return canvas.toDataURL("image/png");
}

/** The view as a PNG file: what the map shows, the names on it, and the key of the colours below. */
export function asPng(map: HTMLCanvasElement, overlay: HTMLCanvasElement, labels: Labels, camera: Camera, paper: Paper, key: ColorKey): Promise<Blob> {
  const ratio = map.width / camera.width;
  const layout = keyFor(key, camera.width);
  const canvas = document.createElement("canvas");
  canvas.width = map.width;
  canvas.height = Math.round(map.height + ratio * layout.height);
  const context = canvas.getContext("2d")!;
  context.fillStyle = paper.ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(map, 0, 0);
  context.drawImage(overlay, 0, 0, map.width, map.height);
  context.scale(ratio, ratio);
  context.font = `bold 14px ${FONT}`;
  context.textAlign = "center";
  context.lineWidth = 5;
  for (const { name, x, y, dark } of labels.placed(camera)) {
    context.strokeStyle = dark;
    context.fillStyle = "#fff";
    context.strokeText(name, x, y);
    context.fillText(name, x, y);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, map.height);
  context.textAlign = "left";
  for (const { color, x, y, width, height } of layout.boxes) {
    context.fillStyle = color;
    context.fillRect(x, y, width, height);
  }
  context.fillStyle = paper.ink;
  for (const { text, x, y, bold } of layout.texts) {
    context.font = `${bold ? "bold " : ""}${KEY_SIZE}px ${FONT}`;
    context.fillText(text, x, y);
  }
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("PNG")))));
}
