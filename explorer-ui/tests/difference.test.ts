import { describe, expect, it } from "vitest";

import { differenceText, fractionsText } from "../src/panels/difference";

describe("what makes an image different from its neighbour", () => {
  it("names the kinds of features by their fractions, the largest first", () => {
    const fractions = { shape: 0.25, texture: 0.7, parts: 0.046, color: 0.004 };
    expect(differenceText({ id: 1, distance: 0.5, fractions })).toBe("The difference is texture 70 %, shape 25 %, parts 5 %");
  });

  it("names kinds that the page has no word for as they are", () => {
    expect(fractionsText({ constructor: 0.25, color: 0.75 })).toBe("colour 75 %, constructor 25 %");
  });

  it("says nothing in a run without features, and of equal images", () => {
    expect(differenceText({ id: 1, distance: 0.5 })).toBe("");
    expect(differenceText({ id: 1, distance: 0, fractions: { shape: 0, texture: 0, parts: 0, color: 0 } })).toBe("");
  });
});
