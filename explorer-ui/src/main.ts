// The page: the map in the middle, what one asks and does about it on both sides.

import "./style.css";
import { Camera } from "./camera";
import { Decoder } from "./decoder";
import { button, download, h } from "./dom";
import { Editor, sentence } from "./edits";
import { Filters, legend } from "./filters";
import { Gestures, isInside, type Point, type Tool } from "./gestures";
import { Groups } from "./groups";
import { Header } from "./header";
import { setLanguage, t, type Language } from "./i18n";
import { Inspector } from "./inspector";
import { Labels } from "./labels";
import { Learn } from "./learn";
import { Minimap } from "./minimap";
import { GROUP, Model } from "./model";
import { choosePictures, pictureSide, rowAt } from "./pictures";
import { Renderer, type Picture } from "./renderer";
import { Selection } from "./selection";
import { Sharp } from "./sharp";
import { asPng, asSvg, readView, writeView, type View } from "./share";
import { Saved, Server, type Source } from "./source";

const RESTS_AFTER = 160; // milliseconds without a move
const TOOLS: { tool: Tool; key: string }[] = [
  { tool: "pan", key: "v" },
  { tool: "box", key: "b" },
  { tool: "lasso", key: "l" },
  { tool: "decode", key: "d" },
  { tool: "path", key: "p" },
];

class App {
  private readonly server: Server | null;
  private readonly camera = new Camera(() => this.invalidate());
  private readonly map = h("canvas", { class: "map", tabindex: 0, role: "application" });
  private readonly overlay = h("canvas", { class: "overlay", "aria-hidden": "true" });
  private readonly stage = h("main", { class: "stage" });
  private readonly message = h("div", { class: "message", role: "status", "aria-live": "polite" });
  private readonly legendPlace = h("div", { class: "legend-place" });
  private readonly renderer: Renderer;
  private readonly gestures: Gestures;
  private readonly header: Header;
  private readonly labels: Labels;
  private readonly sharp: Sharp;
  private readonly minimap: Minimap;
  private readonly inspector: Inspector;
  private readonly groups: Groups;
  private readonly filters: Filters;
  private readonly selection: Selection;
  private readonly decoder: Decoder | null;
  private readonly learn: Learn | null;
  private readonly editor: Editor | null;
  private shown: Picture[] = [];
  private drawn: Point[] = [];
  private chosenFor = "";
  private movedAt = 0;
  private waiting = false;
  private search = "";
  private view: View;
  private readonly times: number[] = [];

  constructor(
    private readonly model: Model,
    source: Source,
    mayChange: boolean,
  ) {
    this.view = readView(location.hash);
    this.server = source instanceof Server ? source : null;
    this.editor = this.server && mayChange ? new Editor(model, this.server) : null;
    const look = (rows: number[]): void => this.zoomTo(rows);
    const show = (row: number): void => this.goTo(row);
    const say = (text: string): void => this.say(text);
    this.renderer = new Renderer(this.map, model, () => this.choose(true));
    this.minimap = new Minimap(model, this.camera);
    this.labels = new Labels(model, [this.minimap.element, this.legendPlace]);
    this.sharp = new Sharp(model, () => this.invalidate());
    this.inspector = new Inspector(model, show);
    this.groups = new Groups(model, this.editor, look);
    this.filters = new Filters(model);
    this.selection = new Selection(model, this.editor, show, look, say, (name) => void this.colorBy(name));
    this.decoder = this.server && new Decoder(model, this.server, this.camera);
    this.learn = this.server && new Learn(model, this.server, this.camera, () => this.invalidate());
    this.gestures = new Gestures(this.map, this.camera, {
      hover: (px, py) => this.hover(px, py),
      leave: () => this.decoder?.hide(),
      click: (px, py, event) => this.click(px, py, event),
      draw: (tool, points, done, event) => this.draw(tool, points, done, event),
      moving: () => (this.movedAt = performance.now()),
      key: (event) => this.key(event),
    });
    this.header = new Header(model, TOOLS.map(({ tool }) => tool).filter((tool) => this.offers(tool)), {
      find: (text) => void this.find(text),
      colorBy: (name) => void this.colorBy(name),
      use: (tool) => this.use(tool),
      learn: this.learn && (() => this.learn!.toggle()),
      copyLink: () => void this.copyLink(),
      saveHtml: this.server && (() => void this.saveHtml()),
      savePng: () => void this.savePng(),
      saveSvg: () => void this.saveSvg(),
      toggleTheme: () => this.toggleTheme(),
      toggleLanguage: () => this.toggleLanguage(),
      help: () => this.say(t("helpText"), 12_000),
    });
    this.map.setAttribute("aria-label", t("map", { n: model.n }));
    this.lay();
    this.listen();
  }

