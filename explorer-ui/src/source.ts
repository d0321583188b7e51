// Where the page's data comes from: the server, or the page itself when it was saved as one file.

import { tableFromIPC } from "@uwdata/flechette";
import { Signal } from "./dom";
import type { EditedColumns, Facts, Neighbor, Points, Values } from "./types";

export interface Source {
  /** Whether there is a server that answers questions and takes changes. */
  readonly live: boolean;
  facts(): Promise<Facts>;
  points(): Promise<Points>;
  column(name: string): Promise<Values>;
  edited(): Promise<EditedColumns>;
  page(number: number): Promise<ImageBitmap>;
}

/** An answer that is no success; the message is the server's sentence. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

function columnsOf(data: ArrayBuffer | Uint8Array): (name: string) => any {
  const table = tableFromIPC(data instanceof Uint8Array ? data : new Uint8Array(data));
  return (name) => table.getChild(name)!.toArray();
}

const pointsOf = (data: ArrayBuffer | Uint8Array): Points => {
  const column = columnsOf(data);
  return { id: column("id"), x: column("x"), y: column("y") };
};

const editedOf = (data: ArrayBuffer | Uint8Array): EditedColumns => {
  const column = columnsOf(data);
  return { group: column("group"), label: column("label"), marks: column("marks") };
};

const bitmapOf = (data: Blob): Promise<ImageBitmap> => createImageBitmap(data, { premultiplyAlpha: "none" });

export class Server implements Source {
  readonly live = true;
  /** Requests that were made and bytes that came, for whoever measures. */
  readonly traffic = { requests: 0, bytes: 0 };
  /** Whether it answers, does not, or takes the token no longer; and who wants to know of it. */
  status: "answering" | "silent" | "refusing" = "answering";
  readonly statusChanged = new Signal<Server["status"]>();
  private version = "";

  constructor(private readonly token: string) {}

  async facts(): Promise<Facts> {
    const facts = (await this.json("/api/run")) as Facts;
    this.version = facts.version;
    return facts;
  }

  async points(): Promise<Points> {
    return pointsOf(await this.bytes(this.versioned("/api/points")));
  }

  async column(name: string): Promise<Values> {
    return columnsOf(await this.bytes(this.versioned(`/api/columns/${encodeURIComponent(name)}`)))("values");
  }

  async edited(): Promise<EditedColumns> {
    // they change while the run stays the same: what the browser has kept of them is asked about each time
    return editedOf(await this.bytes(this.versioned("/api/edits/columns"), { cache: "no-cache" }));
  }

  async page(number: number): Promise<ImageBitmap> {
    return bitmapOf(await (await this.get(this.versioned(`/api/pages/${number}`))).blob());
  }

  /** Columns of an Arrow stream. */
  async table(path: string): Promise<(name: string) => any> {
    return columnsOf(await this.bytes(path));
  }

  imageAddress(id: number): string {
    return this.versioned(`/api/images/${id}`);
  }

  reconstructionAddress(id: number): string {
    return this.versioned(`/api/images/${id}/reconstruction`);
  }

  /** The file that an image was decoded from, as a picture; refused with 404 where it is gone or another one. */
  originalAddress(id: number): string {
    return this.versioned(`/api/images/${id}/original`);
  }

  versioned(path: string): string {
    return `${path}?v=${this.version}`;
  }

  async json(path: string): Promise<any> {
    return (await this.get(path)).json();
  }

  async blob(path: string): Promise<Blob> {
    return (await this.get(path)).blob();
  }

  /** A large answer, with a report of how many bytes have arrived. */
  async streamed(path: string, report: (bytes: number) => void): Promise<Blob> {
    const response = await this.get(path);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const reader = response.body!.getReader();
    for (let size = 0; ; ) {
      const { done, value } = await reader.read();
      if (done) return new Blob(parts, { type: response.headers.get("Content-Type") ?? "" });
      parts.push(value);
      report((size += value.byteLength));
    }
  }

  async post(path: string, body: unknown): Promise<Response> {
    const raw = body instanceof Blob;
    const headers: Record<string, string> = raw ? {} : { "Content-Type": "application/json" };
    return this.ask(path, { method: "POST", headers, body: raw ? body : JSON.stringify(body) });
  }

  /** Look whether it answers. */
  async ping(): Promise<void> {
    await this.get("/api/edits").catch(() => undefined);
  }

  private get(path: string, options: RequestInit = {}): Promise<Response> {
    return this.ask(path, options);
  }

  /** Every request goes through here: with the token, and relative to the page, which may lie behind a prefix. */
  private async ask(path: string, options: RequestInit): Promise<Response> {
    const headers = { ...(options.headers as Record<string, string>), "X-Latentmap-Token": this.token };
    let response: Response;
    try {
      response = await fetch(path.replace(/^\//, ""), { ...options, headers });
    } catch (error) {
      this.setStatus("silent");
      throw error;
    }
    this.setStatus(response.status === 401 ? "refusing" : "answering");
    return this.checked(response);
  }

  private setStatus(status: Server["status"]): void {
    if (this.status === status) return;
    this.status = status;
    this.statusChanged.tell(status);
  }

  private async bytes(path: string, options: RequestInit = {}): Promise<ArrayBuffer> {
    const data = await (await this.get(path, options)).arrayBuffer();
    this.traffic.bytes += data.byteLength;
    return data;
  }

  private async checked(response: Response): Promise<Response> {
    this.traffic.requests += 1;
    if (response.ok) return response;
    let sentence = response.statusText;
    try {
      sentence = ((await response.json()) as { error: string }).error;
    } catch {
      // no sentence came with it
    }
    throw new Refusal(sentence, response.status);
  }
}

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

/** A page that was saved with all that it shows. */
export class Saved implements Source {
  readonly live = false;
  private readonly data: Embedded;
  private near: ((name: string) => any) | null = null;

  constructor(element: Element) {
    this.data = JSON.parse(element.textContent!) as Embedded;
  }

  async facts(): Promise<Facts> {
    return this.data.run;
  }

  async points(): Promise<Points> {
    return pointsOf(decodeBase64(this.data.streams.points));
  }

  async column(name: string): Promise<Values> {
    return columnsOf(decodeBase64(this.data.columns[name]!))("values");
  }

  async edited(): Promise<EditedColumns> {
    return editedOf(decodeBase64(this.data.streams.edits));
  }

  /** The images nearest in latent space, nearest first, as many as were saved of them. */
  async neighbors(id: number): Promise<Neighbor[]> {
    if (!this.data.streams.neighbors) return [];
    this.near ??= columnsOf(decodeBase64(this.data.streams.neighbors));
    const [ids, distances] = [this.near("neighbors") as Int32Array, this.near("distances") as Float32Array];
    const k = ids.length / this.data.run.n;
    return Array.from(ids.subarray(k * id, k * id + k), (one, i) => ({ id: one, distance: distances[k * id + i] })).filter((one) => one.id >= 0);
  }

  async page(number: number): Promise<ImageBitmap> {
    return bitmapOf(new Blob([decodeBase64(this.data.pages[number]!)], { type: "image/webp" }));
  }
}
