import { afterEach, expect, test, vi } from "vitest";
import { overWidget, type WidgetModel } from "../src/data/over-widget";

interface Sent {
  message: any;
  bytes: number;
}

/** A widget's model that notes what is sent, and answers by hand. */
function makeModel(): { model: WidgetModel; sent: Sent[]; answer: (message: object, text?: string) => void } {
  const sent: Sent[] = [];
  let listener: (...values: any[]) => void = () => undefined;
  const model = {
    get: () => undefined,
    set: () => undefined,
    save_changes: () => undefined,
    send: (message: object, _?: unknown, buffers?: ArrayBuffer[]) => void sent.push({ message, bytes: buffers?.[0]?.byteLength ?? 0 }),
    on: (_: string, one: (...values: any[]) => void) => void (listener = one),
    off: () => undefined,
  };
  const answer = (message: object, text = ""): void => {
    const bytes = new TextEncoder().encode(`--${text}`);
    listener(message, [new DataView(bytes.buffer, 2)]); // a part of a larger message
  };
  return { model, sent, answer };
}

afterEach(() => void vi.useRealTimers());

test("a request is a message, and its answer a response", async () => {
  const { model, sent, answer } = makeModel();
  const send = overWidget(model);
  const asked = send("api/run", { headers: { "Content-Type": "text/plain" } });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  const { id, ...request } = sent[0].message;
  expect(request).toEqual({ kind: "request", method: "GET", path: "api/run", headers: { "content-type": "text/plain" }, more: false });
  answer({ kind: "answer", id: "of another page", more: false, status: 500, headers: [] }, "other");
  answer({ kind: "answer", id, more: false, status: 404, headers: [["x-a", "b"]] }, "nothing");
  const response = await asked;
  expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([404, "b", "nothing"]);
});

test("a long answer is put together, and each piece confirmed", async () => {
  const { model, sent, answer } = makeModel();
  const asked = overWidget(model)("page.html", {});
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  const { id } = sent[0].message;
  answer({ kind: "answer", id, more: true, status: 200, headers: [] }, "one ");
  answer({ kind: "answer", id, more: true }, "two ");
  answer({ kind: "answer", id, more: false }, "three");
  expect(await (await asked).text()).toBe("one two three");
  expect(sent.slice(1).map((one) => one.message)).toEqual([
    { kind: "taken", id, bytes: 4 },
    { kind: "taken", id, bytes: 4 },
  ]);
});

test("a long body is sent in parts", async () => {
  const { model, sent } = makeModel();
  void overWidget(model)("api/similar", { method: "POST", body: new Blob([new Uint8Array(5 * 2 ** 20)]) });
  await vi.waitFor(() => expect(sent).toHaveLength(3));
  expect(sent.map((one) => [one.message.kind, one.message.more, one.bytes])).toEqual([
    ["request", true, 2 ** 21],
    ["body", true, 2 ** 21],
    ["body", false, 2 ** 20],
  ]);
});

test("a response without a body has none", async () => {
  const { model, sent, answer } = makeModel();
  const asked = overWidget(model)("api/points", {});
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  answer({ kind: "answer", id: sent[0].message.id, more: false, status: 304, headers: [] });
  expect((await asked).status).toBe(304);
});

test("a request that is given up is cancelled", async () => {
  const { model, sent } = makeModel();
  const controller = new AbortController();
  const asked = overWidget(model)("api/points", { signal: controller.signal });
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  controller.abort();
  await expect(asked).rejects.toThrow();
  expect(sent[1].message).toEqual({ kind: "cancel", id: sent[0].message.id });
});

test("a failure is an error", async () => {
  const { model, sent, answer } = makeModel();
  const asked = overWidget(model)("api/points", {});
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  answer({ kind: "failed", id: sent[0].message.id, why: "ZeroDivisionError" });
  await expect(asked).rejects.toThrow("ZeroDivisionError");
});

test("an answer that has begun may rest for as long as it likes", async () => {
  vi.useFakeTimers();
  const { model, sent, answer } = makeModel();
  const asked = overWidget(model)("api/events", {});
  await vi.advanceTimersByTimeAsync(10);
  const { id } = sent[0].message;
  answer({ kind: "answer", id, more: true, status: 200, headers: [] }, "first");
  const reader = (await asked).body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("first");
  const before = sent.length;
  await vi.advanceTimersByTimeAsync(120_000);
  expect(sent.length).toBe(before);
  answer({ kind: "answer", id, more: true }, "second");
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("second");
  await reader.cancel();
  expect(sent[sent.length - 1].message).toEqual({ kind: "cancel", id });
  answer({ kind: "answer", id, more: true }, "third"); // was on its way
});

test("a silent kernel lets requests fail, a busy one does not", async () => {
  vi.useFakeTimers();
  const { model, sent, answer } = makeModel();
  const send = overWidget(model);
  let error: unknown = null;
  send("api/learn/kmeans", {}).catch((one) => (error = one));
  for (let i = 0; i < 12; i++) {
    await vi.advanceTimersByTimeAsync(5000);
    const { message } = sent[sent.length - 1];
    if (message.kind === "ping") answer({ kind: "pong", id: message.id });
  }
  expect(error).toBeNull();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(String(error)).toContain("the kernel does not answer");
  const before = sent.length;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(sent.length).toBe(before);
});
