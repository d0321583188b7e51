import { beforeEach, describe, expect, it, vi } from "vitest";
import { categoryColor, FAINT, MISSING, OTHER } from "../src/model/colors";
import { GROUP, LABEL, MARK } from "../src/model/columns";
import type { Model } from "../src/model/model";
import { makeEdits, makeModel, type FakeSource } from "./make-model";

const HIDDEN = 4; // the bit of the mark "hidden"

let model: Model;
let source: FakeSource;

beforeEach(() => {
  const made = makeModel({
    x: [0, 1, 2, 3, 4, 5],
    y: [0, 0, 0, 0, 0, 0],
    id: [5, 4, 3, 2, 1, 0],
    group: [1, 1, 2, 2, 3, -1],
    marks: [0, 0, 0, 0, 0, HIDDEN],
    columns: {
      weight: { column: { kind: "number", low: 1, high: 5 }, values: [1, 2, null, 4, 5, 3] },
      word: { column: { kind: "category", categories: ["a", "b"] }, values: Int16Array.of(0, 1, 1, 1, 2, -1) },
      tree: { column: { kind: "category", categories: ["0", "1"] }, values: Int16Array.of(0, 0, 0, 1, 1, 1) },
    },
  });
  ({ model, source } = made);
});

const opacity = (row: number): number => model.colors[4 * row + 3];
const rgb = (row: number): number[] => [...model.colors.subarray(4 * row, 4 * row + 3)];
const countSignals = (): { [name: string]: ReturnType<typeof vi.fn<() => void>> } => {
  const counts = {
    colors: vi.fn<() => void>(),
    filter: vi.fn<() => void>(),
    selection: vi.fn<() => void>(),
    edits: vi.fn<() => void>(),
    positions: vi.fn<() => void>(),
  };
  model.colorsChanged.on(counts.colors);
  model.filterChanged.on(counts.filter);
  model.selectionChanged.on(counts.selection);
  model.editsChanged.on(counts.edits);
  model.positionsChanged.on(counts.positions);
  return counts;
};

describe("columns", () => {
  it("offer those that derive from the edits first, without the tree", () => {
    expect(model.choices.map(({ name }) => name)).toEqual([GROUP, MARK, "weight", "word"]);
  });

  it("are requested once, and replace nulls by NaN", async () => {
    const [one, two] = await Promise.all([model.column("weight"), model.column("weight")]);
    expect(source.requests).toEqual(["weight"]);
    expect(one).toBe(two);
    expect([...(one as Float32Array)]).toEqual([1, 2, NaN, 4, 5, 3]);
    expect(model.describe("weight")!.missing).toBe(1);
  });

  it("are counted by category, with other categories and missing values", async () => {
    await model.column("word");
    expect(model.describe("word")).toMatchObject({ counts: [1, 3], other: 1, missing: 1 });
    expect(model.describe(GROUP)).toMatchObject({ counts: [2, 2, 1], missing: 1, keys: ["1", "2", "3"] });
  });

  it("count every code past the named categories as other", () => {
    model.addColumn({ name: "new", kind: "category", categories: ["a"] }, Int32Array.of(0, 1, 7, 0, -1, -1));
    expect(model.describe("new")).toMatchObject({ counts: [2], other: 2, missing: 2 });
  });

  it("that were computed in the page replace those of the same name", () => {
    const add = (categories: string[]): void => model.addColumn({ name: "new", kind: "category", categories }, new Int32Array(6));
    add(["a"]);
    add(["b"]);
    expect(model.choices.filter(({ name }) => name === "new")).toHaveLength(1);
    expect(model.describe("new")!.categories).toEqual(["b"]);
  });
});

describe("filters and search", () => {
  it("hide marked images until they are asked for", () => {
    expect(model.nVisible).toBe(5);
    model.showHidden = true;
    model.refilter();
    expect(model.nVisible).toBe(6);
  });

  it("combine, and deselect what they hide", async () => {
    model.select([0, 1, 3]);
    await model.setFilter("weight", { low: 2 });
    expect(model.visibleRows()).toEqual([1, 3, 4]);
    await model.setFilter("word", { only: ["b"] });
    expect(model.visibleRows()).toEqual([1, 3]);
    expect(model.selectedRows()).toEqual([1, 3]);
    model.setSearchResult([0, 3], "x");
    expect(model.visibleRows()).toEqual([3]);
    expect([model.nSelected, model.isFiltered, model.searchResult]).toEqual([1, true, { text: "x", n: 2 }]);
  });

  it("that fit no column are left out", async () => {
    await model.setFilters({ weight: { text: "x" }, nothing: { low: 1 }, word: { without: ["a"] } });
    expect([...model.filters.keys()]).toEqual(["word"]);
  });

  it("are dropped if their column cannot be loaded", async () => {
    const failed = vi.fn();
    model.loadFailed.on(failed);
    await model.setFilter("gone", { low: 1 });
    expect(failed).toHaveBeenCalledTimes(1);
    expect(model.isFiltered).toBe(false);
  });
});

describe("the selection", () => {
  it("holds visible rows only, and can be extended", () => {
    model.select([0, 5]);
    expect(model.selectedRows()).toEqual([0]);
    model.select([2], true);
    expect(model.selectedRows()).toEqual([0, 2]);
    expect(model.idsOf(model.selectedRows())).toEqual([3, 5]);
    model.select([]);
    expect(model.nSelected).toBe(0);
  });

  it("dims the other images", () => {
    model.select([0]);
    expect([opacity(0), opacity(1), opacity(5)]).toEqual([255, 40, 0]);
    model.highlight([1]);
    expect([opacity(0), opacity(1)]).toEqual([40, 255]);
    model.highlight(null);
    expect([opacity(0), opacity(1)]).toEqual([255, 40]);
  });
});

