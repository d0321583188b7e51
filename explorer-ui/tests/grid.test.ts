import { describe, expect, it, vi } from "vitest";
import type { Edit } from "../src/data/types";
import { GridLines } from "../src/grid/grid-lines";
import { FILE_ORDER, GridOrder, TYPICALITY } from "../src/grid/grid-order";
import { IssueQueue } from "../src/grid/issue-queue";
import { PictureQueue } from "../src/grid/picture-queue";
import { ReviewKeys } from "../src/grid/review-keys";
import { distancesToCenter, orderRows, sortKeys } from "../src/grid/row-order";
import { MAX_HEIGHT, VirtualScroll } from "../src/grid/virtual-scroll";
import { makeEdits, makeModel } from "./make-model";

describe("orders of rows", () => {
  const rowOf = Int32Array.of(3, 2, 1, -1, 0); // row 0 has the id 4; the image 3 is not loaded

  it("are those of ids without a pass, and leave out rows that are not loaded", () => {
    expect([...orderRows({ rowOf }, [])]).toEqual([3, 2, 1, 0]);
  });

  it("sort by keys of either sign with missing ones last in both directions, and keep ties", () => {
    const keys = [-5, NaN, 1, -5];
    expect([...orderRows({ rowOf }, [{ keys, isDescending: false }])]).toEqual([3, 0, 2, 1]);
    expect([...orderRows({ rowOf }, [{ keys, isDescending: true }])]).toEqual([2, 3, 0, 1]);
    expect([...orderRows({ rowOf }, [{ keys: [Infinity, 0, -0, -Infinity], isDescending: false }])]).toEqual([3, 2, 1, 0]);
  });

  it("sort by several passes, the most significant last", () => {
    const passes = [{ keys: [1, 0, 0, 2], isDescending: true }, { keys: [5, 2, 1, 5], isDescending: false }];
    expect([...orderRows({ rowOf }, passes)]).toEqual([2, 1, 3, 0]);
  });

  it("sort a million rows", () => {
    const n = 1_000_000;
    const keys = Float32Array.from({ length: n }, (_, i) => ((i * 7919) % n) - n / 2);
    const order = orderRows({ rowOf: Int32Array.from(keys, (_, i) => i) }, [{ keys, isDescending: false }]);
    let nAscending = 1; // all keys differ
    for (let i = 1; i < n; i++) nAscending += keys[order[i - 1]] < keys[order[i]] ? 1 : 0;
    expect(nAscending).toBe(n);
  });

  it("sort names as people do, other categories after the named ones, and groups as they are listed", () => {
    const files = sortKeys({ name: "path", kind: "text" }, ["f10", "f9", "", "f10"]);
    expect([...(files as Float32Array)]).toEqual([2, 1, NaN, 2]);
    const words = sortKeys({ name: "word", kind: "category", categories: ["dog", "cat"] }, Int32Array.of(0, 1, 2, -1));
    expect([...(words as Float32Array)]).toEqual([1, 0, 2, NaN]);
    const groups = sortKeys({ name: "group", kind: "category", categories: ["zebra", "ape"] }, Int32Array.of(0, 1, -1));
    expect([...(groups as Float32Array)]).toEqual([0, 1, NaN]);
  });

  it("know the distance of each image to the centre of its group", () => {
    const { model } = makeModel({ x: [0, 4, 7], y: [0, 0, 7], group: [1, 1, 2] });
    expect([...distancesToCenter(model)]).toEqual([2, 2, 0]);
  });
});

describe("the order of the grid", () => {
  const given = {
    x: [0, 4, 7, 0],
    y: [0, 0, 7, 1],
    columns: { word: { column: { kind: "category" as const, categories: ["dog", "cat"] }, values: Int32Array.of(0, 1, -1, 1) } },
  };
  const choice = { sortBy: FILE_ORDER, isDescending: false, divideBy: "", similarTo: -1 };

  it("is that of files, in either direction", async () => {
    const order = new GridOrder(makeModel({ ...given, id: [3, 2, 1, 0] }).model);
    expect([...(await order.rows(choice))]).toEqual([3, 2, 1, 0]);
    expect([...(await order.rows({ ...choice, isDescending: true }))]).toEqual([0, 1, 2, 3]);
  });

  it("has a section for each category, missing values last", async () => {
    const { model } = makeModel(given);
    const order = new GridOrder(model);
    const rows = await order.rows({ ...choice, sortBy: "word", divideBy: "word" });
    expect([...rows]).toEqual([1, 3, 0, 2]);
    expect(order.sections(rows, "word")).toEqual([
      { title: "cat", start: 0, end: 2 },
      { title: "dog", start: 2, end: 3 },
      { title: "missing", start: 3, end: 4 },
    ]);
    expect(order.sections(rows.subarray(0, 0), "word")).toEqual([]);
    expect(order.sections(rows, "")).toEqual([{ title: "", start: 0, end: 4 }]);
  });

  it("is computed again after edits only", async () => {
    const { model } = makeModel(given);
    const order = new GridOrder(model);
    const typical = { ...choice, sortBy: TYPICALITY };
    const before = await order.rows(typical);
    expect(await order.rows(typical)).toBe(before);
    await model.updateEdits({ ...makeEdits([1, 1, 1, 2]), revision: 1 });
    expect(await order.rows(typical)).not.toBe(before);
  });
});

