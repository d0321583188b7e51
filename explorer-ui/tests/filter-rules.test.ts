import { describe, expect, it } from "vitest";
import type { Column, Values } from "../src/data/types";
import { applyFilter, asFilter, kindOf, NONE, OTHERS, passesMissing, passingCodes, type Filter } from "../src/model/filter-rules";
import { binAfter, movedRange } from "../src/panels/histogram";

const words: Column = { name: "word", kind: "category", categories: ["cat", "dog"] };
const numbers: Column = { name: "weight", kind: "number" };
const texts: Column = { name: "path", kind: "text" };

function passing(filter: Filter, values: Values, column: Column): number[] {
  const visible = new Uint8Array(values.length).fill(1);
  applyFilter(filter, values, column, visible);
  return [...visible.keys()].filter((row) => visible[row]);
}

describe("filters", () => {
  it("keep numbers within both bounds", () => {
    const values = Float32Array.of(1, 2, 3, NaN);
    expect(passing({ low: 2, high: 3 }, values, numbers)).toEqual([1, 2]);
    expect(passing({ low: 2 }, values, numbers)).toEqual([1, 2]);
    expect(passing({ high: 1 }, values, numbers)).toEqual([0]);
  });

  it("compare bounds in the precision of the values", () => {
    const values = Float32Array.of(0.1, 0.9);
    expect(passing({ low: 0.9 }, values, numbers)).toEqual([1]); // 0.9 is rounded down to 32 bits
    expect(passing({ high: 0.1 }, values, numbers)).toEqual([0]); // and 0.1 up
  });

  it("drop missing numbers once there is a bound, unless asked to keep them", () => {
    const values = Float32Array.of(1, NaN);
    expect(passing({}, values, numbers)).toEqual([0, 1]);
    expect(passing({ low: 0 }, values, numbers)).toEqual([0]);
    expect(passing({ low: 0, missing: true }, values, numbers)).toEqual([0, 1]);
    expect(passing({ missing: false }, values, numbers)).toEqual([0]);
    expect([passesMissing({}), passesMissing({ high: 1 })]).toEqual([true, false]);
  });

  it("keep some categories, or all but some, including missing and other ones", () => {
    const codes = Int32Array.of(-1, 0, 1, 2);
    expect(passing({ only: ["dog"] }, codes, words)).toEqual([2]);
    expect(passing({ only: [NONE, OTHERS] }, codes, words)).toEqual([0, 3]);
    expect(passing({ without: ["cat", NONE] }, codes, words)).toEqual([2, 3]);
    expect(passingCodes({ without: [] }, words)).toEqual([true, true, true, true]);
  });

  it("go by the keys of a column where it has them, since names may change", () => {
    const groups: Column = { name: "group", kind: "category", categories: ["zeros", "ones"], keys: ["7", "9"] };
    expect(passing({ only: ["9"] }, Int32Array.of(0, 1), groups)).toEqual([1]);
    expect(passing({ only: ["ones"] }, Int32Array.of(0, 1), groups)).toEqual([]);
  });

  it("find parts of texts in any case", () => {
    expect(passing({ text: "CAT" }, ["a/cat.png", "b/dog.png", ""], texts)).toEqual([0]);
  });

  it("are parsed from an address, which may hold anything", () => {
    expect(asFilter({ low: 1, high: 2, missing: true })).toEqual({ low: 1, high: 2, missing: true });
    expect(asFilter({ low: 1 })).toEqual({ low: 1, high: undefined, missing: undefined });
    expect(asFilter({ without: ["a", 3] })).toEqual({ without: ["a", "3"] });
    expect(asFilter({ only: [] })).toEqual({ only: [] });
    expect(asFilter({ text: "x" })).toEqual({ text: "x" });
    for (const bad of [{ low: "1" }, { high: null }, null, "text", 3]) expect(asFilter(bad)).toBeNull();
  });

  it("fit one kind of column each", () => {
    expect([{ low: 1 }, { text: "" }, { only: [] }, { without: [] }].map(kindOf)).toEqual(["number", "text", "category", "category"]);
  });
});

describe("a range on a histogram", () => {
  it("is moved as a whole, and stops at the ends", () => {
    expect(movedRange(0.25, 0.5, 0.375, 0.5)).toEqual([0.375, 0.625]);
    expect(movedRange(0.25, 0.5, 0.375, 1)).toEqual([0.75, 1]);
    expect(movedRange(0.25, 0.5, 0.375, 0)).toEqual([0, 0.25]);
  });

  it("has ends that keys move by bins", () => {
    expect(["ArrowLeft", "ArrowUp", "PageDown", "PageUp", "Home", "End", "x"].map((key) => binAfter(7, key))).toEqual([6, 8, 2, 12, 0, 40, null]);
  });
});