describe("colours", () => {
  it("are those of the groups, grey without one", async () => {
    await model.recolor();
    expect(rgb(0)).toEqual(model.groupColor(1));
    expect(rgb(2)).toEqual(model.groupColor(2));
    expect(rgb(5)).toEqual(MISSING);
  });

  it("are the palette's for the largest categories, and one for the others", async () => {
    await model.colorByColumn("word");
    expect([rgb(0), rgb(1), rgb(4), rgb(5)]).toEqual([categoryColor(0), categoryColor(1), OTHER, MISSING]);
    await model.setColoredCategories(1);
    expect([rgb(0), rgb(1)]).toEqual([OTHER, categoryColor(0)]); // "b" is the largest
    expect(model.nInOthers(model.describe("word")!)).toBe(2);
  });

  it("of a column that arrives late do not replace those of a later one", async () => {
    const late = model.colorByColumn("word");
    await model.colorByColumn(GROUP);
    await late;
    expect(model.colorBy).toBe(GROUP);
    expect(rgb(0)).toEqual(model.groupColor(1));
  });

  it("go back to the groups if the column is unknown", async () => {
    await model.colorByColumn("nothing");
    expect(model.colorBy).toBe(GROUP);
  });

  it("of a function replace those of the column", async () => {
    await model.colorByFunction(() => [1, 2, 3]);
    expect(rgb(0)).toEqual([1, 2, 3]);
    await model.colorByFunction(null);
    expect(rgb(0)).toEqual(model.groupColor(1));
  });
});

describe("edits", () => {
  it("recolour the map once", async () => {
    model.select([0, 2]);
    const counts = countSignals();
    source.edit = { ...source.edit, group: Int32Array.of(1, 1, 1, 1, 3, -1) };
    await model.updateEdits({ ...makeEdits([1, 1, 1, 1, 3]), revision: 1 });
    expect(counts.colors).toHaveBeenCalledTimes(1);
    expect(counts.filter).toHaveBeenCalledTimes(1);
    expect(counts.edits).toHaveBeenCalledTimes(1);
    expect(counts.selection).not.toHaveBeenCalled();
    expect(rgb(2)).toEqual(model.groupColor(1));
    expect(model.edits.revision).toBe(1);
  });

  it("that hide selected images recolour the map once as well", async () => {
    model.select([0, 2]);
    const counts = countSignals();
    source.edit = { ...source.edit, marks: Uint8Array.of(HIDDEN, 0, 0, 0, 0, 0) };
    await model.updateEdits(makeEdits([1, 2, 3], [], { hidden: 1 }));
    expect(counts.colors).toHaveBeenCalledTimes(1);
    expect(counts.selection).toHaveBeenCalledTimes(1);
    expect([model.selectedRows(), opacity(0), opacity(2)]).toEqual([[2], 0, 255]);
  });

  it("of labels can be coloured by, until the last label is removed", async () => {
    source.edit = { ...source.edit, label: Int32Array.of(0, -1, -1, -1, -1, -1) };
    await model.updateEdits(makeEdits([1, 2, 3], ["seven"]));
    await model.colorByColumn(LABEL);
    expect([model.colorBy, rgb(0), rgb(1)]).toEqual([LABEL, categoryColor(0), MISSING]);
    await model.setFilter(LABEL, { only: ["seven"] });
    expect(model.visibleRows()).toEqual([0]);
    source.edit = { ...source.edit, label: new Int32Array(6).fill(-1) };
    await model.updateEdits(makeEdits([1, 2, 3]));
    expect([model.colorBy, model.filters.size, model.nVisible]).toEqual([GROUP, 0, 5]);
  });

  it("keep the colour of a group when another is split", async () => {
    const before = model.groupColor(2);
    await model.updateEdits(makeEdits([2, 4, 5]));
    expect(model.groupColor(2)).toEqual(before);
  });
});

describe("positions", () => {
  it("can be replaced and restored, with missing rows out of sight", () => {
    const { positions } = countSignals();
    model.setPositions(Float32Array.of(9, 8), Float32Array.of(7, 6));
    expect([...model.x]).toEqual([9, 8, NaN, NaN, NaN, NaN]);
    model.setPositions(null, null);
    expect([...model.x]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(positions).toHaveBeenCalledTimes(2);
  });
});

describe("filtered images", () => {
  it("are faint dots by choice, unless they are marked as hidden or not loaded", async () => {
    await model.setFilter("weight", { low: 2, high: 4 });
    expect([0, 1, 2, 3, 4, 5].map(opacity)).toEqual([0, 230, 0, 230, 0, 0]);
    const signals = countSignals();
    model.keepFaint(true);
    expect([0, 1, 2, 3, 4, 5].map(opacity)).toEqual([FAINT, 230, FAINT, 230, FAINT, 0]);
    expect(model.visibleRows()).toEqual([1, 3]);
    expect(signals.colors).toHaveBeenCalledOnce();
    expect(signals.filter).not.toHaveBeenCalled();
    model.showHidden = true;
    model.refilter();
    expect(opacity(5)).toBe(230); // it passes the filter
    model.keepFaint(false);
    expect(opacity(0)).toBe(0);
  });
});