describe("lines of the grid", () => {
  const sections = [
    { title: "a", start: 0, end: 5 },
    { title: "b", start: 5, end: 6 },
    { title: "c", start: 6, end: 12 },
  ];
  const lines = new GridLines(sections, 3, 10, 20, 4);

  it("place cells below the heading of their section", () => {
    expect(lines.height).toBe(3 * 4 + 5 * 10);
    expect([0, 4, 5, 6, 11].map((cell) => lines.placeOf(cell))).toEqual([[0, 4], [20, 14], [0, 28], [0, 42], [40, 52]]);
  });

  it("find the cells and headings between two heights", () => {
    expect(lines.between(0, 9)).toEqual({ from: 0, to: 3, headings: [0] });
    expect(lines.between(15, 43)).toEqual({ from: 3, to: 9, headings: [0, 1, 2] });
    expect(new GridLines([], 3, 10, 20, 0).between(0, 100)).toEqual({ from: 0, to: 0, headings: [] });
  });

  it("lead from cell to cell by arrow keys, also across sections and shorter lines", () => {
    const step = (cell: number, key: string): number => lines.step(cell, key, 2);
    expect([step(0, "ArrowLeft"), step(0, "ArrowRight"), step(11, "ArrowRight")]).toEqual([0, 1, 11]);
    expect([step(1, "ArrowDown"), step(2, "ArrowDown"), step(4, "ArrowDown"), step(5, "ArrowDown")]).toEqual([4, 4, 5, 6]);
    expect([step(8, "ArrowUp"), step(5, "ArrowUp"), step(1, "ArrowUp"), step(9, "ArrowUp")]).toEqual([5, 3, 1, 6]);
    expect([step(1, "PageDown"), step(11, "PageUp"), step(5, "Home"), step(5, "End")]).toEqual([5, 5, 0, 11]);
  });
});

describe("a list higher than an element can be", () => {
  it("moves by as many pixels as a short list", () => {
    const scroll = new VirtualScroll();
    scroll.resize(5000, 500);
    scroll.placed(0);
    scroll.scrolled(321);
    expect([scroll.height, scroll.top, scroll.place]).toEqual([5000, 321, 321]);
  });

  it("moves by pixels with the wheel, in proportion with the scroll bar, and reaches both ends", () => {
    const scroll = new VirtualScroll();
    scroll.resize(300_000_000, 500);
    expect(scroll.height).toBe(MAX_HEIGHT);
    scroll.scrolled(100);
    expect(scroll.top).toBe(100);
    scroll.placed(scroll.place);
    scroll.scrolled(4_000_000);
    expect(scroll.top / 300_000_000).toBeCloseTo(0.5, 3);
    scroll.scrolled(MAX_HEIGHT - 500);
    expect(scroll.top).toBe(300_000_000 - 500);
    scroll.scrolled(MAX_HEIGHT - 600);
    expect(scroll.top).toBe(300_000_000 - 600);
    scroll.scrolled(0);
    expect(scroll.top).toBe(0);
  });
});

describe("pictures of the grid", () => {
  it("are loaded a few at a time, the latest first, and not at all once their cell is gone", async () => {
    const queue = new PictureQueue();
    const loaded: number[] = [];
    const end: (() => void)[] = [];
    const load = (i: number) => (): Promise<void> => {
      loaded.push(i);
      return new Promise((resolve) => end.push(resolve));
    };
    for (let i = 0; i < 9; i++) queue.add({ isConnected: i !== 2 } as Element, load(i));
    await Promise.resolve();
    expect(loaded).toEqual([8, 7, 6, 5, 4, 3]);
    end.forEach((done) => done());
    await vi.waitFor(() => expect(loaded).toEqual([8, 7, 6, 5, 4, 3, 1, 0]));
  });
});

