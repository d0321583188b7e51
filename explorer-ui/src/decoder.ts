// What the decoder draws: at the pointer, between two images, along a path.

import type { Camera } from "./camera";
import { button, download, h, Signal } from "./dom";
import { sentence } from "./edits";
import type { Point } from "./gestures";
import { t } from "./i18n";
import type { Model } from "./model";
import type { Server } from "./source";

const STEPS = 16;
const SIDE = 112;

export class Decoder {
  /** Beside the pointer. */
  readonly preview = h("div", { class: "preview", hidden: true });
  /** Strips that were asked for. */
  readonly element = h("section", { class: "decoded", "aria-label": t("decode"), hidden: true });
  /** Milliseconds of each of the last pictures, from the question until it was drawn. */
  readonly times: number[] = [];
  readonly closed = new Signal();
  private readonly picture = h("canvas", { class: "picture", role: "img", "aria-label": t("decodedAt") });
  private readonly time = h("small");
  private wanted: { x: number; y: number } | null = null;
  private busy = false;

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    private readonly camera: Camera,
  ) {
    const [height, width] = model.facts.imageShape;
    this.picture.width = width;
    this.picture.height = height;
    const scale = Math.max(1, SIDE / Math.max(width, height));
    this.picture.style.width = `${width * scale}px`;
    this.picture.style.height = `${height * scale}px`;
    this.preview.append(this.picture, this.time);
  }

  /** Draw what would lie there; places that come while one is being drawn replace each other. */
  at(px: number, py: number): void {
    const [x, y] = this.camera.toMap(px, py);
    this.preview.hidden = false;
    const left = px > this.camera.width - SIDE - 40 ? px - SIDE - 24 : px + 16;
    const top = py > this.camera.height - SIDE - 60 ? py - SIDE - 40 : py + 16;
    this.preview.style.transform = `translate(${left}px, ${top}px)`;
    this.wanted = { x, y };
    if (!this.busy) void this.work();
  }

  hide(): void {
    this.wanted = null;
    this.preview.hidden = true;
  }

  private async work(): Promise<void> {
    this.busy = true;
    while (this.wanted) {
      const { x, y } = this.wanted;
      this.wanted = null;
      const start = performance.now();
      try {
        const bitmap = await createImageBitmap(await this.server.blob(`api/decode?x=${x}&y=${y}`));
        this.picture.getContext("2d")!.drawImage(bitmap, 0, 0);
        const took = performance.now() - start;
        this.times.push(took);
        if (this.times.length > 1000) this.times.shift();
        this.time.textContent = `${t("decodedAt")}, ${took.toFixed(0)} ms`;
      } catch (error) {
        this.time.textContent = sentence(error);
      }
    }
    this.busy = false;
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  close(): void {
    this.element.hidden = true;
    this.closed.tell();
  }

  async between(a: number, b: number): Promise<void> {
    const [from, to] = [a, b].map((row) => this.model.points.id[row]);
    const ask = (format: string): Promise<Blob> =>
      this.server.blob(`api/interpolation?a=${from}&b=${to}&steps=${STEPS}&format=${format}`);
    await this.strip(`${t("interpolation")} (${from} → ${to})`, ask, `${from}-${to}`);
  }

  async along(line: Point[]): Promise<void> {
    const places = evenly(line, STEPS).map((point) => this.camera.toMap(...point));
    const ask = async (format: string): Promise<Blob> => (await this.server.post("api/strip", { places, format })).blob();
    await this.strip(t("pathStrip"), ask, "path");
  }

  /** Show pictures side by side, and give them as a file of either format. */
  private async strip(title: string, ask: (format: string) => Promise<Blob>, name: string): Promise<void> {
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeStrip"), title: t("closeStrip") });
    const body = h("div", { class: "scroll", tabindex: 0 });
    const failed = (error: unknown): void => body.replaceChildren(h("p", { class: "hint", text: sentence(error) }));
    const save = (format: string): void => void ask(format).then((data) => download(data, `${name}.${format}`), failed);
    const buttons = ["png", "gif"].map((format) => button(format.toUpperCase(), () => save(format), { "data-format": format }));
    this.element.hidden = false;
    this.element.replaceChildren(h("h2", { text: title }, close), body, h("div", { class: "buttons" }, ...buttons));
    try {
      const picture = h("img", { class: "picture strip-picture", alt: title });
      picture.src = URL.createObjectURL(await ask("png"));
      await picture.decode();
      const height = Math.min(96, 2 * picture.naturalHeight);
      picture.style.height = `${height}px`;
      picture.classList.toggle("smooth", height < picture.naturalHeight);
      URL.revokeObjectURL(picture.src);
      body.replaceChildren(picture);
    } catch (error) {
      failed(error);
    }
  }
}

/** Points at even distances along a line. */
function evenly(line: Point[], n: number): Point[] {
  const lengths = [0];
  for (let i = 1; i < line.length; i++) {
    lengths.push(lengths[i - 1] + Math.hypot(line[i][0] - line[i - 1][0], line[i][1] - line[i - 1][1]));
  }
  const total = lengths[lengths.length - 1];
  let i = 1;
  return Array.from({ length: n }, (_, step) => {
    const wanted = (total * step) / (n - 1);
    while (i < line.length - 1 && lengths[i] < wanted) i += 1;
    const span = lengths[i] - lengths[i - 1] || 1;
    const share = Math.min(1, (wanted - lengths[i - 1]) / span);
    return [0, 1].map((axis) => line[i - 1][axis] + share * (line[i][axis] - line[i - 1][axis])) as Point;
  });
}
