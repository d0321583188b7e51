import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { watchJob, type Job } from "../src/data/jobs";
import { Latest } from "../src/data/latest";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the latest request", () => {
  let [taken, failed]: unknown[][] = [[], []];
  let latest: Latest<string>;
  beforeEach(() => {
    [taken, failed] = [[], []];
    latest = new Latest((value: string) => taken.push(value), (error) => failed.push(error));
  });
  const after = (value: string, delay: number) => (): Promise<string> => new Promise((resolve) => setTimeout(() => resolve(value), delay));
  const failing = (delay: number) => (): Promise<string> => new Promise((_, reject) => setTimeout(() => reject("no"), delay));

  it("counts, even if an earlier one is answered later", async () => {
    void latest.ask(after("early", 300));
    void latest.ask(after("late", 100));
    await vi.advanceTimersByTimeAsync(1000);
    expect(taken).toEqual(["late"]);
  });

  it("is not disturbed by an earlier one that fails", async () => {
    void latest.ask(failing(300));
    void latest.ask(after("late", 100));
    await vi.advanceTimersByTimeAsync(1000);
    expect([taken, failed]).toEqual([["late"], []]);
    void latest.ask(failing(10));
    await vi.advanceTimersByTimeAsync(1000);
    expect(failed).toEqual(["no"]);
  });

  it("is sent once a slider rests", async () => {
    const send = vi.fn(after("value", 10));
    for (let move = 0; move < 5; move++) {
      latest.askSoon(send, 100);
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(send).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    expect(send).toHaveBeenCalledTimes(1);
    expect(taken).toEqual(["value"]);
  });

  it("makes earlier responses void as soon as it is planned", async () => {
    void latest.ask(after("early", 50));
    latest.askSoon(after("late", 10), 100);
    await vi.advanceTimersByTimeAsync(80);
    expect(taken).toEqual([]);
    latest.drop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(taken).toEqual([]);
  });
});

describe("a job", () => {
  it("is asked for its state until it ends", async () => {
    const states: (Job | null)[] = [
      { running: true, failed: false, queued: false, cancelled: false, said: "1/2" },
      null, // no answer
      { running: false, failed: false, queued: false, cancelled: false, said: "2/2" },
    ];
    const ask = vi.fn(async () => states[ask.mock.calls.length - 1]);
    const shown: (string | null)[] = [];
    watchJob(ask, (job) => shown.push(job.said));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(shown).toEqual(["1/2", "2/2"]);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it("is no longer shown once nobody watches", async () => {
    const shown: Job[] = [];
    const answer: Job = { running: true, failed: false, queued: false, cancelled: false, said: "" };
    const stop = watchJob(() => new Promise<Job>((resolve) => setTimeout(() => resolve(answer), 500)), (job) => shown.push(job));
    await vi.advanceTimersByTimeAsync(1200); // asked, and not answered yet
    stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(shown).toEqual([]);
  });
});
