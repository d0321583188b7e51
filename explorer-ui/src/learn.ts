// How it works: perplexity, K-means step by step, the training, ReLU beside ELU.

import type { Camera } from "./camera";
import { categoryColor, css } from "./colors";
import { button, h, reducedMotion, svg } from "./dom";
import { sentence } from "./edits";
import { t, type Key } from "./i18n";
import type { Model } from "./model";
import type { Server } from "./source";
import { pictureAt } from "./thumbnails";

interface Job {
  running: boolean;
  failed: boolean;
  said: string | null;
}

interface Steps {
  n: number;
  centers: [number, number][][];
  inertias: number[];
  labels: ArrayLike<number>[];
}

const STEP_TIME = 900; // milliseconds that a step of K-means is seen
const LOOK_EVERY = 1000; // for long work
const BLOBS = 260; // side of the picture of blobs

export class Learn {
  readonly element = h("section", { class: "learn", "aria-label": t("learn"), hidden: true });
  /** Centres of K-means on the map now, and where they come from. */
  centers: { now: [number, number][]; before: [number, number][] } | null = null;
  /** Made anew for each tab, so that what comes late for another one goes nowhere. */
  private body = h("div", { class: "learn-body", role: "tabpanel" });
  private leave: () => void = () => undefined;

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    private readonly camera: Camera,
    private readonly redraw: () => void,
  ) {
    const tabs: [Key, (body: HTMLElement) => Promise<void>][] = [
      ["perplexity", (body) => this.sweep(body)],
      ["kmeans", (body) => this.kmeans(body)],
      ["training", (body) => this.training(body)],
      ["activations", (body) => this.activations(body)],
    ];
    const buttons = tabs.map(([name, open]) =>
      button(t(name), () => {
        for (const other of buttons) other.setAttribute("aria-selected", String(other.dataset.tab === name));
        this.leave();
        this.leave = () => undefined;
        const body = h("div", { class: "learn-body", role: "tabpanel" });
        this.body.replaceWith(body);
        this.body = body;
        open(body).catch((error) => body.replaceChildren(h("p", { class: "hint", text: sentence(error) })));
      }, { role: "tab", "data-tab": name, "aria-selected": "false" }),
    );
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeLearn") });
    this.element.append(h("div", { class: "tabs" }, h("div", { class: "buttons", role: "tablist" }, ...buttons), close), this.body);
  }

  toggle(): void {
    if (!this.element.hidden) return this.close();
    this.element.hidden = false;
    this.element.querySelector<HTMLButtonElement>('[data-tab="perplexity"]')!.click();
  }

  close(): void {
    this.leave();
    this.leave = () => undefined;
    this.element.hidden = true;
  }

  /** A button for long work, and what it says while it goes on. */
  private job(name: string, label: Key, ready: () => void): HTMLElement {
    const said = h("p", { class: "hint", "aria-live": "polite" });
    let timer = 0;
    const ask = (): Promise<Job | null> =>
      this.server.json(`/api/learn/${name}`).catch((error) => {
        said.textContent = sentence(error);
        return null;
      });
    const look = async (): Promise<void> => {
      const job = await ask();
      if (!job) return; // asked again soon
      if (job.running) said.textContent = t("making", { said: job.said ?? "" });
      else if (job.failed) said.textContent = t("failed", { said: job.said ?? "" });
      start.disabled = job.running;
      if (!job.running) {
        clearInterval(timer);
        if (!job.failed) ready();
      }
    };
    const watch = (): void => {
      timer = setInterval(() => void look(), LOOK_EVERY);
      const before = this.leave;
      this.leave = () => {
        before();
        clearInterval(timer);
      };
    };
    const start = button(t(label), () => {
      start.disabled = true;
      this.server.post(`/api/learn/${name}`, {}).then(watch, (error) => (said.textContent = sentence(error)));
    }, { "data-job": name });
    void ask().then((job) => job?.running && watch());
    return h("div", {}, start, said);
  }

  // ------------------------------------------------------------ perplexity

  private async sweep(body: HTMLElement): Promise<void> {
    const { model, server } = this;
    const found = (await server.json("/api/learn/sweep")) as Job & { possible: number[]; ready: number[] };
    const maps = await Promise.all(
      found.ready.map(async (perplexity) => {
        const column = await server.table(server.versioned(`/api/learn/sweep/${perplexity}`));
        return { perplexity, name: `${perplexity}`, x: column("x") as Float32Array, y: column("y") as Float32Array };
      }),
    );
    if (!body.isConnected) return;
    const m = maps[0]?.x.length ?? model.n;
    const own = model.facts.perplexity;
    maps.push({ perplexity: own, name: t("ofRun", { p: own }), x: model.points.x.slice(0, m), y: model.points.y.slice(0, m) });
    maps.sort((a, b) => a.perplexity - b.perplexity);
    const at = maps.findIndex((one) => one.name === t("ofRun", { p: own }));
    const name = h("output", { text: maps[at].name });
    const slider = h("input", { type: "range", min: 0, max: maps.length - 1, step: 0.01, value: at, "aria-label": t("perplexity") });
    const x = new Float32Array(m);
    const y = new Float32Array(m);
    const show = (position: number): void => {
      const i = Math.min(maps.length - 1, Math.floor(position));
      const j = Math.min(maps.length - 1, i + 1);
      const share = position - i;
      for (let row = 0; row < m; row++) {
        x[row] = maps[i].x[row] + share * (maps[j].x[row] - maps[i].x[row]);
        y[row] = maps[i].y[row] + share * (maps[j].y[row] - maps[i].y[row]);
      }
      name.textContent = maps[Math.round(position)].name;
      model.place(x, y);
    };
    slider.addEventListener("input", () => show(slider.valueAsNumber));
    slider.addEventListener("change", () => {
      slider.valueAsNumber = Math.round(slider.valueAsNumber); // rests on a map that was made
      show(slider.valueAsNumber);
    });
    this.leave = () => model.place(null, null);
    const marks = h("div", { class: "ticks" }, ...maps.map((one) => h("span", { text: one.perplexity })));
    const all = found.ready.length === found.possible.length;
    body.replaceChildren(
      h("p", { text: t("perplexityText") }),
      ...(maps.length > 1 ? [h("div", { class: "slider" }, slider, marks), h("p", {}, `${t("perplexity")}: `, name)] : []),
      ...(all ? [] : [this.job("sweep", "makeMaps", () => void this.sweep(body))]),
    );
  }

  // ------------------------------------------------------------ K-means

  private async kmeans(body: HTMLElement): Promise<void> {
    const k = h("input", { type: "number", min: 2, max: 50, value: Math.max(2, this.model.edits.groups.length), "aria-label": t("clusters") });
    const seed = h("input", { type: "number", min: 0, max: 999, value: 0, "aria-label": t("seed") });
    const on = h("select", { "aria-label": t("kmeans") });
    on.append(h("option", { value: "map", text: t("onMap") }), h("option", { value: "blobs", text: t("onBlobs") }));
    const player = h("div");
    let asked = 0;
    const load = async (): Promise<void> => {
      const now = ++asked;
      const query = `?k=${k.value}&seed=${seed.value}&on=${on.value}`;
      player.replaceChildren(h("p", { class: "hint", text: "…" }));
      const [facts, column] = await Promise.all([
        this.server.json(`/api/learn/kmeans${query}`) as Promise<Omit<Steps, "labels">>,
        this.server.table(`/api/learn/kmeans/labels${query}`),
      ]);
      if (!body.isConnected || now !== asked) return; // another was asked for meanwhile
      const steps: Steps = { ...facts, labels: facts.inertias.map((_, i) => column(`step${i}`) as ArrayLike<number>) };
      if (on.value === "map") this.play(steps, player, (step) => this.showOnMap(steps, step));
      else {
        const points = await this.server.table(`/api/learn/kmeans/points${query}`);
        if (now !== asked) return;
        const canvas = h("canvas", { class: "blobs", width: 2 * BLOBS, height: 2 * BLOBS, role: "img", "aria-label": t("kmeans") });
        this.play(steps, player, (step) => drawBlobs(canvas, points("x"), points("y"), steps, step), canvas);
      }
    };
    const reload = (): void => {
      this.forgetCenters();
      load().catch((error) => player.replaceChildren(h("p", { class: "hint", text: sentence(error) })));
    };
    on.addEventListener("change", () => {
      k.value = on.value === "blobs" ? "3" : String(Math.max(2, this.model.edits.groups.length));
      reload();
    });
    for (const input of [k, seed]) input.addEventListener("change", reload);
    this.leave = () => this.forgetCenters();
    body.replaceChildren(
      h("p", { text: t("kmeansText") }),
      h("div", { class: "buttons" }, on, h("label", {}, `${t("clusters")} `, k), h("label", {}, `${t("seed")} `, seed)),
      player,
    );
    await load();
  }

  private forgetCenters(): void {
    clearInterval(this.timer);
    this.centers = null;
    void this.model.colorByFunction(null);
  }

  private timer = 0;

  private play(steps: Steps, player: HTMLElement, show: (step: number) => void, picture: HTMLElement | null = null): void {
    const last = steps.inertias.length - 1;
    let step = 0;
    const line = h("p", { "aria-live": "polite", class: "step" });
    const go = (to: number): void => {
      step = Math.max(0, Math.min(last, to));
      line.textContent = t("stepOf", { t: step + 1, n: last + 1, inertia: steps.inertias[step].toPrecision(5) });
      back.disabled = step === 0;
      forward.disabled = step === last;
      show(step);
    };
    const pause = (): void => {
      clearInterval(this.timer);
      play.textContent = t("play");
      play.dataset.playing = "false";
    };
    const back = button(t("back"), () => (pause(), go(step - 1)), { "data-kmeans": "back" });
    const forward = button(t("step"), () => (pause(), go(step + 1)), { "data-kmeans": "step" });
    const play = button(t("play"), () => {
      if (play.dataset.playing === "true") return pause();
      play.textContent = t("pause");
      play.dataset.playing = "true";
      if (step === last) go(0);
      this.timer = setInterval(() => {
        go(step + 1);
        if (step === last) pause();
      }, STEP_TIME);
    }, { "data-kmeans": "play" });
    player.replaceChildren(h("div", { class: "buttons" }, back, play, forward), line, ...(picture ? [picture] : []));
    go(0);
  }

  private showOnMap(steps: Steps, step: number): void {
    const labels = steps.labels[step];
    this.centers = { now: steps.centers[step], before: steps.centers[Math.max(0, step - 1)] };
    void this.model.colorByFunction((row) => categoryColor(row < steps.n ? labels[row] : -1));
    this.redraw();
  }

  /** Centres as diamonds, with arrows from where they were. */
  drawCenters(context: CanvasRenderingContext2D): void {
    if (!this.centers) return;
    const screen = (places: [number, number][]): [number, number][] => places.map((place) => this.camera.toScreen(...place));
    drawCenters(context, screen(this.centers.now), screen(this.centers.before));
  }

  // ------------------------------------------------------------ training

  private async training(body: HTMLElement): Promise<void> {
    const { history } = (await this.server.json("/api/learn/training")) as { history: { [name: string]: number[] } };
    const lines = Object.entries(history).filter(([name, values]) => /loss/.test(name) && values.length);
    body.replaceChildren(chart(lines));
  }

  private async activations(body: HTMLElement): Promise<void> {
    const found = (await this.server.json("/api/learn/activations")) as Job & { losses: { [name: string]: number[] } | null };
    const strip = (name: string, label: string): HTMLElement => {
      const picture = h("img", { class: "picture strip-picture", alt: label });
      void pictureAt(this.server, this.server.versioned(`/api/learn/activations/${name}`)).then((address) => (picture.src = address), () => undefined);
      picture.addEventListener("load", () => picture.classList.toggle("smooth", picture.naturalHeight > picture.height));
      return h("figure", {}, h("figcaption", { text: label }), picture);
    };
    body.replaceChildren(
      h("p", { text: t("activationsText") }),
      ...(found.losses
        ? [
            h("div", { class: "scroll", tabindex: 0 }, strip("original", t("original")), strip("relu", "ReLU"), strip("elu", "ELU")),
            chart(Object.entries(found.losses).map(([name, values]) => [name === "relu" ? "ReLU" : "ELU", values])),
          ]
        : [this.job("activations", "trainBoth", () => void this.activations(body))]),
    );
  }
}

