import { describe, expect, it } from "vitest";
import { CATEGORIES, categoryColor, css, MISSING, N_COLORS, rampColor, slotsOf } from "../src/model/colors";
import { scaleOf } from "../src/model/value-scale";

describe("colours of categories", () => {
  it("are those of the palette, which repeats", () => {
    expect(css(categoryColor(0))).toBe("rgb(0 136 255)");
    expect(new Set(CATEGORIES).size).toBe(N_COLORS);
    expect(categoryColor(N_COLORS + 3)).toEqual(categoryColor(3));
    expect(categoryColor(-1)).toEqual(MISSING);
  });

  it("differ for groups of any numbers, as long as there are enough colours", () => {
    const slots = slotsOf([0, 20, 40, 7, 27]);
    expect(new Set(slots.values()).size).toBe(5);
    expect(slots.get(7)).toBe(7);
    const many = slotsOf(Array.from({ length: 30 }, (_, i) => i));
    expect(new Set(many.values()).size).toBe(N_COLORS);
  });
});

describe("colours of numbers", () => {
  it("go from the first to the last colour of viridis, and end there", () => {
    expect(css(rampColor(0))).toBe("rgb(68 1 84)");
    expect(css(rampColor(1))).toBe("rgb(253 231 37)");
    expect(rampColor(-3)).toEqual(rampColor(0));
    expect(rampColor(7)).toEqual(rampColor(1));
    expect(rampColor(NaN)).toEqual(MISSING);
  });

  it("follow a linear scale, or a logarithmic one over more than two decades", () => {
    const linear = scaleOf({ name: "x", kind: "number", low: 1, high: 100 });
    expect([linear.fraction(1), linear.fraction(50.5), linear.fraction(100)]).toEqual([0, 0.5, 1]);
    const logarithmic = scaleOf({ name: "x", kind: "number", low: 1, high: 10_000 });
    expect(logarithmic.fraction(100)).toBeCloseTo(0.5);
    expect(logarithmic.value(0.25)).toBeCloseTo(10);
    expect(linear.value(linear.fraction(30))).toBeCloseTo(30);
    const constant = scaleOf({ name: "x", kind: "number", low: 2, high: 2 });
    expect([constant.fraction(2), constant.fraction(NaN)]).toEqual([0.5, NaN]);
  });
});
