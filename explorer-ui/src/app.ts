// The map in the middle, what one asks and does about it on both sides.

import { Camera, PICTURE_SIZES, type PictureSize } from "./camera";
import { ColorKey } from "./colorkey";
import { Decoder } from "./decoder";
import { button, download, h } from "./dom";
import { Dropped } from "./dropped";
import { Editor, sentence } from "./edits";
import { Filters, legend } from "./filters";
import { Gestures, type Point, type Tool } from "./gestures";
import { Groups } from "./groups";
import { Header, NARROW } from "./header";
import { setLanguage, t } from "./i18n";
import { Inspector } from "./inspector";
import { colorKey } from "./keycolors";
import { KeysPanel } from "./keys";
import { Labels } from "./labels";
import { addLayer, closeUppermost } from "./layers";
import { Learn } from "./learn";
import { makeLightbox, openPicture } from "./lightbox";
import { Message } from "./message";
import { Minimap } from "./minimap";
import { GROUP, type Model } from "./model";
import { Overlay } from "./overlay";
import { boxOf, nearestTo, rowAt, rowsInside } from "./picking";
import { choosePictures, pictureSide } from "./pictures";
import { recall, recallSelection, remember, rememberSelection } from "./remembered";
import { Renderer, THEMES, type Picture } from "./renderer";
import { Search } from "./search";
import { Selection } from "./selection";
import { asPng, asSvg, type Paper } from "./share";
import { listenForKeys } from "./shortcuts";
import { Server, type Source } from "./source";
import { medianSpacing } from "./spacing";
import { Told } from "./told";
import { Address, readView, type View } from "./view";
import { Walk } from "./walk";
import { Zoombar } from "./zoombar";