function drawCenters(context: CanvasRenderingContext2D, now: [number, number][], before: [number, number][]): void {
  now.forEach(([x, y], i) => {
    const [bx, by] = before[i];
    context.strokeStyle = "#fff";
    context.fillStyle = css(categoryColor(i));
    context.lineWidth = 2;
    if (Math.hypot(x - bx, y - by) > 3) {
      context.beginPath();
      context.moveTo(bx, by);
      context.lineTo(x, y);
      context.stroke();
    }
    context.beginPath();
    for (const [dx, dy] of [[0, -9], [9, 0], [0, 9], [-9, 0]]) context.lineTo(x + dx, y + dy);
    context.closePath();
    context.fill();
    context.stroke();
  });
}

function drawBlobs(canvas: HTMLCanvasElement, x: Float32Array, y: Float32Array, steps: Steps, step: number): void {
  const context = canvas.getContext("2d")!;
  context.clearRect(0, 0, canvas.width, canvas.height);
  const [left, right] = [Math.min(...x), Math.max(...x)];
  const [bottom, top] = [Math.min(...y), Math.max(...y)];
  const side = 1.1 * Math.max(right - left, top - bottom);
  const place = (px: number, py: number): [number, number] => [
    canvas.width * (0.5 + (px - (left + right) / 2) / side),
    canvas.height * (0.5 - (py - (bottom + top) / 2) / side),
  ];
  for (let row = 0; row < x.length; row++) {
    const [px, py] = place(x[row], y[row]);
    context.fillStyle = css(categoryColor(steps.labels[step][row]));
    context.beginPath();
    context.arc(px, py, 5, 0, 7);
    context.fill();
  }
  const at = (t: number): [number, number][] => steps.centers[t].map((center) => place(...center));
  drawCenters(context, at(step), at(Math.max(0, step - 1)));
}

