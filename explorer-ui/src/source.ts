// Where the page's data comes from: the server, or the page itself when it was saved as one file.

import { tableFromIPC } from "@uwdata/flechette";
import type { EditedColumns, Facts, Points, Values } from "./types";

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
    return editedOf(await this.bytes("/api/edits/columns"));
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

  versioned(path: string): string {
    return `${path}?v=${this.version}`;
  }

  async json(path: string): Promise<any> {
    return (await this.get(path)).json();
  }

  async blob(path: string): Promise<Blob> {
    return (await this.get(path)).blob();
  }

  async post(path: string, body: unknown): Promise<Response> {
    const raw = body instanceof Blob;
    const headers: Record<string, string> = { "X-Latentmap-Token": this.token };
    if (!raw) headers["Content-Type"] = "application/json";
    return this.checked(await fetch(path, { method: "POST", headers, body: raw ? body : JSON.stringify(body) }));
  }

  private async get(path: string): Promise<Response> {
    return this.checked(await fetch(path));
  }

  private async bytes(path: string): Promise<ArrayBuffer> {
    const data = await (await this.get(path)).arrayBuffer();
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
  streams: { points: string; edits: string };
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

  async page(number: number): Promise<ImageBitmap> {
    return bitmapOf(new Blob([decodeBase64(this.data.pages[number]!)], { type: "image/webp" }));
  }
}
