import { expect, test } from "vitest";
import { ChannelColors } from "../src/model/channel-colors";
import type { ChannelOfRun } from "../src/data/types";

const channel = (name: string, color: string): ChannelOfRun => {
  const own = { color, visible: true, brightness: 1 };
  return { name, low: 0, high: 4095, ...own, own };
};

const make = (): ChannelColors => new ChannelColors([channel("nuclei", "#ff00ff"), channel("actin", "#00ff00")]);

test("changes are told, and become what requests take", () => {
  const colors = make();
  let n = 0;
  colors.changed.on(() => n++);
  expect(colors.text).toBe("ff00ff:1,00ff00:1");
  colors.set(0, { visible: false });
  colors.set(1, { brightness: 2 ** 0.1, color: "#ffffff" });
  expect(colors.text).toBe("-ff00ff:1,ffffff:1.072");
  expect(n).toBe(2);
  expect(colors.isOwn).toBe(false);
});

test("a channel is shown alone, and all again", () => {
  const colors = make();
  colors.solo(1);
  expect(colors.looks.map((one) => one.visible)).toEqual([false, true]);
  colors.solo(1);
  expect(colors.looks.map((one) => one.visible)).toEqual([true, true]);
});

test("a reset returns to the colours of the run, which changes leave alone", () => {
  const given = [channel("nuclei", "#ff00ff")];
  const colors = new ChannelColors(given);
  colors.set(0, { color: "#123456" });
  expect(given[0].color).toBe("#ff00ff");
  colors.reset();
  expect(colors.isOwn).toBe(true);
  expect(colors.looks).toEqual([{ color: "#ff00ff", visible: true, brightness: 1 }]);
});
