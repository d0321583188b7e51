// The map in the middle, what one asks and does about it on both sides.

import { Camera } from "./camera";
import { ColorKey } from "./colorkey";
import { Decoder } from "./decoder";
import { button, download, h } from "./dom";
import { Editor, sentence } from "./edits";
import { Filters, legend } from "./filters";
import { Gestures, type Point, type Tool } from "./gestures";
import { Groups } from "./groups";
import { Header } from "./header";
import { setLanguage, t } from "./i18n";
import { Inspector } from "./inspector";
import { Labels } from "./labels";
import { Learn } from "./learn";
import { Message } from "./message";
import { Minimap } from "./minimap";
import { GROUP, type Model } from "./model";
import { Overlay } from "./overlay";
import { boxOf, nearestTo, rowAt, rowsInside } from "./picking";
import { choosePictures, pictureSide } from "./pictures";
import { Renderer, type Picture } from "./renderer";
import { Search } from "./search";
import { Selection } from "./selection";
import { asPng, asSvg } from "./share";
import { listenForKeys } from "./shortcuts";
import { Server, type Source } from "./source";
import { Address, readView, type View } from "./view";

const RESTS_AFTER = 160; // milliseconds without a move
const TOOL_OF_KEY: { [key: string]: Tool } = { v: "pan", b: "box", l: "lasso", d: "decode", p: "path" };

export class App {
  private readonly server: Server | null;
  private readonly camera = new Camera(() => this.invalidate());
  private readonly map = h("canvas", { class: "map", tabindex: 0, role: "application" });
  private readonly stage = h("main", { class: "stage" });
  private readonly legendPlace = h("div", { class: "legend-place" });
  private readonly message = new Message();
  private readonly renderer: Renderer;
  private readonly overlay: Overlay;
  private readonly gestures: Gestures;
  private readonly header: Header;
  private readonly labels: Labels;
  private readonly minimap: Minimap;
  private readonly inspector: Inspector;
  private readonly groups: Groups;
  private readonly colorKey: ColorKey;
  private readonly filters: Filters;
  private readonly selection: Selection;
  private readonly search: Search;
  private readonly address: Address;
  private readonly decoder: Decoder | null;
  private readonly learn: Learn | null;
  private readonly editor: Editor | null;
  private shown: Picture[] = [];
  private chosenFor = "";
  private movedAt = 0;
  private waiting = false;
  private readonly times: number[] = [];

  constructor(
    private readonly model: Model,
    source: Source,
    mayChange: boolean,
  ) {
    const { camera, message } = this;
    this.server = source instanceof Server ? source : null;
    this.editor = this.server && mayChange ? new Editor(model, this.server) : null;
    const look = (rows: number[]): void => this.zoomTo(rows);
    const show = (row: number): void => this.goTo(row);
    const redraw = (): void => this.invalidate();
    this.renderer = new Renderer(this.map, model, () => this.choose(true));
    this.minimap = new Minimap(model, camera);
    this.labels = new Labels(model, [this.minimap.element, this.legendPlace]);
    this.inspector = new Inspector(model, show);
    this.groups = new Groups(model, this.editor, look);
    this.colorKey = new ColorKey(model);
    this.filters = new Filters(model, () => this.search.clear());
    this.search = new Search(model, camera, message, show);
    this.address = new Address(model, camera, this.inspector, this.search);
    const say = (text: string, time?: number): void => message.say(text, time);
    this.selection = new Selection(model, this.editor, (id) => show(model.rowOf[id]), look, say, (name) => void this.colorBy(name));
    this.decoder = this.server && new Decoder(model, this.server, camera);
    this.learn = this.server && new Learn(model, this.server, camera, redraw);
    this.overlay = new Overlay(model, camera, this.inspector, this.learn, redraw);
    this.gestures = new Gestures(this.map, camera, {
      hover: (px, py) => this.hover(px, py),
      leave: () => this.decoder?.hide(),
      click: (px, py, event) => this.click(px, py, event),
      draw: (tool, points, done, event) => this.draw(tool, points, done, event),
      moving: () => (this.movedAt = performance.now()),
    });
    this.header = this.makeHeader();
    this.search.attach(this.header.search);
    this.map.setAttribute("aria-label", t("map", { n: model.n }));
    this.lay();
    this.listen();
    this.listenForKeys();
  }

