// Decodes latent vectors: at the pointer, between two images, along a path.

import type { Decoder } from "../data/decoder";
import { errorMessage } from "../data/error-message";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { button, download, h } from "../page/dom";
import type { Camera } from "./camera";
import type { Point } from "./gestures";

const STEPS = 16; // images of a strip
const SIDE = 112; // pixels of the preview
const MAX_TIMES = 1000;

export class DecoderTool {
  /** The image next to the pointer. */
  readonly preview = h("div", { class: "preview", hidden: true });
  /** The last strip. */
  readonly element = h("section", { class: "decoded", "aria-label": t("decode"), hidden: true });
  /** Milliseconds from request to display of the last images. */
  readonly times: number[] = [];
  readonly closed = new Signal();
  private readonly image = h("canvas", { class: "picture", role: "img", "aria-label": t("decodedAt") });
  private readonly time = h("small");
  private requested: { x: number; y: number } | null = null;
  private isBusy = false;

  constructor(
    private readonly model: Model,
    private readonly decoder: Decoder,
    private readonly camera: Camera,
  ) {
    const [height, width] = model.facts.imageShape;
    this.image.width = width;
    this.image.height = height;
    const scale = Math.max(1, SIDE / Math.max(width, height));
    this.image.style.width = `${width * scale}px`;
    this.image.style.height = `${height * scale}px`;
    this.preview.append(this.image, this.time);
  }

  /** Decode a position of the screen. While a request is running, only the latest position is kept. */
  previewAt(px: number, py: number): void {
    const [x, y] = this.camera.toMap(px, py);
    this.preview.hidden = false;
    const left = px > this.camera.width - SIDE - 40 ? px - SIDE - 24 : px + 16;
    const top = py > this.camera.height - SIDE - 60 ? py - SIDE - 40 : py + 16;
    this.preview.style.transform = `translate(${left}px, ${top}px)`;
    this.requested = { x, y };
    if (!this.isBusy) void this.decodeRequested();
  }

  hidePreview(): void {
    this.requested = null;
    this.preview.hidden = true;
  }

  private async decodeRequested(): Promise<void> {
    this.isBusy = true;
    while (this.requested) {
      const { x, y } = this.requested;
      this.requested = null;
      const start = performance.now();
      try {
        if (!this.decoder.isReady) this.time.textContent = t("decoderLoading");
        const bitmap = await createImageBitmap(await this.decoder.at(x, y));
        this.image.getContext("2d")!.drawImage(bitmap, 0, 0);
        const took = performance.now() - start;
        this.times.push(took);
        if (this.times.length > MAX_TIMES) this.times.shift();
        this.time.textContent = `${t("decodedAt")}, ${took.toFixed(0)} ms`;
      } catch (error) {
        this.time.textContent = errorMessage(error);
      }
    }
    this.isBusy = false;
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  close(): void {
    this.element.hidden = true;
    this.closed.emit();
  }

  async interpolate(a: number, b: number): Promise<void> {
    const [from, to] = [a, b].map((row) => this.model.points.id[row]);
    const request = (format: string): Promise<Blob> => this.decoder.between(from, to, STEPS, format);
    await this.strip(`${t("interpolation")} (${from} → ${to})`, request, `${from}-${to}`);
  }

  async decodePath(line: Point[]): Promise<void> {
    const positions = resamplePath(line, STEPS).map((point) => this.camera.toMap(...point));
    const request = (format: string): Promise<Blob> => this.decoder.along(positions, format);
    await this.strip(t("pathStrip"), request, "path");
  }

  /** Show decoded images side by side, with buttons to save them. */
  private async strip(title: string, request: (format: string) => Promise<Blob>, name: string): Promise<void> {
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeStrip"), title: t("closeStrip") });
    const waiting = this.decoder.isReady ? [] : [h("p", { class: "hint", text: t("decoderLoading") })];
    const body = h("div", { class: "scroll", tabindex: 0 }, ...waiting);
    const failed = (error: unknown): void => body.replaceChildren(h("p", { class: "hint", text: errorMessage(error) }));
    const save = (format: string): void => void request(format).then((data) => download(data, `${name}.${format}`), failed);
    const buttons = this.decoder.formats.map((format) => button(format.toUpperCase(), () => save(format), { "data-format": format }));
    this.element.hidden = false;
    this.element.replaceChildren(h("h2", { text: title }, close), body, h("div", { class: "buttons" }, ...buttons));
    try {
      const image = h("img", { class: "picture strip-picture", alt: title });
      image.src = URL.createObjectURL(await request("png"));
      await image.decode();
      const height = Math.min(96, 2 * image.naturalHeight);
      image.style.height = `${height}px`;
      image.classList.toggle("smooth", height < image.naturalHeight);
      URL.revokeObjectURL(image.src);
      body.replaceChildren(image);
    } catch (error) {
      failed(error);
    }
  }
}

/** `n` points at equal distances along a line. */
export function resamplePath(line: Point[], n: number): Point[] {
  const lengths = [0];
  for (let i = 1; i < line.length; i++) {
    lengths.push(lengths[i - 1] + Math.hypot(line[i][0] - line[i - 1][0], line[i][1] - line[i - 1][1]));
  }
  const total = lengths[lengths.length - 1];
  let i = 1;
  return Array.from({ length: n }, (_, step) => {
    const distance = (total * step) / (n - 1);
    while (i < line.length - 1 && lengths[i] < distance) i += 1;
    const span = lengths[i] - lengths[i - 1] || 1;
    const fraction = Math.min(1, (distance - lengths[i - 1]) / span);
    return [0, 1].map((axis) => line[i - 1][axis] + fraction * (line[i][axis] - line[i - 1][axis])) as Point;
  });
}
