// Requests to the kernel of a notebook by the messages of a widget. The kernel answers them as the server does.

import type { Send } from "./server";

/** The model of a widget, as anywidget passes it. */
export interface WidgetModel {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(message: object, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  on(event: string, listener: (...values: any[]) => void): void;
  off(event: string, listener: (...values: any[]) => void): void;
}

/** A piece of an answer; the first has the status and the headers. */
interface Answer {
  kind: "answer" | "failed" | "pong";
  id: string;
  more: boolean;
  status?: number;
  headers?: [string, string][];
  why?: string;
}

const CHUNK = 2 ** 21; // bytes of a body in one message, well below the limit of a notebook's server
const PING_INTERVAL = 5000; // milliseconds between questions whether the kernel is there, while an answer is due
const PATIENCE = 20_000; // milliseconds without any message from the kernel until requests without an answer fail
const WITHOUT_BODY = [204, 205, 304];

/** One request that waits for its answer, or for the rest of it. */
class Pending {
  isAnswered = false;
  private stream: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | null = null;

  constructor(
    private readonly model: WidgetModel,
    private readonly id: string,
    private readonly resolve: (response: Response) => void,
    private readonly reject: (error: unknown) => void,
    /** Called when the rest of the answer is not wanted. */
    private readonly ended: () => void,
  ) {}

  take({ status, headers, more }: Answer, bytes: Uint8Array<ArrayBuffer>): void {
    if (status !== undefined) this.start(status, headers ?? []);
    if (bytes.length) this.stream?.enqueue(bytes);
    if (more) this.model.send({ kind: "taken", id: this.id, bytes: bytes.length });
    else this.stream?.close();
  }

  private start(status: number, headers: [string, string][]): void {
    this.isAnswered = true;
    const source = {
      start: (stream: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void => void (this.stream = stream),
      cancel: (): void => {
        this.ended();
        this.model.send({ kind: "cancel", id: this.id });
      },
    };
    const body = WITHOUT_BODY.includes(status) ? null : new ReadableStream(source);
    this.resolve(new Response(body, { status, headers }));
  }

  fail(error: unknown): void {
    this.stream?.error(error);
    this.reject(error);
  }
}

/** Send requests by the messages of a widget. */
export function overWidget(model: WidgetModel): Send {
  const own = Array.from(crypto.getRandomValues(new Uint32Array(3)), (one) => one.toString(36)).join(""); // other pages hear all answers
  const pending = new Map<string, Pending>();
  let count = 0;
  let heardAt = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  const listen = (): void => {
    if (timer !== undefined) return;
    heardAt = performance.now();
    timer = setInterval(() => {
      const due = [...pending].filter(([, one]) => !one.isAnswered); // an answer that has begun may rest for long
      if (due.length && isThere()) return;
      for (const [id, one] of due) {
        one.fail(new Error("the kernel does not answer"));
        pending.delete(id);
      }
      clearInterval(timer);
      timer = undefined;
    }, PING_INTERVAL);
  };
  /** Ask whether the kernel is there; false if it is gone or was silent for too long. */
  const isThere = (): boolean => {
    try {
      model.send({ kind: "ping", id: own });
    } catch {
      return false; // the widget was closed with the kernel
    }
    return performance.now() - heardAt < PATIENCE;
  };
  model.on("msg:custom", (answer: Answer, buffers: DataView[]) => {
    if (String(answer.id).startsWith(own)) heardAt = performance.now();
    const found = pending.get(answer.id);
    if (!found) return;
    if (answer.kind === "failed") found.fail(new Error(answer.why));
    else found.take(answer, bytesOf(buffers[0]));
    if (answer.kind === "failed" || !answer.more) pending.delete(answer.id);
  });
  return async (path, options) => {
    options.signal?.throwIfAborted();
    const body = options.body ? await new Response(options.body).arrayBuffer() : new ArrayBuffer(0);
    const id = `${own}-${(count += 1)}`;
    return new Promise((resolve, reject) => {
      const one = new Pending(model, id, resolve, reject, () => pending.delete(id));
      pending.set(id, one);
      listen();
      options.signal?.addEventListener("abort", () => {
        if (!pending.delete(id)) return;
        model.send({ kind: "cancel", id });
        one.fail(options.signal!.reason);
      });
      const request = { method: options.method ?? "GET", path, headers: Object.fromEntries(new Headers(options.headers)) };
      model.send({ kind: "request", id, ...request, more: body.byteLength > CHUNK }, undefined, [body.slice(0, CHUNK)]);
      for (let at = CHUNK; at < body.byteLength; at += CHUNK) {
        model.send({ kind: "body", id, more: at + CHUNK < body.byteLength }, undefined, [body.slice(at, at + CHUNK)]);
      }
    });
  };
}

/** A copy of a buffer of a message, which may belong to another window. */
function bytesOf(buffer: DataView | undefined): Uint8Array<ArrayBuffer> {
  return buffer ? new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength).slice() : new Uint8Array();
}
