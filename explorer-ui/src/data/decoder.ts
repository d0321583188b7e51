// What decodes latent vectors: the server, or the page of a folder of static files.

import type { Server } from "./server";

export interface Decoder {
  /** Formats of strips. */
  readonly formats: string[];
  /** Whether the next image is drawn without loading anything first. */
  readonly isReady: boolean;
  /** The image at a place of the map. */
  at(x: number, y: number): Promise<ImageBitmapSource>;
  /** The straight line in latent space from one image to another, by their ids, as a strip of images. */
  between(a: number, b: number, steps: number, format: string): Promise<Blob>;
  /** The images at places of the map, as a strip. */
  along(places: [number, number][], format: string): Promise<Blob>;
}

/** The decoder of the server. */
export class ServerDecoder implements Decoder {
  readonly formats = ["png", "gif"];
  readonly isReady = true;

  constructor(private readonly server: Server) {}

  at(x: number, y: number): Promise<Blob> {
    return this.server.blob(`api/decode?x=${x}&y=${y}`);
  }

  between(a: number, b: number, steps: number, format: string): Promise<Blob> {
    return this.server.blob(`api/interpolation?a=${a}&b=${b}&steps=${steps}&format=${format}`);
  }

  async along(places: [number, number][], format: string): Promise<Blob> {
    return (await this.server.post("api/strip", { places, format })).blob();
  }
}