describe("a queue of issues", () => {
  const issue = (id: number, more = {}): object => ({ id, score: 0.25, related: null, note: null, ...more });

  it("has the open ones of a kind, the worst first, and is loaded again after an edit", async () => {
    const { model } = makeModel({ x: [0, 1, 2, 3], y: [0, 0, 0, 0], id: [3, 2, 1, 0] });
    let found = { open: [issue(2), issue(3, { related: 1 })], accepted: [0] };
    const asked: string[] = [];
    const queue = new IssueQueue(model, { issues: async (kind: string) => (asked.push(kind), found) as never });
    expect(queue.counts).toEqual({});
    await queue.load("dark");
    await queue.load("dark");
    expect(asked).toEqual(["dark"]);
    expect(queue.rows).toEqual([1, 0]);
    expect(queue.accepted).toEqual([3]);
    expect([1, 0, 2].map((row) => queue.textOf(row))).toEqual(["0.25", "like 1", ""]);
    expect(queue.edit(1, "dismissed")).toEqual({ kind: "review", ids: [2], issue: "dark", verdict: "dismissed" });

    found = { open: [issue(2, { note: "48 × 4" })], accepted: [] };
    model.edits = { ...model.edits, revision: 1, openIssues: { dark: 1 } };
    await queue.load("dark");
    expect([queue.rows, queue.has(0), queue.accepted]).toEqual([[1], false, []]);
    expect(queue.textOf(1)).toBe("48 × 4");
    expect(queue.counts).toEqual({ dark: 1 });
  });

  it("keeps the answer of the last request if an earlier one comes after it", async () => {
    const { model } = makeModel({ x: [0, 1], y: [0, 0], id: [0, 1] });
    const answers: ((found: object) => void)[] = [];
    const queue = new IssueQueue(model, { issues: () => new Promise((resolve) => answers.push(resolve as never)) });
    const first = queue.load("dark");
    model.edits = { ...model.edits, revision: 1 };
    const second = queue.load("dark");
    answers[1]({ open: [issue(1)], accepted: [0] });
    await second;
    answers[0]({ open: [issue(0), issue(1)], accepted: [] });
    await first;
    expect([queue.rows, queue.accepted]).toEqual([[1], [0]]);
  });
});

describe("keys to go through images", () => {
  const given = { x: [0, 1, 2, 3], y: [0, 0, 0, 0], label: [0, 1, 1, -1], labels: ["ape", "bee"] };
  const named = ({ keys }: ReviewKeys): string[] => keys.filter(({ key }) => /[1-9]/.test(key)).map(({ key, name }) => `${key} ${name}`);

  function make() {
    const sent: Edit[] = [];
    const { model, source } = makeModel(given);
    const keys = new ReviewKeys(model, { send: async (edit) => void sent.push(edit) });
    return { model, source, sent, keys };
  }

  it("label by digits, the most used label first, and mark by letters", () => {
    const { sent, keys } = make();
    expect(named(keys)).toEqual(["1 bee", "2 ape"]);
    expect([keys.press("1", 3), keys.press("o", 0), keys.press("Delete", 0), keys.press("s", 0)]).toEqual([true, true, true, true]);
    expect([keys.press("7", 0), keys.press("q", 0)]).toEqual([false, false]);
    expect(sent).toEqual([
      { kind: "label", ids: [3], label: "bee" },
      { kind: "mark", ids: [0], mark: "outlier", on: true },
      { kind: "label", ids: [0], label: "" },
    ]);
  });

  it("save nothing if the image has the label, and remove a mark that it has", () => {
    const { model, sent, keys } = make();
    model.marks[1] = 1;
    keys.press("1", 1);
    keys.press("o", 1);
    expect(sent).toEqual([{ kind: "mark", ids: [1], mark: "outlier", on: false }]);
  });

  it("keep their labels while these are used, and give free digits to new ones", async () => {
    const { model, source, keys } = make();
    const changed = vi.fn();
    keys.changed.on(changed);
    source.edit = { ...source.edit, label: Int32Array.of(0, 0, 0, 1) };
    await model.updateEdits({ ...makeEdits([1, 1, 1, 1], ["ape", "bee"]), revision: 1 });
    expect(named(keys)).toEqual(["1 bee", "2 ape"]); // although ape is used more by now
    expect(changed).not.toHaveBeenCalled();
    source.edit = { ...source.edit, label: Int32Array.of(0, 0, 2, 2) };
    await model.updateEdits({ ...makeEdits([1, 1, 1, 1], ["ape", "bee", "cow"]), revision: 2 });
    expect(named(keys)).toEqual(["1 cow", "2 ape"]);
    expect(changed).toHaveBeenCalledOnce();
  });
});
