import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ComparedFacts, ComparedGroup } from "../src/data/types";
import { categoryColor, MISSING } from "../src/model/colors";
import { changeColumn, otherGroupColumn, slotsBeside } from "../src/model/compared-columns";
import type { Model } from "../src/model/model";
import { MAX_ANIMATED, TwoMaps } from "../src/model/two-maps";
import { makeModel } from "./make-model";

let model: Model;
let maps: TwoMaps;
/** What happened, in order: positions of the first row while the points move, and while they rest. */
let seen: string[];
let frames: ((now: number) => void)[];

/** Call what waits for the next frame. */
function frame(now: number): void {
  for (const one of frames.splice(0)) one(now);
}

function prepare(isReduced: boolean): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.stubGlobal("matchMedia", () => ({ matches: isReduced }));
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (act: (now: number) => void) => frames.push(act));
  vi.stubGlobal("cancelAnimationFrame", () => (frames = []));
  ({ model } = makeModel({ x: [0, 1, 2], y: [0, 0, 0] }));
  maps = new TwoMaps(model, Float32Array.of(10, 1, NaN), Float32Array.of(4, 0, NaN));
  seen = [];
  model.positionsChanged.on(() => seen.push(`${model.isMoving ? "moving" : "at"} ${model.x[0].toFixed(2)}`));
  maps.starting.on(() => seen.push("starting"));
  maps.rested.on(() => seen.push("rested"));
}

afterEach(() => {
  vi.useRealTimers();
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
});

describe("points between two maps", () => {
  beforeEach(() => prepare(false));

  it("move from one map to the other, slowly at both ends, and then rest", () => {
    maps.moveTo(1);
    expect(seen).toEqual([]);
    for (const now of [0, 225, 450, 675, 900]) frame(now);
    expect(seen).toEqual(["moving 0.00", "starting", "moving 1.56", "moving 5.00", "moving 8.44", "at 10.00", "rested"]);
    expect(frames).toEqual([]);
    expect([...model.y]).toEqual([4, 0, NaN]);
    expect([...model.x]).toEqual([10, 1, NaN]); // the other run does not have the last
  });

  it("turn round on the way, and come back to exactly where they were", () => {
    maps.moveTo(1);
    frame(0);
    frame(450);
    expect(maps.at).toBe(0.5);
    vi.advanceTimersByTime(450);
    maps.moveTo(0);
    frame(450 + 225);
    expect(maps.at).toBe(0.25); // half of the way back, in half of the time
    frame(900);
    expect(maps.at).toBe(0);
    expect([...model.x]).toEqual([0, 1, 2]);
    expect(model.isMoving).toBe(false);
  });

  it("follow a slider, and rest when it does", () => {
    maps.drag(0.2);
    maps.drag(0.5);
    expect(seen).toEqual(["starting", "moving 2.00", "moving 5.00"]);
    vi.advanceTimersByTime(159);
    expect(model.isMoving).toBe(true);
    vi.advanceTimersByTime(1);
    expect(seen.slice(3)).toEqual(["at 5.00", "rested"]);
    expect(maps.isShown).toBe(true);
  });

  it("go back at once when another map is shown, and nothing moves them afterwards", () => {
    maps.moveTo(1);
    frame(0);
    frame(450);
    maps.back();
    expect([...model.x]).toEqual([0, 1, 2]);
    seen = [];
    frame(500);
    maps.drag(0.5);
    maps.drag(0);
    maps.back();
    model.setPositions(Float32Array.of(7, 7, 7), Float32Array.of(7, 7, 7)); // a third map
    vi.runAllTimers();
    maps.moveTo(0); // they are there
    maps.back();
    expect(model.x[0]).toBe(7);
  });

  it("say that they are leaving before they do, once for each time", () => {
    maps.drag(0.5);
    maps.drag(0.7);
    maps.moveTo(0);
    frame(0);
    frame(900);
    maps.drag(0.1);
    expect(seen.filter((one) => one === "starting")).toHaveLength(2);
    expect(seen[0]).toBe("starting");
  });
});

describe("points that do not move", () => {
  it("are at once on the other map where reduced motion is preferred", () => {
    prepare(true);
    maps.moveTo(1);
    expect(seen).toEqual(["starting", "at 10.00", "rested"]);
    expect(frames).toEqual([]);
    maps.moveTo(0);
    expect([...model.x]).toEqual([0, 1, 2]);
  });

  it("are so too where there are too many", () => {
    prepare(false);
    const n = MAX_ANIMATED + 1;
    const many = new TwoMaps(Object.assign(model, { n }), new Float32Array(n), new Float32Array(n));
    vi.spyOn(model, "setPositions").mockImplementation(() => undefined);
    many.moveTo(1);
    expect(many.at).toBe(1);
    expect(frames).toEqual([]);
  });
});

describe("the columns of another run", () => {
  const groups: ComparedGroup[] = [
    { number: 0, name: "", partner: 5 },
    { number: 1, name: "boats", partner: null },
    { number: 4, name: "", partner: 2 },
    { number: 7, name: "", partner: null },
    { number: -1, name: "", partner: null },
  ];
  const facts = { name: "B", groups, columns: { changed: "changed group", group: "group in B" } } as ComparedFacts;

  it("have the colours of the groups of this run that they stand for, and others where there are none", () => {
    const own = new Map([[2, 0], [5, 1], [9, 3]]);
    const slots = slotsBeside(groups, (group) => own.get(group) ?? -1, [...own.values()]);
    expect(slots).toEqual([1, 2, 0, 4, -1]);
    // a group that was merged since has no colour to share
    expect(slotsBeside(groups.slice(0, 1), () => -1, [0])).toEqual([1]);
  });

  it("name the groups, the images in none, and those that the run does not have", async () => {
    const made = makeModel({ x: [0, 1, 2, 3, 4, 5], y: [0, 0, 0, 0, 0, 0], group: [2, 5, 5, 2, 9, 9] }).model;
    const column = otherGroupColumn(facts, (group) => made.slotOf(group), [2, 5, 9]);
    made.addColumn(column, Int32Array.of(0, 1, 2, 3, 4, -1));
    expect(column.categories).toEqual(["Group 0", "boats", "Group 4", "Group 7", "unsure"]);
    expect(made.nameOfMissing(column)).toBe("not in B");
    await made.colorByColumn("group in B");
    const rgb = (row: number): number[] => [...made.colors.subarray(4 * row, 4 * row + 3)];
    expect(rgb(0)).toEqual(made.groupColor(5));
    expect(rgb(2)).toEqual(made.groupColor(2));
    expect([1, 3].map(rgb)).toEqual([categoryColor(0), categoryColor(1)]);
    expect([4, 5].map(rgb)).toEqual([MISSING, MISSING]);
  });

  it("filter the images that changed their group, by keys that do not depend on the language", async () => {
    const made = makeModel({ x: [0, 1, 2, 3], y: [0, 0, 0, 0] }).model;
    made.addColumn(changeColumn(facts), Int32Array.of(1, 0, -1, 1));
    expect(made.describe("changed group")).toMatchObject({ counts: [1, 2], missing: 1, categories: ["same group", "changed group"] });
    await made.setFilter("changed group", { only: ["changed"] });
    expect(made.visibleRows()).toEqual([0, 3]);
  });
});