  // ------------------------------------------------------------ layout

  private lay(): void {
    const left = h("aside", { class: "left" }, this.groups.element, this.filters.element);
    const right = h("aside", { class: "right" }, this.inspector.element, this.selection.element);
    this.stage.replaceChildren(
      this.map,
      this.overlay,
      this.labels.element,
      this.legendPlace,
      this.minimap.element,
      ...(this.decoder ? [this.decoder.preview, this.decoder.element] : []),
      ...(this.learn ? [this.learn.element] : []),
      this.message,
    );
    document.body.replaceChildren(this.header.element, left, this.stage, right);
  }

  private listen(): void {
    const { model } = this;
    model.moved.on(() => {
      this.renderer.takePlaces();
      this.labels.rebuild();
      this.choose(true);
    });
    model.painted.on(() => {
      this.renderer.takeColors();
      this.minimap.repaint();
      this.legendPlace.replaceChildren(legend(model));
      this.choose(true);
    });
    model.selectionChanged.on(() => {
      this.selection.rebuild();
      if (this.editor && this.server) void this.server.post("/api/selection", { ids: model.idsOf(model.selectedRows()) }).catch(() => undefined);
    });
    model.edited.on(() => {
      this.header.offerColors();
      this.groups.rebuild();
      this.filters.refresh();
      this.labels.rebuild();
      this.selection.rebuild();
      this.invalidate();
    });
    this.inspector.changed.on(() => {
      this.saveView();
      this.invalidate();
    });
    this.editor?.said.on((text) => this.say(text));
    this.editor?.replaced.on(() => this.say(t("runChanged"), 60_000, button(t("reload"), () => location.reload())));
    this.map.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.map.addEventListener("webglcontextrestored", () => location.reload()); // the view is in the address
    new ResizeObserver(() => this.resize()).observe(this.stage);
    window.addEventListener("hashchange", () => void this.takeView(readView(location.hash)));
    document.addEventListener("keydown", (event) => this.globalKey(event));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file && this.server) void this.findLike(file);
    });
  }

  async begin(): Promise<void> {
    this.resize();
    this.camera.setHome(this.model.facts.square);
    await this.model.repaint();
    this.labels.rebuild();
    await this.takeView(this.view);
    this.choose(true);
    performance.mark("interactive");
    await this.labels.loadTree();
    this.labels.rebuild();
    this.invalidate();
  }

  private resize(): void {
    const { width, height } = this.stage.getBoundingClientRect();
    const ratio = devicePixelRatio;
    for (const canvas of [this.map, this.overlay]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
    const { x, y, zoom } = this.camera;
    this.camera.resize(Math.max(1, width), Math.max(1, height));
    this.camera.set(x, y, zoom);
  }

  // ------------------------------------------------------------ drawing

  private invalidate(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.frame();
    });
  }

  private frame(): void {
    const begun = performance.now();
    const moving = begun - this.movedAt < RESTS_AFTER;
    this.choose(false);
    const light = document.documentElement.dataset.theme === "light";
    this.renderer.draw(this.camera, devicePixelRatio, moving, pictureSide(this.camera), light ? [0.98, 0.98, 0.99] : [0.055, 0.067, 0.086]);
    if (this.renderer.nPictures && !performance.getEntriesByName("first-picture").length) performance.mark("first-picture");
    this.labels.draw(this.camera);
    this.minimap.draw();
    this.drawOverlay();
    this.saveView();
    this.times.push(performance.now() - begun);
    if (this.times.length > 1000) this.times.shift();
    if (moving || this.labels.isBehind(this.camera)) setTimeout(() => this.invalidate(), RESTS_AFTER);
  }

  /** Choose the pictures of this view, unless it is the one that they were chosen for. */
  private choose(anew: boolean): void {
    const { camera } = this;
    if (!anew && camera.key === this.chosenFor) return;
    this.chosenFor = camera.key;
    this.shown = choosePictures(this.model, camera);
    this.renderer.takePictures(this.shown);
    if (anew) this.invalidate();
  }

  private drawOverlay(): void {
    const { model, camera, inspector } = this;
    const context = this.overlay.getContext("2d")!;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    context.clearRect(0, 0, 1, 1); // Chromium may go on showing a canvas whose last act is to be cleared as a whole
    this.sharp.draw(context, camera, this.shown);
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    context.strokeStyle = accent;
    if (inspector.row >= 0) {
      const [x, y] = camera.toScreen(model.x[inspector.row], model.y[inspector.row]);
      const side = pictureSide(camera);
      context.lineWidth = 1.5;
      for (const row of inspector.neighbors) {
        const [nx, ny] = camera.toScreen(model.x[row], model.y[row]);
        context.beginPath();
        context.moveTo(x, y);
        context.lineTo(nx, ny);
        context.stroke();
        context.beginPath();
        context.arc(nx, ny, 5, 0, 7);
        context.stroke();
      }
      context.lineWidth = 3;
      context.strokeRect(x - side / 2 - 2, y - side / 2 - 2, side + 4, side + 4);
    }
    this.learn?.drawCenters(context);
    if (this.drawn.length > 1) {
      context.strokeStyle = accent;
      context.fillStyle = "rgb(120 170 255 / 0.15)";
      context.lineWidth = 2;
      context.beginPath();
      for (const [x, y] of this.drawn) context.lineTo(x, y);
      if (this.gestures.tool !== "path") {
        context.closePath();
        context.fill();
      }
      context.stroke();
    }
  }

  // ------------------------------------------------------------ asking

  private hover(px: number, py: number): void {
    if (this.gestures.tool === "decode") this.decoder?.at(px, py);
    this.inspector.hover(rowAt(this.model, this.camera, this.shown, px, py));
  }

  private click(px: number, py: number, event: PointerEvent): void {
    const label = this.labels.at(event.clientX, event.clientY);
    if (label) return this.zoomTo(label);
    const row = rowAt(this.model, this.camera, this.shown, px, py);
    if (row < 0) {
      this.inspector.clear();
      if (this.gestures.tool !== "pan") this.model.select([]);
    } else if (event.shiftKey && this.inspector.pinned && this.decoder) {
      void this.decoder.between(this.inspector.row, row);
    } else if (event.ctrlKey || event.metaKey) {
      this.model.select([row], true);
    } else {
      this.inspector.pin(row);
    }
  }

  private draw(tool: Tool, points: Point[], done: boolean, event: PointerEvent): void {
    this.drawn = points;
    if (done && tool === "path") void this.decoder?.along(points);
    if (done && tool !== "path") {
      this.select(points, event.shiftKey);
      this.drawn = [];
    }
    this.invalidate();
  }

  private select(shape: Point[], add: boolean): void {
    const { model, camera } = this;
    const line = shape.map((point) => camera.toMap(...point)) as Point[];
    const [left, right] = [Math.min(...line.map(([x]) => x)), Math.max(...line.map(([x]) => x))];
    const [bottom, top] = [Math.min(...line.map(([, y]) => y)), Math.max(...line.map(([, y]) => y))];
    const rows: number[] = [];
    for (let row = 0; row < model.n; row++) {
      const [x, y] = [model.x[row], model.y[row]];
      if (x >= left && x <= right && y >= bottom && y <= top && isInside(x, y, line)) rows.push(row);
    }
    model.select(rows, add);
  }

  private goTo(row: number): void {
    this.inspector.pin(row);
    const { model, camera } = this;
    const [left, bottom, right, top] = camera.bounds(-60);
    const [x, y] = [model.x[row], model.y[row]];
    if (!(x > left && x < right && y > bottom && y < top)) camera.flyTo(x, y);
  }

  private zoomTo(rows: number[]): void {
    const { model } = this;
    const places = rows.filter((row) => !Number.isNaN(model.x[row]));
    if (!places.length) return;
    const at = (values: Float32Array, share: number): number => {
      const sorted = places.map((row) => values[row]).sort((a, b) => a - b);
      return sorted[Math.floor(share * (sorted.length - 1))];
    };
    // a few that lie apart do not count
    this.camera.flyToBox(at(model.x, 0.02), at(model.y, 0.02), at(model.x, 0.98), at(model.y, 0.98));
  }

  private async find(text: string): Promise<void> {
    const wanted = text.trim();
    this.search = wanted;
    const { model } = this;
    if (!wanted) return model.setSearched(null);
    try {
      let rows: number[] = [];
      if (this.server) {
        const found = (await this.server.json(`/api/search?q=${encodeURIComponent(wanted)}`)) as { ids: number[] };
        rows = found.ids.map((id) => model.rowOf[id]);
      } else {
        const paths = (await model.column("path")) as string[];
        const part = wanted.toLowerCase();
        for (let row = 0; row < model.n; row++) if (String(paths[row]).toLowerCase().includes(part)) rows.push(row);
      }
      if (wanted !== this.search) return; // another was asked for meanwhile
      if (!rows.length) {
        model.setSearched(null);
        return this.say(t("searchNone", { text: wanted }));
      }
      model.setSearched(rows);
      this.say(t("searchFound", { n: rows.length }));
      if (rows.length === 1) this.goTo(rows[0]);
    } catch (error) {
      this.say(sentence(error));
    }
  }

  private async findLike(file: File): Promise<void> {
    try {
      const response = await this.server!.post("/api/similar", file);
      const found = (await response.json()) as { neighbors: { id: number }[]; x: number; y: number };
      const rows = found.neighbors.map(({ id }) => this.model.rowOf[id]);
      this.model.select(rows);
      this.say(t("like"));
      this.camera.flyTo(found.x, found.y, Math.max(3, this.camera.zoom));
    } catch (error) {
      this.say(sentence(error));
    }
  }

  private async colorBy(name: string): Promise<void> {
    try {
      await this.model.colorByColumn(name);
      this.header.offerColors();
      this.saveView();
    } catch (error) {
      this.say(sentence(error));
    }
  }

  // ------------------------------------------------------------ keys

  /** The decoder is the server's. */
  private offers(tool: Tool): boolean {
    return this.server !== null || (tool !== "decode" && tool !== "path");
  }

  private use(tool: Tool): void {
    this.gestures.tool = tool;
    this.drawn = [];
    this.decoder?.hide();
    this.map.dataset.tool = tool;
    this.header.showTool(tool);
    this.invalidate();
  }

  /** Keys besides those that move the map. */
  private key(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const tool = TOOLS.find(({ key }) => key === event.key.toLowerCase());
    if (tool && this.offers(tool.tool)) this.use(tool.tool);
    else if (event.key === "n" || event.key === "N") this.nextNeighbor();
    else if (event.key === "Enter") this.inspector.pin(this.inspector.row >= 0 ? this.inspector.row : this.nearestToMiddle());
    else return false;
    return true;
  }

  private nextNeighbor(): void {
    const { inspector } = this;
    if (inspector.row < 0) return this.goTo(this.nearestToMiddle());
    const next = inspector.neighbors[0];
    if (next !== undefined) this.goTo(next);
  }

  private nearestToMiddle(): number {
    const { model, camera } = this;
    let best = 0;
    let least = Infinity;
    for (let row = 0; row < model.n; row++) {
      const distance = (model.x[row] - camera.x) ** 2 + (model.y[row] - camera.y) ** 2;
      if (distance < least && model.visible[row]) [best, least] = [row, distance];
    }
    return best;
  }

  /** Keys wherever the focus is. */
  private globalKey(event: KeyboardEvent): void {
    const { target } = event;
    const typing = (target instanceof HTMLInputElement && target.type !== "checkbox") || target instanceof HTMLSelectElement;
    if (event.key === "Escape") {
      if (typing) target.blur();
      this.inspector.clear();
      this.drawn = [];
      this.model.select([]);
    } else if (typing) {
      return;
    } else if (event.key === "/") {
      this.header.search.focus();
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      void this.editor?.send({ kind: event.shiftKey ? "redo" : "undo" });
    } else return this.gestures.key(event);
    event.preventDefault();
  }

  // ------------------------------------------------------------ the view and its address

  private async takeView(view: View): Promise<void> {
    this.view = view;
    if (view.theme) document.documentElement.dataset.theme = view.theme === "light" ? "light" : "dark";
    if (view.color && view.color !== this.model.colorBy) await this.colorBy(view.color);
    if (view.x !== undefined) this.camera.set(view.x, view.y!, view.zoom!);
    await this.model.setFilters(view.filters ?? {});
    this.filters.rebuild();
    this.header.search.value = view.search ?? "";
    await this.find(this.header.search.value);
    if (view.image !== undefined && view.image >= 0 && view.image < this.model.n) this.inspector.pin(this.model.rowOf[view.image]);
  }

  private saving = 0;

  private saveView(): void {
    clearTimeout(this.saving);
    this.saving = setTimeout(() => history.replaceState(null, "", this.address()), 300);
  }

  private address(): string {
    const { camera, inspector, model } = this;
    const view: View = { x: camera.x, y: camera.y, zoom: camera.zoom, search: this.search, filters: Object.fromEntries(model.filters) };
    if (model.colorBy !== GROUP) view.color = model.colorBy;
    if (inspector.pinned) view.image = model.points.id[inspector.row];
    if (document.documentElement.dataset.theme === "light") view.theme = "light";
    if (document.documentElement.lang !== "en") view.language = document.documentElement.lang;
    return `${location.pathname}${location.search}${writeView(view)}`;
  }

  private async copyLink(): Promise<void> {
    history.replaceState(null, "", this.address());
    try {
      await navigator.clipboard.writeText(location.href);
      this.say(t("copied"));
    } catch {
      this.say(location.href, 20_000);
    }
  }

  private toggleTheme(): void {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
    this.minimap.repaint();
    this.invalidate();
  }

  private toggleLanguage(): void {
    setLanguage(document.documentElement.lang === "ko" ? "en" : "ko");
    history.replaceState(null, "", this.address());
    location.reload(); // all texts anew; the view is in the address
  }

  // ------------------------------------------------------------ pictures and files

  private async saveHtml(): Promise<void> {
    try {
      download(await this.server!.blob("/page.html"), `${this.model.facts.name}.html`);
    } catch (error) {
      this.say(sentence(error));
    }
  }

  private async savePng(): Promise<void> {
    this.frame(); // what WebGL has drawn is there until this task ends
    download(await asPng(this.map, this.overlay, this.labels, this.camera), `${this.model.facts.name}.png`);
  }

  private async saveSvg(): Promise<void> {
    const ground = getComputedStyle(document.body).backgroundColor;
    download(await asSvg(this.model, this.camera, this.shown, this.labels, ground), `${this.model.facts.name}.svg`);
  }

  private saying = 0;

  private say(text: string, time = 4000, ...more: Node[]): void {
    this.message.replaceChildren(text, " ", ...more);
    this.message.classList.add("shown");
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.message.classList.remove("shown"), time);
  }

  /** For tests and measurements. */
  get state(): object {
    const { camera, model, gestures, shown } = this;
    return {
      zoom: camera.zoom,
      center: [camera.x, camera.y],
      n: model.n,
      nVisible: model.nVisible,
      nSelected: model.nSelected,
      nPictures: this.renderer.nPictures,
      pictureSide: pictureSide(camera),
      row: this.inspector.row,
      neighbors: this.inspector.neighbors.length,
      revision: model.edits.revision,
      colorBy: model.colorBy,
      tool: gestures.tool,
      shown: shown.map(({ row }) => ({ id: model.points.id[row], at: camera.toScreen(model.x[row], model.y[row]) })),
      frameTimes: this.times,
      decodeTimes: this.decoder?.times ?? [],
      centers: this.learn?.centers ?? null,
      traffic: this.server?.traffic ?? null,
    };
  }

  placeOf(id: number): [number, number] {
    const row = this.model.rowOf[id];
    return this.camera.toScreen(this.model.x[row], this.model.y[row]);
  }
}

