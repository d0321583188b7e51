// News of the run from the server: a stream of events while the page is visible. Where none can be had, the page asks instead.

import { Signal } from "../model/signal";
import type { Server } from "./server";

const FIRST_TIMEOUT = 5000; // milliseconds until the first event; a proxy may keep events back
const MAX_SILENCE = 40_000; // milliseconds; the server says every 15 seconds that it is alive
const RETRY_DELAY = 3000; // milliseconds; doubled each time that no event came
const MAX_RETRY_DELAY = 120_000;

/** The state of a run: its version and revision, a text that changes when labels are spread, and the jobs by name. */
export interface RunState {
  version: string;
  revision: number;
  labels: string | null;
  jobs: { [name: string]: "queued" | "running" | "failed" | "done" | "cancelled" };
}

export class LiveUpdates {
  readonly changed = new Signal<RunState>();
  /** The stream has ended, or none could be had. */
  readonly ended = new Signal();
  /** Whether events arrive. */
  isLive = false;
  /** The stream that is open or waited for; null while the page is hidden. */
  private stream: AbortController | null = null;

  constructor(private readonly server: Server) {
    if (!server.hasStreams) return;
    document.addEventListener("visibilitychange", () => this.update());
    this.update();
  }

  /** A browser opens few connections to one server, so that hidden tabs keep none. */
  private update(): void {
    if (document.visibilityState === "visible") this.stream ??= this.start();
    else {
      this.stream?.abort();
      this.stream = null;
      this.isLive = false;
    }
  }

  private start(): AbortController {
    const stream = new AbortController();
    void this.follow(stream.signal);
    return stream;
  }

  private async follow(ended: AbortSignal): Promise<void> {
    let delay = RETRY_DELAY;
    while (!ended.aborted) {
      let hasCome = false;
      await this.read(ended, () => (hasCome = true)).catch(() => undefined);
      if (ended.aborted) return;
      this.isLive = false;
      this.ended.emit();
      delay = hasCome ? RETRY_DELAY : Math.min(2 * delay, MAX_RETRY_DELAY);
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }

  /** Read one stream until it ends or is silent for too long. */
  private async read(ended: AbortSignal, note: () => void): Promise<void> {
    const connection = new AbortController();
    const end = (): void => connection.abort();
    ended.addEventListener("abort", end);
    let timer = setTimeout(end, FIRST_TIMEOUT);
    try {
      const reader = (await this.server.open("/api/events", connection.signal)).getReader();
      const decoder = new TextDecoder();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        clearTimeout(timer);
        timer = setTimeout(end, MAX_SILENCE);
        note();
        this.isLive = true;
        const events = (text + decoder.decode(part.value, { stream: true })).split("\n\n");
        text = events.pop()!;
        for (const event of events) if (event.startsWith("data: ")) this.changed.emit(JSON.parse(event.slice(6)) as RunState);
      }
    } finally {
      clearTimeout(timer);
      ended.removeEventListener("abort", end);
    }
  }
}
