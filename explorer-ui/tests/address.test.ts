import { describe, expect, it } from "vitest";
import { readView, writeView, type View } from "../src/page/address";
import { shortcutName } from "../src/page/shortcuts";
import { formatRanges, parseRanges } from "../src/page/storage";

describe("the address", () => {
  it("holds the whole view", () => {
    const view: View = {
      x: 12.5,
      y: -3.25,
      zoom: 2.125,
      color: "given label",
      image: 7,
      search: "a b&c",
      filters: { weight: { low: 1, high: 2, missing: true }, word: { only: ["ä"] }, path: { text: "#" } },
      thumbnails: "large",
      theme: "light",
      language: "ko",
      weights: "shape:60,color:12.5",
      faint: true,
    };
    expect(readView(writeView(view))).toEqual(view);
  });

  it("is empty for an empty view", () => {
    expect(writeView({})).toBe("#");
    expect(readView("")).toEqual({});
  });

  it("is read without its invalid parts", () => {
    expect(readView("#x=1&y=2&z=NaN&image=x&pictures=huge&color=")).toEqual({});
    expect(readView('#filters={"weight":{"low":"a"},"word":{"only":["b"]}}')).toEqual({ filters: { word: { only: ["b"] } } });
    for (const broken of ["{", "null", "3", '"text"']) expect(readView(`#filters=${broken}`)).toEqual({});
  });
});

describe("stored selections", () => {
  it("are kept as ranges", () => {
    expect(formatRanges([0, 1, 2, 5, 7, 8])).toBe("0-2,5,7-8");
    expect(parseRanges("0-2,5,7-8")).toEqual([0, 1, 2, 5, 7, 8]);
    expect(formatRanges([])).toBe("");
  });
});

describe("shortcuts", () => {
  const press = (key: string, modifiers = {}): string =>
    shortcutName({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...modifiers });

  it("have names with their modifiers", () => {
    expect(press("n")).toBe("n");
    expect(press("N", { shiftKey: true })).toBe("Shift+n");
    expect(press("Z", { ctrlKey: true, shiftKey: true })).toBe("Control+Shift+z");
    expect(press("z", { metaKey: true })).toBe("Control+z");
    expect(press("?", { shiftKey: true })).toBe("?"); // the key itself needs Shift
    expect(press("n", { altKey: true })).toBe("");
  });
});