/** The token of the address, which is then taken out of it and kept for this tab. */
function takeToken(): string {
  const query = new URLSearchParams(location.search);
  const given = query.get("token");
  try {
    if (given) {
      sessionStorage.setItem("token", given);
      query.delete("token");
      history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`);
    }
    return sessionStorage.getItem("token") ?? "";
  } catch {
    return given ?? ""; // a frame in a notebook has no storage; its address is not seen
  }
}

async function main(): Promise<void> {
  const view = readView(location.hash);
  const language = view.language ?? (navigator.language.startsWith("ko") ? "ko" : "en");
  setLanguage(language === "ko" ? "ko" : ("en" as Language));
  document.documentElement.dataset.theme = view.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  const embedded = document.getElementById("embedded");
  const loading = h("p", { class: "loading", role: "status", text: t("loading") });
  document.body.replaceChildren(loading);
  const token = embedded ? "" : takeToken();
  const source: Source = embedded ? new Saved(embedded) : new Server(token);
  try {
    const facts = await source.facts();
    document.title = `${facts.name} · latentmap`;
    const [points, edited] = await Promise.all([source.points(), source.edited()]);
    const app = new App(new Model(source, facts, points, edited), source, Boolean(token));
    Object.assign(window, { latentmap: app });
    await app.begin();
  } catch (error) {
    loading.textContent = error instanceof Error && error.message === "WebGL 2" ? t("noWebgl") : sentence(error);
    document.body.replaceChildren(loading);
    throw error;
  }
}

void main();