const RESTS_AFTER = 160; // milliseconds without a move
const SAID_LONG = 10_000; // milliseconds that a sentence stays which takes reading
const LARGEST_SAVED = 8192; // pixels a side of a saved picture, which graphics processors can draw
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
  private readonly dropped: Dropped;
  private readonly zoombar: Zoombar;
  private readonly walk: Walk;
  private readonly keysPanel = new KeysPanel();
  private readonly closeSheet = button("×", () => this.hideSheet(), { class: "small close-sheet", "aria-label": t("closeSheet"), title: t("closeSheet") });
  private readonly told: Told | null;
  private readonly editor: Editor | null;
  private shown: Picture[] = [];
  private chosenFor = "";
  private movedAt = 0;
  private waiting = false;
  private spacingStale = false;
  private closedFor = "";
  /** The row from which the next click shows the way; -1: none was asked for. */
  private wayFrom = -1;
  /** One step of a walk after the other. */
  private walking: Promise<void> = Promise.resolve();
  /** Whether the size that is taken next is that of another window, to which the map is fitted. */
  private isFitted = true;
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
    this.zoombar = new Zoombar(camera);
    this.walk = new Walk(model);
    this.labels = new Labels(model, [this.minimap.element, this.zoombar.element, this.legendPlace]);
    this.dropped = new Dropped(model, camera, (text) => message.say(text, SAID_LONG), show);
    this.inspector = new Inspector(model, {
      show,
      open: (row) => openPicture(model.points.id[row]),
      choose: this.server && (() => this.dropped.choose()),
      wayFrom: this.server && ((row) => this.askForWay(row)),
    });
    makeLightbox(model, show);
    this.groups = new Groups(model, this.editor, look);
    this.colorKey = new ColorKey(model);
    this.filters = new Filters(model, () => this.search.clear());
    this.search = new Search(model, message, show);
    this.address = new Address(model, camera, this.inspector, this.search);
    const say = (text: string, time?: number): void => message.say(text, time);
    this.selection = new Selection(model, this.editor, openPicture, look, say, (name) => void this.colorBy(name));
    this.decoder = this.server && new Decoder(model, this.server, camera);
    this.learn = this.server && new Learn(model, this.server, camera, redraw);
    this.overlay = new Overlay(model, camera, this.inspector, this.dropped, this.learn, redraw);
    this.told = this.editor && this.server && new Told(this.server, () => model.idsOf(model.selectedRows()));
    this.gestures = new Gestures(this.map, camera, {
      hover: (px, py) => this.hover(px, py),
      leave: () => this.leave(),
      click: (px, py, event) => this.click(px, py, event),
      doubleClick: (px, py) => this.doubleClick(px, py),
      draw: (tool, points, done, event) => this.draw(tool, points, done, event),
      moving: () => (this.movedAt = performance.now()),
    });
    this.header = this.makeHeader();
    this.search.attach(this.header.search);
    this.map.setAttribute("aria-label", `${t("map", { n: model.n })} ${t("mapKeys")}`);
    camera.nearest = (x, y) => {
      const row = nearestTo(model, x, y);
      return row < 0 ? null : [model.x[row], model.y[row]];
    };
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
      showPictures: (size) => this.showPictures(size),
      use: (tool) => this.use(tool),
      learn: learn && (() => learn.toggle()),
      choosePicture: server && (() => this.dropped.choose()),
      copyLink: () => void this.copyLink(),
      saveHtml: server && (() => this.saveHtml(server)),
      savePng: (ratio) => this.savePng(ratio),
      saveSvg: () => this.saveSvg(),
      toggleTheme: () => this.toggleTheme(),
      toggleLanguage: () => this.toggleLanguage(),
      help: () => this.keysPanel.toggle(),
      panels: () => this.togglePanels(),
    });
  }

  private lay(): void {
    const left = h("aside", { class: "left", "aria-label": t("panelLeft") }, this.groups.element, this.colorKey.element, this.filters.element);
    const right = h("aside", { class: "right", "aria-label": t("panelRight") }, this.closeSheet, this.inspector.element, this.selection.element);
    this.stage.replaceChildren(
      this.map,
      this.overlay.element,
      this.labels.element,
      this.legendPlace,
      h("div", { class: "corner" }, this.zoombar.element, this.minimap.element),
      this.dropped.element,
      this.dropped.zone,
      this.keysPanel.element,
      ...(this.decoder ? [this.decoder.preview, this.decoder.element] : []),
      ...(this.learn ? [this.learn.element] : []),
      this.filters.nothing,
      this.message.element,
    );
    const skip = h("a", { class: "skip", href: "#", text: t("skipToMap"), on: { click: (event: Event) => (event.preventDefault(), this.map.focus()) } });
    this.header.element.prepend(skip); // in a landmark, as all is
    document.body.replaceChildren(this.header.element, this.stage, left, right, ...document.querySelectorAll("dialog.lightbox"));
    this.layer(left);
  }

  /** What can be open, the uppermost last: Escape closes one after the other. */
  private layer(left: HTMLElement): void {
    const { dropped, learn, decoder, keysPanel, header } = this;
    const isNarrow = (): boolean => matchMedia(NARROW).matches;
    addLayer({
      element: left,
      isOpen: () => isNarrow() && document.body.classList.contains("drawer-open"),
      close: () => this.togglePanels(),
      passing: true,
      opener: () => header.panelsButton,
    });
    addLayer({ element: dropped.element, isOpen: () => dropped.isOpen, close: () => dropped.close() });
    if (learn) {
      const opener = (): Element | null => header.element.querySelector("[data-open=learn]");
      addLayer({ element: learn.element, isOpen: () => !learn.element.hidden, close: () => learn.close(), opener });
    }
    if (decoder) addLayer({ element: decoder.element, isOpen: () => decoder.isOpen, close: () => decoder.close() });
    addLayer({
      element: keysPanel.element,
      isOpen: () => keysPanel.isOpen,
      close: () => keysPanel.close(),
      passing: true,
      opener: () => header.helpButton,
    });
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
    model.filtered.on(() => {
      this.spacingStale = true;
      this.labels.renew();
    });
    model.selectionChanged.on(() => {
      this.selection.rebuild();
      this.showSheet();
      rememberSelection(model.facts.version, model.idsOf(model.selectedRows()));
      this.told?.tell();
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
      this.showSheet();
      this.address.saveSoon();
      this.choose(false);
      this.invalidate();
    });
    this.dropped.changed.on(() => this.invalidate());
    this.decoder?.closed.on(() => {
      this.overlay.shape = [];
      this.invalidate();
    });
    this.editor?.said.on((text) => this.message.say(text));
    this.editor?.replaced.on(() => this.message.say(t("runChanged"), 60_000, button(t("reload"), () => location.reload())));
    model.failed.on((error) => this.message.say(sentence(error)));
    this.map.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.map.addEventListener("webglcontextrestored", () => location.reload()); // the view is in the address
    new ResizeObserver(() => this.resize()).observe(this.stage);
    window.addEventListener("hashchange", () => void this.takeView(readView(location.hash)));
    window.addEventListener("resize", () => (this.isFitted = true));
  }

  private listenForKeys(): void {
    const acts: { [key: string]: () => void } = {
      n: () => this.walkOn(),
      "Shift+n": () => this.walkBack(),
      Enter: () => this.enter(),
      "?": () => this.keysPanel.toggle(),
      "/": () => this.header.search.focus(),
      "Control+z": () => void this.editor?.send({ kind: "undo" }),
      "Control+Shift+z": () => void this.editor?.send({ kind: "redo" }),
      "Control+y": () => void this.editor?.send({ kind: "redo" }),
      Escape: () => this.escape(),
    };
    for (const [key, tool] of Object.entries(TOOL_OF_KEY)) if (this.offers(tool)) acts[key] = () => this.use(tool);
    listenForKeys(this.gestures, acts);
  }

  /** Close the uppermost of what is open; where nothing is, let go of what one looks at and of what is selected. */
  private escape(): void {
    if (this.wayFrom >= 0) this.wayFrom = -1;
    else if (!closeUppermost()) {
      this.inspector.clear();
      this.overlay.shape = [];
      if (this.model.nSelected) this.model.select([]);
    }
    this.invalidate();
  }

  async begin(): Promise<void> {
    const { model, camera } = this;
    camera.setHome(model.facts.square);
    this.resize();
    camera.spacing = medianSpacing(model.points.x, model.points.y, null, model.facts.square);
    this.measureSpacing();
    camera.reset();
    await this.model.repaint();
    this.labels.renew();
    await this.takeView(readView(location.hash));
    model.select(recallSelection(model.facts.version).map((id) => model.rowOf[id]).filter((row) => row !== undefined));
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
    this.camera.resize(Math.max(1, width), Math.max(1, height), !this.isFitted);
    this.isFitted = false;
    const { row, pinned } = this.inspector;
    const [x, y] = [this.model.x[row], this.model.y[row]];
    if (pinned && !this.camera.sees(x, y, 0)) this.camera.flyTo(x, y); // a panel lies where it was
  }

  /** Sizes of pictures go by what is shown. */
  private measureSpacing(): void {
    const { model, camera } = this;
    this.spacingStale = false;
    const isAll = model.nVisible === model.n;
    camera.shownSpacing = isAll ? camera.spacing : medianSpacing(model.points.x, model.points.y, model.visible, model.facts.square);
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
    this.renderer.draw(this.camera, devicePixelRatio, moving, pictureSide(this.camera), THEMES[document.documentElement.dataset.theme!]);
    if (this.renderer.nPictures && !performance.getEntriesByName("first-picture").length) performance.mark("first-picture");
    this.labels.draw(this.camera);
    this.minimap.draw();
    this.zoombar.draw();
    this.overlay.draw(this.shown);
    this.address.saveSoon();
    this.times.push(performance.now() - begun);
    if (this.times.length > 1000) this.times.shift();
    if (moving || this.labels.isBehind(this.camera)) setTimeout(() => this.invalidate(), RESTS_AFTER);
  }

  /** Choose the pictures of this view, unless it is the one that they were chosen for. */
  private choose(anew: boolean): void {
    const { camera, inspector } = this;
    if (this.spacingStale) this.measureSpacing();
    const first = inspector.pinned ? inspector.row : -1;
    const key = `${camera.key} ${first}`;
    if (!anew && key === this.chosenFor) return;
    this.chosenFor = key;
    this.shown = choosePictures(this.model, camera, first);
    this.renderer.takePictures(this.shown);
    if (anew) this.invalidate();
  }

  // ------------------------------------------------------------ asking

  private hover(px: number, py: number): void {
    this.overlay.isPointed = true;
    if (this.gestures.tool === "decode") this.decoder?.at(px, py);
    this.inspector.hover(rowAt(this.model, this.camera, this.shown, px, py));
  }

  /** What was only pointed at is shown in the panel still, but no longer on the map. */
  private leave(): void {
    this.overlay.isPointed = false;
    this.decoder?.hide();
    this.invalidate();
  }

  private click(px: number, py: number, event: PointerEvent): void {
    const { model, inspector } = this;
    const row = rowAt(model, this.camera, this.shown, px, py);
    const toggles = event.ctrlKey || event.metaKey;
    const changes = toggles || event.shiftKey || event.altKey || this.wayFrom >= 0;
    const label = changes ? null : this.labels.at(event.clientX, event.clientY);
    if (label) return this.zoomTo(label);
    if (row < 0) {
      if (changes) return; // a click that was to select is no reason to lose what is selected
      inspector.clear();
      if (this.gestures.tool !== "pan") model.select([]);
    } else if (this.wayFrom >= 0 || (event.altKey && inspector.pinned && this.decoder)) {
      const from = this.wayFrom >= 0 ? this.wayFrom : inspector.row;
      this.wayFrom = -1;
      void this.decoder?.between(from, row);
    } else if (toggles) {
      const rows = model.selectedRows();
      model.select(model.selected[row] ? rows.filter((one) => one !== row) : [...rows, row]);
    } else if (event.shiftKey) {
      model.select([row], true);
    } else {
      inspector.pin(row);
    }
  }

  private doubleClick(px: number, py: number): boolean {
    const row = rowAt(this.model, this.camera, this.shown, px, py);
    if (row < 0) return false;
    openPicture(this.model.points.id[row]);
    return true;
  }

  private askForWay(row: number): void {
    this.wayFrom = row;
    this.message.say(t("wayAsked"), SAID_LONG);
  }

  /** Pin the image in the middle; open the one that is pinned or pointed at. */
  private enter(): void {
    const { inspector, model } = this;
    if (inspector.row >= 0) openPicture(model.points.id[inspector.row]);
    else this.goTo(this.rowNow());
  }

  private draw(tool: Tool, points: Point[], done: boolean, event: PointerEvent): void {
    const { model, overlay, camera } = this;
    overlay.isClosed = tool !== "path";
    overlay.shape = done && overlay.isClosed ? [] : points.map((point) => camera.toMap(...point)); // stays with the map
    if (done && points.length > 1) {
      if (tool === "path") void this.decoder?.along(points);
      else model.select(rowsInside(model, camera, points), event.shiftKey || event.ctrlKey || event.metaKey);
    }
    this.invalidate();
  }

  private goTo(row: number): void {
    if (row < 0) return; // all are filtered out
    this.inspector.pin(row);
    const { model, camera } = this;
    if (!camera.sees(model.x[row], model.y[row])) camera.flyTo(model.x[row], model.y[row]);
  }

  private zoomTo(rows: number[]): void {
    const box = boxOf(this.model, rows);
    if (box) this.camera.flyToBox(...box);
  }

  private walkOn(): void {
    this.walking = this.walking.then(async () => {
      try {
        const row = await this.walk.next(this.rowNow());
        if (row < 0) this.message.say(t("noFurther"));
        else this.goTo(row);
      } catch (error) {
        this.message.say(sentence(error));
      }
    });
  }

  private walkBack(): void {
    this.walking = this.walking.then(() => {
      const row = this.walk.back(this.rowNow());
      if (row < 0) this.message.say(t("noBack"));
      else this.goTo(row);
    });
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

  private showPictures(size: PictureSize): void {
    this.camera.pictureSize = size;
    remember("pictures", size);
    this.header.offerPictures(size);
    this.address.saveSoon();
    this.choose(true);
  }

  /** On a narrow page the panels are a drawer. */
  private togglePanels(): void {
    const { classList } = document.body;
    if (matchMedia(NARROW).matches) classList.toggle("drawer-open");
    else classList.toggle("panels-hidden");
  }

  /** On a narrow page what was asked about comes up from below. */
  private showSheet(): void {
    const isAsked = this.inspector.pinned || this.model.nSelected > 0;
    document.body.classList.toggle("has-sheet", isAsked && this.sheetKey !== this.closedFor);
    document.body.classList.toggle("has-selection", this.model.nSelected > 0);
    document.body.classList.toggle("has-image", this.inspector.pinned);
  }

  /** What the sheet shows; closed, it stays so until that is another. */
  private get sheetKey(): string {
    return [this.inspector.row, this.inspector.pinned, this.model.nSelected].join();
  }

  private hideSheet(): void {
    this.closedFor = this.sheetKey;
    document.body.classList.remove("has-sheet");
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
    const size = view.pictures ?? PICTURE_SIZES.find((one) => one === recall("pictures")) ?? "auto";
    this.camera.pictureSize = size;
    this.header.offerPictures(size);
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
    remember("theme", root.dataset.theme);
    this.address.saveSoon();
    this.minimap.repaint();
    this.invalidate();
  }

  private toggleLanguage(): void {
    const language = document.documentElement.lang === "ko" ? "en" : "ko";
    setLanguage(language);
    remember("language", language);
    this.address.save();
    location.reload(); // all texts anew; the view is in the address, what is selected in the tab's memory
  }

  private async saveHtml(server: Server): Promise<void> {
    const name = `${this.model.facts.name}.html`;
    this.message.say(t("makingHtml"), 600_000);
    try {
      download(await server.blob("page.html"), name);
      this.message.say(t("madeHtml", { name }));
    } catch (error) {
      this.message.say(sentence(error), SAID_LONG);
    }
  }

  /** Draw the view with so many pixels for one of the page, save it, and go back to the screen's. */
  private async savePng(ratio: number): Promise<void> {
    this.message.say(t("makingPicture"));
    const key = await colorKey(this.model);
    const { camera, map, overlay, shown } = this;
    const canvases = [map, overlay.element];
    const whole = Math.min(ratio * devicePixelRatio, LARGEST_SAVED / Math.max(camera.width, camera.height));
    for (const canvas of canvases) [canvas.width, canvas.height] = [camera.width, camera.height].map((side) => Math.round(whole * side));
    this.renderer.draw(camera, whole, false, pictureSide(camera), THEMES[document.documentElement.dataset.theme!]);
    overlay.draw(shown, whole);
    // what WebGL has drawn is there until this task ends
    const picture = asPng(map, overlay.element, this.labels, camera, this.paper, key);
    this.resize();
    this.frame();
    download(await picture, `${this.model.facts.name}.png`);
  }

  private get paper(): Paper {
    const { backgroundColor, color } = getComputedStyle(document.body);
    return { ground: backgroundColor, ink: color };
  }

  private async saveSvg(): Promise<void> {
    const key = await colorKey(this.model);
    download(await asSvg(this.model, this.camera, this.shown, this.labels, this.paper, key), `${this.model.facts.name}.svg`);
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
      pictureSize: camera.pictureSize,
      maxZoom: camera.maxZoom,
      spacing: camera.spacing,
      pinned: this.inspector.pinned,
      dropped: this.dropped.place,
      shape: this.overlay.shape.map((place) => camera.toScreen(...place)),
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

