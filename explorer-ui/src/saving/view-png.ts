// The view as a PNG file.

import type { Camera } from "../map/camera";
import type { Labels } from "../map/labels";
import { LEGEND_FONT, LEGEND_FONT_SIZE, measureLegend, type ImageLegend } from "./image-legend";
import type { ViewColors } from "./view-svg";

/** Compose the canvases of the map, the labels and the legend below. */
export function viewAsPng(map: HTMLCanvasElement, overlay: HTMLCanvasElement, labels: Labels, camera: Camera, colors: ViewColors, legend: ImageLegend): Promise<Blob> {
  const ratio = map.width / camera.width;
  const layout = measureLegend(legend, camera.width);
  const canvas = document.createElement("canvas");
  canvas.width = map.width;
  canvas.height = Math.round(map.height + ratio * layout.height);
  const context = canvas.getContext("2d")!;
  context.fillStyle = colors.ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(map, 0, 0);
  context.drawImage(overlay, 0, 0, map.width, map.height);
  context.scale(ratio, ratio);
  context.font = `bold 14px ${LEGEND_FONT}`;
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
  context.fillStyle = colors.ink;
  for (const { text, x, y, bold } of layout.texts) {
    context.font = `${bold ? "bold " : ""}${LEGEND_FONT_SIZE}px ${LEGEND_FONT}`;
    context.fillText(text, x, y);
  }
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("PNG")))));
}