/** Curves over epochs, on a logarithmic scale. */
function chart(lines: [string, number[]][]): HTMLElement {
  const [width, height, left, bottom] = [420, 220, 62, 34];
  const values = lines.flatMap(([, series]) => series).filter((value) => value > 0);
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const n = Math.max(...lines.map(([, series]) => series.length));
  const px = (i: number): number => left + ((width - left - 12) * i) / Math.max(1, n - 1);
  const py = (value: number): number => 14 + ((height - bottom - 14) * (high - Math.log10(value))) / (high - low || 1);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": t("training") });
  for (const share of [0, 0.5, 1]) {
    const value = 10 ** (low + share * (high - low));
    picture.append(svg("line", { x1: left, x2: width - 12, y1: py(value), y2: py(value), class: "grid" }));
    picture.append(svg("text", { x: left - 6, y: py(value) + 4, "text-anchor": "end" }, document.createTextNode(value.toPrecision(2))));
  }
  for (const i of new Set([0, Math.floor((n - 1) / 2), n - 1])) {
    picture.append(svg("text", { x: px(i), y: height - 16, "text-anchor": "middle" }, document.createTextNode(String(i + 1))));
  }
  picture.append(svg("text", { x: (left + width) / 2, y: height - 2, "text-anchor": "middle" }, document.createTextNode(t("epoch"))));
  lines.forEach(([name, series], i) => {
    const points = series.map((value, epoch) => `${px(epoch)},${py(value)}`).join(" ");
    const color = css(categoryColor(i));
    picture.append(svg("polyline", { points, fill: "none", stroke: color, "stroke-width": 2 }));
    const sample = svg("tspan", { fill: color }, document.createTextNode("━ "));
    const said = document.createTextNode(`${name === "loss" ? t("loss") : name} ${series[series.length - 1].toPrecision(3)}`);
    const label = svg("text", { x: width - 14, y: 26 + 16 * i, "text-anchor": "end", class: "series" }, sample, said);
    picture.append(label);
  });
  return h("div", { class: reducedMotion() ? "" : "appear" }, picture);
}