  // ------------------------------------------------------------ layout

  private makeHeader(): Header {
    const { server, learn } = this;
    const tools = Object.values(TOOL_OF_KEY).filter((tool) => this.offers(tool));
    return new Header(this.model, tools, {
      find: (text) => void this.search.byName(text),
      colorBy: (name) => void this.colorBy(name),
      use: (tool) => this.use(tool),
      learn: learn && (() => learn.toggle()),
      copyLink: () => void this.copyLink(),
      saveHtml: server && (() => void this.saveHtml(server)),
      savePng: () => void this.savePng(),
      saveSvg: () => void this.saveSvg(),
      toggleTheme: () => this.toggleTheme(),
      toggleLanguage: () => this.toggleLanguage(),
      help: () => this.message.say(t("helpText"), 12_000),
    });
  }

  private lay(): void {
    const left = h("aside", { class: "left", "aria-label": t("panelLeft") }, this.groups.element, this.colorKey.element, this.filters.element);
    const right = h("aside", { class: "right", "aria-label": t("panelRight") }, this.inspector.element, this.selection.element);
    this.stage.replaceChildren(
      this.map,
      this.overlay.element,
      this.labels.element,
      this.legendPlace,
      this.minimap.element,
      ...(this.decoder ? [this.decoder.preview, this.decoder.element] : []),
      ...(this.learn ? [this.learn.element] : []),
      this.filters.nothing,
      this.message.element,
    );
    document.body.replaceChildren(this.header.element, left, this.stage, right);
  }

