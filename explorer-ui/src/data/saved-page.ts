// The data of a page that was saved as one HTML file.

import { arrowColumns, decodeImage, parseEdited, parsePoints, type ArrowColumns, type Source } from "./source";
import type { EditedColumns, Facts, Neighbor, Points, Values } from "./types";

interface Embedded {
  run: Facts;
  streams: { points: string; edits: string; neighbors?: string };
  columns: { [name: string]: string };
  pages: string[];
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** A page that was saved as one file together with its data. */
export class SavedPage implements Source {
  private readonly data: Embedded;
  private neighborTable: (ArrowColumns) | null = null;

  constructor(element: Element) {
    this.data = JSON.parse(element.textContent!) as Embedded;
  }

  async facts(): Promise<Facts> {
    return this.data.run;
  }

  async points(): Promise<Points> {
    return parsePoints(decodeBase64(this.data.streams.points));
  }

  async column(name: string): Promise<Values> {
    return arrowColumns(decodeBase64(this.data.columns[name]!))("values");
  }

  async edited(): Promise<EditedColumns> {
    return parseEdited(decodeBase64(this.data.streams.edits));
  }

  /** Nearest neighbours in latent space that were saved with the page, nearest first. */
  async neighbors(id: number, n: number): Promise<Neighbor[]> {
    if (!this.data.streams.neighbors) return [];
    this.neighborTable ??= arrowColumns(decodeBase64(this.data.streams.neighbors));
    const [ids, distances] = [this.neighborTable("neighbors") as Int32Array, this.neighborTable("distances") as Float32Array];
    const k = ids.length / this.data.run.n;
    const nearest = Array.from(ids.subarray(k * id, k * id + k), (other, i) => ({ id: other, distance: distances[k * id + i] }));
    return nearest.filter((one) => one.id >= 0).slice(0, n);
  }

  async spriteSheet(number: number): Promise<ImageBitmap> {
    return decodeImage(new Blob([decodeBase64(this.data.pages[number]!)], { type: "image/webp" }));
  }
}
