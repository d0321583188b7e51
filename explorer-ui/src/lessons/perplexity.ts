// Maps of several perplexities, interpolated with a slider.

import { t } from "../i18n/translate";
import { interpolate } from "../model/interpolation";
import { h } from "../page/dom";
import { jobButton } from "./job-button";
import type { Lesson } from "./lesson";

interface PerplexityMap {
  perplexity: number;
  name: string;
  x: Float32Array;
  y: Float32Array;
}

export const perplexityLesson: Lesson = async (body, context) => {
  const { model, server, onLeave } = context;
  const found = (await server.json("/api/learn/sweep")) as { possible: number[]; ready: number[] };
  const maps = await Promise.all(
    found.ready.map(async (perplexity): Promise<PerplexityMap> => {
      const column = await server.table(server.versioned(`/api/learn/sweep/${perplexity}`));
      return { perplexity, name: `${perplexity}`, x: column("x"), y: column("y") };
    }),
  );
  if (!body.isConnected) return;
  const m = maps[0]?.x.length ?? model.n;
  const p = model.facts.perplexity;
  const ofRun = { perplexity: p, name: t("ofRun", { p }), x: model.points.x.slice(0, m), y: model.points.y.slice(0, m) };
  maps.push(ofRun);
  maps.sort((a, b) => a.perplexity - b.perplexity);
  const at = maps.indexOf(ofRun);
  const name = h("output", { text: ofRun.name });
  const slider = h("input", { type: "range", min: 0, max: maps.length - 1, step: 0.01, value: at, "aria-label": t("perplexity") });
  const x = new Float32Array(m);
  const y = new Float32Array(m);
  const show = (position: number): void => {
    const i = Math.min(maps.length - 1, Math.floor(position));
    const j = Math.min(maps.length - 1, i + 1);
    interpolate(x, maps[i].x, maps[j].x, position - i);
    interpolate(y, maps[i].y, maps[j].y, position - i);
    name.textContent = maps[Math.round(position)].name;
    model.setPositions(x, y);
  };
  slider.addEventListener("input", () => show(slider.valueAsNumber));
  slider.addEventListener("change", () => {
    slider.valueAsNumber = Math.round(slider.valueAsNumber); // snap to a map
    show(slider.valueAsNumber);
  });
  onLeave(() => model.setPositions(null, null));
  const ticks = h("div", { class: "ticks" }, ...maps.map((one) => h("span", { text: one.perplexity })));
  const isComplete = found.ready.length === found.possible.length;
  body.replaceChildren(
    h("p", { text: t("perplexityText") }),
    ...(maps.length > 1 ? [h("div", { class: "slider" }, slider, ticks), h("p", {}, `${t("perplexity")}: `, name)] : []),
    ...(isComplete ? [] : [jobButton("sweep", "makeMaps", context, () => void perplexityLesson(body, context))]),
  );
};