  private listen(): void {
    const { model } = this;
    model.moved.on(() => {
      this.renderer.takePlaces();
      this.labels.renew();
      this.choose(true);
    });
    model.painted.on(() => {
      this.renderer.takeColors();
      this.minimap.repaint();
      this.legendPlace.replaceChildren(legend(model));
      this.choose(true);
    });
    model.filtered.on(() => this.labels.renew());
    model.selectionChanged.on(() => {
      this.selection.rebuild();
      if (this.editor && this.server) void this.server.post("/api/selection", { ids: model.idsOf(model.selectedRows()) }).catch(() => undefined);
    });
    model.edited.on(() => {
      this.header.offerColors();
      this.groups.rebuild();
      this.filters.refresh();
      this.labels.renew();
      this.selection.rebuild();
      this.invalidate();
    });
    this.inspector.changed.on(() => {
      this.address.saveSoon();
      this.invalidate();
    });
    this.editor?.said.on((text) => this.message.say(text));
    this.editor?.replaced.on(() => this.message.say(t("runChanged"), 60_000, button(t("reload"), () => location.reload())));
    model.failed.on((error) => this.message.say(sentence(error)));
    this.map.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.map.addEventListener("webglcontextrestored", () => location.reload()); // the view is in the address
    new ResizeObserver(() => this.resize()).observe(this.stage);
    window.addEventListener("hashchange", () => void this.takeView(readView(location.hash)));
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) void this.search.byImage(file);
    });
  }

  private listenForKeys(): void {
    const acts: { [key: string]: () => void } = {
      n: () => this.nextNeighbor(),
      Enter: () => this.goTo(this.rowNow()),
      "/": () => this.header.search.focus(),
      "Control+z": () => void this.editor?.send({ kind: "undo" }),
      "Control+Shift+z": () => void this.editor?.send({ kind: "redo" }),
      Escape: () => {
        this.inspector.clear();
        this.overlay.shape = [];
        this.model.select([]);
      },
    };
    for (const [key, tool] of Object.entries(TOOL_OF_KEY)) if (this.offers(tool)) acts[key] = () => this.use(tool);
    listenForKeys(this.gestures, acts);
  }

  async begin(): Promise<void> {
    this.resize();
    this.camera.setHome(this.model.facts.square);
    await this.model.repaint();
    this.labels.renew();
    await this.takeView(readView(location.hash));
    this.choose(true);
    performance.mark("interactive");
    await this.labels.loadTree();
    this.labels.renew();
    this.invalidate();
  }

  private resize(): void {
    const { width, height } = this.stage.getBoundingClientRect();
    const ratio = devicePixelRatio;
    for (const canvas of [this.map, this.overlay.element]) {
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
    this.overlay.draw(this.shown);
    this.address.saveSoon();
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
    const { model, overlay } = this;
    overlay.isClosed = tool !== "path";
    overlay.shape = done && overlay.isClosed ? [] : points;
    if (done && tool === "path") void this.decoder?.along(points);
    else if (done) model.select(rowsInside(model, this.camera, points), event.shiftKey);
    this.invalidate();
  }

  private goTo(row: number): void {
    if (row < 0) return; // all are filtered out
    this.inspector.pin(row);
    const { model, camera } = this;
    const [left, bottom, right, top] = camera.bounds(-60);
    const [x, y] = [model.x[row], model.y[row]];
    if (!(x > left && x < right && y > bottom && y < top)) camera.flyTo(x, y);
  }

  private zoomTo(rows: number[]): void {
    const box = boxOf(this.model, rows);
    if (box) this.camera.flyToBox(...box);
  }

  private nextNeighbor(): void {
    this.goTo(this.inspector.neighbors[0] ?? this.rowNow());
  }

  /** The row that is looked at, or else the one nearest to the middle. */
  private rowNow(): number {
    const { inspector, model, camera } = this;
    return inspector.row >= 0 ? inspector.row : nearestTo(model, camera.x, camera.y);
  }

  private async colorBy(name: string): Promise<void> {
    try {
      await this.model.colorByColumn(name);
      this.header.offerColors();
      this.address.saveSoon();
    } catch (error) {
      this.message.say(sentence(error));
    }
  }

  /** The decoder is the server's. */
  private offers(tool: Tool): boolean {
    return this.server !== null || (tool !== "decode" && tool !== "path");
  }

  private use(tool: Tool): void {
    this.gestures.tool = tool;
    this.overlay.shape = [];
    this.decoder?.hide();
    this.map.dataset.tool = tool;
    this.header.showTool(tool);
    this.invalidate();
  }

  // ------------------------------------------------------------ the view

  private async takeView(view: View): Promise<void> {
    if (view.theme) document.documentElement.dataset.theme = view.theme === "light" ? "light" : "dark";
    if ((view.color ?? GROUP) !== this.model.colorBy) await this.colorBy(view.color ?? GROUP);
    if (view.x !== undefined) this.camera.set(view.x, view.y!, view.zoom!);
    if (view.filters || this.model.filters.size) {
      await this.model.setFilters(view.filters ?? {});
      this.filters.rebuild();
    }
    if ((view.search ?? "") !== this.search.text) {
      this.header.search.value = view.search ?? "";
      await this.search.byName(this.header.search.value);
    }
    if (view.image !== undefined && view.image >= 0 && view.image < this.model.n) this.inspector.pin(this.model.rowOf[view.image]);
    else this.inspector.clear();
  }

  private async copyLink(): Promise<void> {
    this.address.save();
    try {
      await navigator.clipboard.writeText(location.href);
      this.message.say(t("copied"));
    } catch {
      this.message.say(location.href, 20_000);
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
    this.address.save();
    location.reload(); // all texts anew; the view is in the address
  }

  private async saveHtml(server: Server): Promise<void> {
    try {
      download(await server.blob("/page.html"), `${this.model.facts.name}.html`);
    } catch (error) {
      this.message.say(sentence(error));
    }
  }

  private async savePng(): Promise<void> {
    this.frame(); // what WebGL has drawn is there until this task ends
    download(await asPng(this.map, this.overlay.element, this.labels, this.camera), `${this.model.facts.name}.png`);
  }

  private async saveSvg(): Promise<void> {
    const ground = getComputedStyle(document.body).backgroundColor;
    download(await asSvg(this.model, this.camera, this.shown, this.labels, ground), `${this.model.facts.name}.svg`);
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

