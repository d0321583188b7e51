import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveUpdates, type RunState } from "../src/data/live-updates";
import type { Server } from "../src/data/server";

class FakeServer {
  readonly hasStreams = true;
  readonly opened: { push: (text: string) => void; end: () => void; signal: AbortSignal }[] = [];
  refuses = false;

  async open(_: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    if (this.refuses) throw new Error("503");
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({ start: (made) => void (controller = made) });
    signal.addEventListener("abort", () => controller.error(new Error("aborted")));
    this.opened.push({ push: (text) => controller.enqueue(new TextEncoder().encode(text)), end: () => controller.close(), signal });
    return stream;
  }
}

let visibility = "visible";
let server: FakeServer;
let live: LiveUpdates;
let seen: RunState[];
const listeners: (() => void)[] = [];
const settle = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => undefined);

beforeEach(() => {
  vi.useFakeTimers();
  visibility = "visible";
  listeners.length = 0;
  const document = { get visibilityState() { return visibility; }, addEventListener: (_: string, act: () => void) => listeners.push(act) }; // prettier-ignore
  vi.stubGlobal("document", document);
  server = new FakeServer();
  live = new LiveUpdates(server as unknown as Server);
  seen = [];
  live.changed.on((state) => seen.push(state));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("events are taken over whole, however they are cut into parts", async () => {
  await settle();
  server.opened[0].push(': alive\n\ndata: {"revision"');
  await settle();
  expect([live.isLive, seen.length]).toEqual([true, 0]);
  server.opened[0].push(':7}\n\ndata: {"revision":8}\n\n: ali');
  await settle();
  expect(seen.map((one) => one.revision)).toEqual([7, 8]);
});

test("a stream on which nothing comes is given up, and tried again later and later", async () => {
  let ended = 0;
  live.ended.on(() => (ended += 1));
  await vi.advanceTimersByTimeAsync(5001);
  expect([server.opened[0].signal.aborted, live.isLive, ended]).toEqual([true, false, 1]);
  await vi.advanceTimersByTimeAsync(5900);
  expect(server.opened.length).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(server.opened.length).toBe(2);
});

test("a stream that ends or falls silent is opened again", async () => {
  await settle();
  server.opened[0].push(": alive\n\n");
  await settle();
  server.opened[0].end();
  await vi.advanceTimersByTimeAsync(3100);
  expect(server.opened.length).toBe(2);
  server.opened[1].push(": alive\n\n");
  await vi.advanceTimersByTimeAsync(39_000);
  expect(live.isLive).toBe(true);
  await vi.advanceTimersByTimeAsync(1100);
  expect([server.opened[1].signal.aborted, live.isLive]).toEqual([true, false]);
});

test("a hidden page has no stream, and gets one when it is shown again", async () => {
  await settle();
  visibility = "hidden";
  listeners.forEach((act) => act());
  await vi.advanceTimersByTimeAsync(60_000);
  expect([server.opened.length, server.opened[0].signal.aborted]).toEqual([1, true]);
  visibility = "visible";
  listeners.forEach((act) => act());
  await settle();
  expect(server.opened.length).toBe(2);
});

test("a server that has no place for another stream is asked again", async () => {
  server.refuses = true;
  live = new LiveUpdates(server as unknown as Server);
  await vi.advanceTimersByTimeAsync(5000);
  server.refuses = false;
  const before = server.opened.length;
  await vi.advanceTimersByTimeAsync(4000);
  expect(server.opened.length).toBeGreaterThan(before);
});
