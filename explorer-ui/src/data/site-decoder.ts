// The decoder of a folder of static files: ONNX Runtime Web is loaded when an image is decoded for the first time.

import { t } from "../i18n/translate";
import { decodedPixels } from "./decoded-pixels";
import type { Decoder } from "./decoder";
import type { DecoderAnswer, DecoderRequest } from "./decoder-worker";
import { nearestRows, nearWeights, weightedMean } from "./latent-places";
import { HttpError } from "./server";
import type { StaticSite } from "./static-site";
import type { ChannelLook, Facts } from "./types";

const FOLDER = "decoder";
const NOT_DECODED = 0; // status of the error

export class SiteDecoder implements Decoder {
  readonly formats = ["png"];
  isReady = false;
  private opening: Promise<DecoderThread> | null = null;
  private readonly channels: ChannelLook[];
  private readonly height: number;
  private readonly width: number;

  constructor(
    private readonly site: StaticSite,
    private readonly facts: Facts,
  ) {
    this.channels = facts.channels ?? [];
    [this.height, this.width] = facts.imageShape as [number, number];
  }

  async at(x: number, y: number): Promise<ImageData> {
    return this.draw(await this.latentAt(x, y));
  }

  async between(a: number, b: number, steps: number): Promise<Blob> {
    const [from, to] = await Promise.all([a, b].map(async (id) => this.site.latent(await this.site.placeOfImage(id))));
    const fractions = Array.from({ length: steps }, (_, step) => step / (steps - 1));
    return this.strip(fractions.map((fraction) => weightedMean([from, to], [1 - fraction, fraction])));
  }

  async along(places: [number, number][]): Promise<Blob> {
    const latents: Float32Array[] = [];
    for (const [x, y] of places) latents.push(await this.latentAt(x, y));
    return this.strip(latents);
  }

  /** From the rows that are loaded, which are all of those nearby once one has zoomed in. */
  private async latentAt(x: number, y: number): Promise<Float32Array> {
    const near = nearestRows(...this.site.positions, x, y);
    const vectors = await Promise.all(near.map(({ row }) => this.site.latent(this.site.placeOf(row))));
    return weightedMean(vectors, nearWeights(near, this.facts.square[2]));
  }

  private async draw(latent: Float32Array): Promise<ImageData> {
    const thread = await this.open();
    const values = await thread.decode(latent);
    const pixels = decodedPixels(values, this.width * this.height, this.facts.site!.decoder!.largest, this.channels);
    return new ImageData(pixels, this.width, this.height);
  }

  /** Images side by side as a PNG file. */
  private async strip(latents: Float32Array[]): Promise<Blob> {
    const canvas = new OffscreenCanvas(this.width * latents.length, this.height);
    const context = canvas.getContext("2d")!;
    for (const [i, latent] of latents.entries()) context.putImageData(await this.draw(latent), i * this.width, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  private open(): Promise<DecoderThread> {
    if (!this.opening) {
      this.opening = this.start();
      this.opening.catch(() => (this.opening = null)); // the next image tries again
    }
    return this.opening;
  }

  private async start(): Promise<DecoderThread> {
    const { site } = this;
    const [wasm, network] = await Promise.all(["onnxruntime.bin", "network.bin"].map((name) => site.bytes(`${FOLDER}/${name}`)));
    const thread = new DecoderThread();
    const code = new URL(`${site.folder}/${FOLDER}/onnxruntime.js`, location.href).href;
    await thread.ask({ files: { code, wasm, network } }, [wasm.buffer, network.buffer]);
    this.isReady = true;
    return thread;
  }
}

/** The thread that decodes. */
class DecoderThread {
  private readonly worker = new Worker(new URL("./decoder-worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, (answer: DecoderAnswer) => void>();
  private id = 0;

  constructor() {
    this.worker.addEventListener("message", ({ data }: MessageEvent<DecoderAnswer>) => {
      this.waiting.get(data.id)?.(data);
      this.waiting.delete(data.id);
    });
    this.worker.addEventListener("error", (event) => {
      for (const [id, answer] of this.waiting) answer({ id, error: event.message || t("decoderFailed") });
      this.waiting.clear();
    });
  }

  async decode(latent: Float32Array): Promise<Float32Array> {
    return (await this.ask({ latent })).image!;
  }

  async ask(request: Omit<DecoderRequest, "id">, transfer: Transferable[] = []): Promise<DecoderAnswer> {
    const id = this.id++;
    const answer = await new Promise<DecoderAnswer>((resolve) => {
      this.waiting.set(id, resolve);
      this.worker.postMessage({ id, ...request }, transfer);
    });
    if (answer.error !== undefined) {
      if (request.files) this.worker.terminate();
      throw new HttpError(`${t("decoderFailed")} (${answer.error})`, NOT_DECODED);
    }
    return answer;
  }
}
