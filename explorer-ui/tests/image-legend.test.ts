import { describe, expect, it } from "vitest";
import { css } from "../src/model/colors";
import { imageLegend, layOutLegend } from "../src/saving/image-legend";
import { makeModel } from "./make-model";

describe("the legend of a saved view", () => {
  const { model } = makeModel({
    x: [0, 1, 2, 3],
    y: [0, 0, 0, 0],
    group: [1, 2, 2, -1],
    columns: { weight: { column: { kind: "number", low: 1, high: 4 }, values: Float32Array.of(1, 2, 3, 4) } },
  });

  it("names the visible categories, the largest first and missing ones last, in the colours of the map", async () => {
    await model.recolor();
    const legend = await imageLegend(model);
    expect(legend.title).toBe("run · Colour by: Groups");
    expect(legend.entries.map(({ name }) => name)).toEqual(["Group 2 (2)", "Group 1 (1)", "unsure (1)"]);
    expect(legend.entries[0].color).toBe(css(model.groupColor(2)));
    model.setSearchResult([0]);
    expect((await imageLegend(model)).entries.map(({ name }) => name)).toEqual(["Group 1 (1)"]);
    model.setSearchResult(null);
  });

  it("has a scale for numbers", async () => {
    await model.colorByColumn("weight");
    const { scale, entries } = await imageLegend(model);
    expect([scale!.low, scale!.high, scale!.colors.length, entries]).toEqual(["1.00", "4.00", 9, []]);
  });

  it("is broken into lines that fit", () => {
    const entries = ["aaaa", "bbbb", "cccc"].map((name) => ({ name, color: "rgb(0 0 0)" }));
    const legend = { title: "title", entries, more: 2, scale: null };
    const width = 150;
    const measure = (text: string): number => 10 * text.length;
    const { texts, boxes, height } = layOutLegend(legend, width, measure);
    expect(texts.map(({ text }) => text)).toEqual(["title", "aaaa", "bbbb", "cccc", "and 2 more"]);
    for (const { text, x, y, bold } of texts) {
      expect(bold || x + measure(text) <= width).toBe(true);
      expect(y).toBeLessThan(height);
    }
    expect(new Set(texts.map(({ y }) => y)).size).toBeGreaterThan(2);
    expect(boxes).toHaveLength(3);
  });
});
