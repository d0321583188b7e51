// Reads the files of rows of a folder of static files: gzip-compressed Arrow streams.

import { t } from "../i18n/translate";
import { HttpError } from "./server";
import { arrowColumns, type ArrowColumns } from "./source";

const MAX_CACHED = 64; // files that single rows are read from
const TRIES = 3;
const RETRY_DELAY = 400; // milliseconds
const NOT_LOADED = 0; // status of the error, whatever that of the last answer was
const GZIP = [0x1f, 0x8b]; // the first bytes, unless the server has decompressed the file

export class RowFiles {
  /** Files by name, the most recently used last. */
  private readonly cache = new Map<string, Promise<ArrowColumns>>();

  constructor(private readonly folder: string) {}

  async json(name: string): Promise<unknown> {
    return (await this.response(name)).json();
  }

  async blob(name: string): Promise<Blob> {
    return (await this.response(name)).blob();
  }

  async bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const data = new Uint8Array(await (await this.response(name)).arrayBuffer());
    if (!GZIP.every((byte, i) => data[i] === byte)) return data;
    const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /** The columns of a file, not kept. */
  async read(folder: string, number: number): Promise<ArrowColumns> {
    return arrowColumns(await this.bytes(`${folder}/${String(number).padStart(5, "0")}.bin`));
  }

  /** The columns of a file, which is kept for a while. */
  columns(folder: string, number: number): Promise<ArrowColumns> {
    const key = `${folder}/${number}`;
    let found = this.cache.get(key);
    if (found) this.cache.delete(key);
    else {
      found = this.read(folder, number);
      found.catch(() => this.cache.delete(key));
    }
    this.cache.set(key, found);
    if (this.cache.size > MAX_CACHED) this.cache.delete(this.cache.keys().next().value!);
    return found;
  }

  /** One value of a column that is in files of `rows` rows. */
  async value(folder: string, name: string, at: number, rows: number): Promise<unknown> {
    return (await this.columns(folder, Math.floor(at / rows)))(name)[at % rows];
  }

  private async response(name: string): Promise<Response> {
    let status = "";
    for (let tried = 0; tried < TRIES; tried++) {
      if (tried) await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY * 2 ** tried));
      try {
        const response = await fetch(`${this.folder}/${name}`);
        if (response.ok) return response;
        status = `${response.status} ${response.statusText}`;
        if (response.status < 500 && response.status !== 429) break; // it is not there
      } catch (error) {
        status = error instanceof Error ? error.message : String(error);
      }
    }
    throw new HttpError(t("fileNotLoaded", { name, status }), NOT_LOADED);
  }
}
