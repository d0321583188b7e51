// Requests to the explorer's server.

import { Signal } from "../model/signal";
import { arrowColumns, decodeImage, parseEdited, parsePoints, type ArrowColumns, type Source } from "./source";
import type { EditedColumns, Facts, Issue, Neighbor, Points, Values } from "./types";

/** A response with an error status; the message is that of the server. */
export class HttpError extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** What else the server answered. */
    readonly answer: { [name: string]: unknown } = {},
  ) {
    super(message);
  }
}

/** Carries a request to the server; a path has no leading slash. Rejects if there is no answer. */
export type Send = (path: string, options: RequestInit) => Promise<Response>;

/** Send requests by HTTP with a token, or "" where a cookie stands for it, relative to the page, which may be served under a prefix. */
export function overHttp(token: string): Send {
  return (path, options) =>
    fetch(path, token ? { ...options, headers: { ...(options.headers as Record<string, string>), "X-Latentmap-Token": token } } : options);
}

export type ServerStatus = "connected" | "disconnected" | "unauthorized";

export class Server implements Source {
  status: ServerStatus = "connected";
  readonly statusChanged = new Signal<ServerStatus>();
  /** The colours by which channels are mixed to pictures; "" for those that the run has. */
  mix = "";
  /** A job has begun or ended, here or elsewhere. */
  readonly jobsChanged = new Signal();
  private version = "";

  /** `hasStreams` says whether an answer can be read while it is sent. */
  constructor(
    private readonly send: Send,
    readonly hasStreams = false,
  ) {}

  async facts(): Promise<Facts> {
    const facts = (await this.json("/api/run")) as Facts;
    this.version = facts.version;
    return facts;
  }

  async points(): Promise<Points> {
    return parsePoints(await this.bytes(this.versioned("/api/points")));
  }

  async column(name: string): Promise<Values> {
    return arrowColumns(await this.bytes(this.versioned(`/api/columns/${encodeURIComponent(name)}`)))("values");
  }

  async edited(): Promise<EditedColumns> {
    // edits change while the version of the run does not: revalidate the cache
    return parseEdited(await this.bytes(this.versioned("/api/edits/columns"), { cache: "no-cache" }));
  }

  async spriteSheet(number: number): Promise<ImageBitmap> {
    return decodeImage(await (await this.request(this.pictured(`/api/pages/${number}`))).blob());
  }

  async neighbors(id: number, n: number, weights: string): Promise<Neighbor[]> {
    const query = weights && `&weights=${encodeURIComponent(weights)}`;
    return ((await this.json(`/api/images/${id}/neighbors?n=${n}${query}`)) as { neighbors: Neighbor[] }).neighbors;
  }

  /** Distance of each row to an image, in the space in which neighbours are found. */
  async distances(id: number, weights: string): Promise<ArrayLike<number>> {
    const query = weights && `&weights=${encodeURIComponent(weights)}`;
    return (await this.table(this.versioned(`/api/images/${id}/distances`) + query))("distance") as ArrayLike<number>;
  }

  /** The group of each row, from 0 (-1: none), if the tree were cut into a number of groups. */
  async cut(n: number): Promise<ArrayLike<number>> {
    return (await this.table(`${this.versioned("/api/edits/cut")}&n=${n}`))("group") as ArrayLike<number>;
  }

  /** The worst open issues of one kind, and the ids of the images whose issue was accepted. */
  issues(kind: string): Promise<{ open: Issue[]; accepted: number[] }> {
    return this.json(this.versioned(`/api/issues/${encodeURIComponent(kind)}`));
  }

  /** Fetch an Arrow stream. */
  async table(path: string): Promise<ArrowColumns> {
    return arrowColumns(await this.bytes(path));
  }

  imageAddress(id: number): string {
    return this.pictured(`/api/images/${id}`);
  }

  reconstructionAddress(id: number): string {
    return this.pictured(`/api/images/${id}/reconstruction`);
  }

  /** The file that an image was decoded from; 404 if it is missing or has changed. */
  originalAddress(id: number): string {
    return this.pictured(`/api/images/${id}/original`);
  }

  /** The sound that an image is the spectrogram of; 404 as for the original. */
  soundAddress(id: number): string {
    return this.versioned(`/api/images/${id}/sound`);
  }

  versioned(path: string): string {
    return `${path}?v=${this.version}`;
  }

  /** The address of a picture, which depends on the colours of the channels. */
  private pictured(path: string): string {
    return this.versioned(path) + (this.mix && `&mix=${this.mix}`);
  }

  /** The address of the same picture by the present colours of the channels. */
  remixed(address: string): string {
    return address.replace(/&mix=[^&]*/, "") + (this.mix && `&mix=${this.mix}`);
  }

  async json(path: string): Promise<any> {
    return (await this.request(path)).json();
  }

  async blob(path: string): Promise<Blob> {
    return (await this.request(path)).blob();
  }

  async post(path: string, body: unknown): Promise<Response> {
    const raw = body instanceof Blob;
    const headers: Record<string, string> = raw ? {} : { "Content-Type": "application/json" };
    return this.request(path, { method: "POST", headers, body: raw ? body : JSON.stringify(body) });
  }

  /** The body of an answer that has no end, until it is aborted. A failure says nothing about the connection: a proxy may not pass it. */
  async open(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    return (await this.checked(await this.send(path.replace(/^\//, ""), { signal }))).body!;
  }

  /** Check the connection. */
  async ping(): Promise<void> {
    await this.request("/api/edits").catch(() => undefined);
  }

  private async request(path: string, options: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await this.send(path.replace(/^\//, ""), options);
    } catch (error) {
      this.setStatus("disconnected");
      throw error;
    }
    this.setStatus(response.status === 401 ? "unauthorized" : "connected");
    return this.checked(response);
  }

  private setStatus(status: ServerStatus): void {
    if (this.status === status) return;
    this.status = status;
    this.statusChanged.emit(status);
  }

  private async bytes(path: string, options: RequestInit = {}): Promise<ArrayBuffer> {
    return (await this.request(path, options)).arrayBuffer();
  }

  private async checked(response: Response): Promise<Response> {
    if (response.ok) return response;
    let answer: { [name: string]: unknown } = {};
    try {
      answer = (await response.json()) as { [name: string]: unknown };
    } catch {
      // the response has no message of its own
    }
    throw new HttpError(String(answer.error ?? response.statusText), response.status, answer);
  }
}
