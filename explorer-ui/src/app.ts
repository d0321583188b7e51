// Creates the parts of the page and connects them.

import { ServerDecoder, type Decoder } from "./data/decoder";
import { Editor } from "./data/editor";
import { errorMessage } from "./data/error-message";
import { SelectionSync } from "./data/selection-sync";
import { Server } from "./data/server";
import { SiteDecoder } from "./data/site-decoder";
import type { Source } from "./data/source";
import { StaticSite } from "./data/static-site";
import type { Facts } from "./data/types";
import { GridPanel } from "./grid/grid-panel";
import { ReviewKeys } from "./grid/review-keys";
import { t } from "./i18n/translate";
import { Lessons } from "./lessons/lessons";
import { Camera } from "./map/camera";
import { DecoderTool } from "./map/decoder-tool";
import type { Tool } from "./map/gestures";
import { MapActions } from "./map/map-actions";
import { MapView } from "./map/map-view";
import { Overlay } from "./map/overlay";
import type { Model } from "./model/model";
import { Address, readView } from "./page/address";
import { button, h } from "./page/dom";
import { addLayer } from "./page/layers";
import { Message } from "./page/message";
import { pageState } from "./page/page-state";
import { listenForKeys } from "./page/shortcuts";
import { SidePanels } from "./page/side-panels";
import { recallSelection, rememberSelection } from "./page/storage";
import { SiteLoading } from "./page/site-loading";
import { ViewControl } from "./page/view-control";
import { ChannelPanel } from "./panels/channel-panel";
import { ColorLegend } from "./panels/color-legend";
import { ComparedMap } from "./panels/compared-map";
import { Filters } from "./panels/filters";
import { Groups } from "./panels/groups";
import { Header } from "./panels/header";
import { History } from "./panels/history";
import { Inspector } from "./panels/inspector";
import { createLightbox, openImage } from "./panels/lightbox";
import { QueryImage } from "./panels/query-image";
import { ReweightedMap } from "./panels/reweighted-map";
import { Search } from "./panels/search";
import { SelectionPanel } from "./panels/selection-panel";
import { remixImages } from "./panels/thumbnails";
import { ShortcutList } from "./panels/shortcut-list";
import { WeightSliders } from "./panels/weight-sliders";
import { ViewSaver } from "./saving/save-view";
import { notebookOfPage, reloadPage } from "./widget/notebook";
import { NotebookLink } from "./widget/notebook-link";

const QUERY_MESSAGE_TIME = 10_000; // milliseconds
const CONFLICT_MESSAGE_TIME = 20_000; // milliseconds
const RELOAD_MESSAGE_TIME = 60_000; // milliseconds
const TOOL_OF_KEY: { [key: string]: Tool } = { v: "pan", b: "box", l: "lasso", d: "decode", p: "path" };
const DECODER_TOOLS: Tool[] = ["decode", "path"];

/** What decodes latent vectors; null on a page that was saved as one file. */
function decoderOf(source: Source, facts: Facts): Decoder | null {
  if (source instanceof Server) return new ServerDecoder(source);
  return source instanceof StaticSite ? new SiteDecoder(source, facts) : null;
}

export class App {
  /** The server; null on a page that was saved as one file. */
  readonly server: Server | null;
  readonly camera = new Camera(() => this.view.invalidate());
  readonly inspector: Inspector;
  readonly view: MapView;
  readonly overlay: Overlay;
  readonly actions: MapActions;
  readonly filters: Filters;
  readonly query: QueryImage;
  readonly decoder: DecoderTool | null;
  readonly lessons: Lessons | null;
  /** Null where the kinds of features cannot be weighted. */
  readonly reweighted: ReweightedMap | null;
  /** Null unless another run is compared. */
  readonly compared: ComparedMap | null;
  /** Null for images that are grey or in colour. */
  private readonly channels: ChannelPanel | null;
  private readonly message = new Message();
  private readonly header: Header;
  private readonly groups: Groups;
  private readonly colorLegend: ColorLegend;
  private readonly grid: GridPanel;
  private readonly selection: SelectionPanel;
  private readonly search: Search;
  private readonly address: Address;
  private readonly control: ViewControl;
  private readonly panels: SidePanels;
  private readonly shortcuts: ShortcutList;
  private readonly editor: Editor | null;
  private readonly selectionSync: SelectionSync | null;
  /** The notebook that the page is in; null in a tab of its own. */
  private readonly notebook = notebookOfPage();
  private readonly link = this.notebook && new NotebookLink(this, this.notebook.model);
  /** Null where all rows are there from the start. */
  private readonly site: SiteLoading | null;

  constructor(readonly model: Model) {
    const { camera, message, link } = this;
    const server = (this.server = model.source instanceof Server ? model.source : null);
    const goTo = (row: number): void => this.actions.goTo(row);
    const zoomTo = (rows: number[]): void => this.actions.zoomTo(rows);
    const redraw = (): void => this.view.invalidate();
    const notify = (text: string, time?: number): void => message.show(text, time);
    const colorBy = (name: string): void => void this.control.colorBy(name);
    this.editor = server && new Editor(model, server);
    const editor = model.facts.canEdit ? this.editor : null; // readers see the edits of others
    this.selectionSync = editor && server && !link ? new SelectionSync(server, () => model.idsOf(model.selectedRows())) : null;
    const decoder = model.facts.hasDecoder ? decoderOf(model.source, model.facts) : null;
    this.decoder = decoder && new DecoderTool(model, decoder, camera);
    const canFind = server !== null && model.facts.hasEncoder;
    this.query = new QueryImage(model, camera, (text) => message.show(text, QUERY_MESSAGE_TIME), goTo);
    const canWeight = server !== null && model.weights.kinds.length > 1;
    this.reweighted = canWeight ? new ReweightedMap(model, server, colorBy) : null;
    this.compared = server && model.facts.compared ? new ComparedMap(model, server, model.facts.compared, colorBy) : null;
    const sliders = this.reweighted && new WeightSliders(model.weights, this.reweighted.element);
    const hasChannels = server !== null && model.channels.channels.length > 0;
    if (hasChannels) server.mix = model.channels.text;
    this.channels = hasChannels ? new ChannelPanel(model.channels, server, model.facts.canEdit === true, (error) => message.show(errorMessage(error))) : null;
    this.inspector = new Inspector(model, sliders?.element ?? null, {
      show: goTo,
      open: (row) => openImage(model.points.id[row]),
      choose: canFind ? () => this.query.choose() : null,
      interpolateFrom: this.decoder && ((row) => this.actions.startInterpolation(row)),
    });
    const review = editor && new ReviewKeys(model, editor);
    createLightbox(model, goTo, review);
    const { hasPictures } = model.facts;
    this.shortcuts = new ShortcutList({ hasPictures, hasDecoder: this.decoder !== null, canFind, canEdit: server !== null, canReview: review !== null });
    this.lessons = server && new Lessons(model, server, camera, redraw);
    this.overlay = new Overlay(model, camera, this.inspector, this.query, this.lessons, redraw);
    this.view = new MapView(model, camera, this.inspector, this.overlay);
    this.actions = new MapActions(model, camera, this.view, this.overlay, this.inspector, this.decoder, message);
    this.site = model.source instanceof StaticSite ? new SiteLoading(model.source, model, camera, this.view, this.inspector) : null;
    this.groups = new Groups(model, editor, zoomTo);
    this.colorLegend = new ColorLegend(model);
    this.filters = new Filters(model, () => this.search.clear());
    this.search = new Search(model, message, goTo);
    this.grid = new GridPanel(model, { camera, view: this.view, overlay: this.overlay, inspector: this.inspector, review, open: openImage });
    this.selection = new SelectionPanel(model, editor, () => this.grid.openWith("selected"), zoomTo, notify, colorBy);
    this.address = new Address(model, camera, this.inspector, this.search, link ? (text) => link.saveAddress(text) : undefined);
    this.header = this.makeHeader(new ViewSaver(model, camera, this.view, message));
    const { view, header, groups, colorLegend, filters, inspector, selection, search, address } = this;
    this.control = new ViewControl({ model, camera, view, header, inspector, filters, search, address, message });
    search.attach(header.search);
    const history = this.editor ? [new History(this.editor).element] : [];
    const compared = this.compared ? [this.compared.element] : [];
    const left = [groups.element, ...compared, ...(this.channels ? [this.channels.element] : []), colorLegend.element, filters.element, ...history];
    const panels = (this.panels = new SidePanels(model, inspector, left, [inspector.element, selection.element]));
    this.actions.gestures.isSoonCovered = (y) => panels.wouldCover(y);
    this.layOut();
    this.addLayers();
    this.listen();
    this.listenForKeys();
  }

  private makeHeader(saver: ViewSaver): Header {
    const { server, lessons } = this;
    return new Header(this.model, Object.values(TOOL_OF_KEY).filter((tool) => this.isAvailable(tool)), {
      search: (text) => void this.search.submit(text),
      colorBy: (name) => void this.control.colorBy(name),
      setThumbnailSize: (size) => this.control.setThumbnailSize(size),
      useTool: (tool) => this.useTool(tool),
      toggleLessons: lessons && (() => this.toggleLessons(lessons)),
      chooseQuery: server && this.model.facts.hasEncoder ? () => this.query.choose() : null,
      copyLink: this.link ? null : () => void this.control.copyLink(),
      saveHtml: server && (() => saver.saveHtml(server)),
      savePng: (scale) => saver.savePng(scale),
      saveSvg: () => saver.saveSvg(),
      toggleTheme: () => this.control.toggleTheme(),
      toggleGrid: () => this.grid.toggle(),
      toggleLanguage: () => this.control.toggleLanguage(),
      toggleShortcuts: () => this.shortcuts.toggle(),
      togglePanels: () => this.panels.toggle(),
    });
  }

  private isAvailable(tool: Tool): boolean {
    return this.decoder !== null || !DECODER_TOOLS.includes(tool);
  }

  /** Lessons are about the run's own map. */
  private toggleLessons(lessons: Lessons): void {
    for (const one of this.otherMaps) one.back();
    lessons.toggle();
  }

  private useTool(tool: Tool): void {
    if (this.otherMaps.some((one) => one.isShown) && DECODER_TOOLS.includes(tool)) return this.message.show(t("decoderOwnMap"));
    this.actions.useTool(tool);
    this.header.showTool(tool);
  }

  private layOut(): void {
    const { view, panels } = this;
    view.canvas.setAttribute("aria-label", `${t("map", { n: this.model.facts.nImages ?? this.model.n })} ${t("mapKeys")}`);
    view.stage.replaceChildren(
      view.canvas,
      this.overlay.element,
      view.labels.element,
      h("div", { class: "map-top" }, this.compared?.bar, this.reweighted?.banner, view.legend),
      h("div", { class: "corner" }, view.zoomBar.element, view.minimap.element),
      this.query.element,
      this.query.zone,
      panels.opener,
      this.shortcuts.element,
      ...(this.decoder ? [this.decoder.preview, this.decoder.element] : []),
      ...(this.lessons ? [this.lessons.element] : []),
      ...(this.site ? [this.site.element] : []),
      this.filters.emptyMessage,
      this.message.element,
    );
    const skip = (event: Event): void => {
      event.preventDefault();
      view.canvas.focus();
    };
    this.header.element.prepend(h("a", { class: "skip", href: "#", text: t("skipToMap"), on: { click: skip } })); // inside a landmark
    document.body.replaceChildren(this.header.element, view.stage, panels.left, this.grid.element, panels.right, ...document.querySelectorAll("dialog.lightbox"));
  }

  /** Register what can be open above the map, the topmost last. */
  private addLayers(): void {
    const { query, lessons, decoder, shortcuts, header, panels } = this;
    addLayer({
      element: panels.left,
      isOpen: () => panels.isDrawerOpen,
      close: () => panels.toggle(),
      closesOnOutsideClick: true,
      opener: () => header.panelsButton,
    });
    addLayer({ element: query.element, isOpen: () => query.isOpen, close: () => query.close() });
    if (lessons) {
      const opener = (): Element | null => header.element.querySelector("[data-open=learn]");
      addLayer({ element: lessons.element, isOpen: () => !lessons.element.hidden, close: () => lessons.close(), opener });
    }
    if (decoder) addLayer({ element: decoder.element, isOpen: () => decoder.isOpen, close: () => decoder.close() });
    addLayer({
      element: shortcuts.element,
      isOpen: () => shortcuts.isOpen,
      close: () => shortcuts.close(),
      closesOnOutsideClick: true,
      opener: () => header.helpButton,
    });
  }

  private listen(): void {
    const { model, message, editor } = this;
    model.selectionChanged.on(() => {
      this.selection.rebuild();
      if (!this.link) rememberSelection(model.facts.version, model.idsOf(model.selectedRows()));
      this.selectionSync?.send();
    });
    model.editsChanged.on(() => {
      this.header.updateColorChoices();
      this.groups.rebuild();
      this.filters.refresh();
      this.selection.rebuild();
    });
    model.channels.changed.on(() => this.remix());
    model.loadFailed.on((error) => message.show(errorMessage(error)));
    this.view.frameDrawn.on(() => this.address.saveSoon());
    this.inspector.changed.on(() => this.address.saveSoon());
    this.query.changed.on(() => this.view.invalidate());
    this.grid.toggled.on(() => this.header.showGridOpen(this.grid.isOpen));
    model.weights.changed.on(() => this.address.saveSoon());
    for (const one of this.otherMaps) {
      one.starting.on(() => this.leaveOwnMap(one));
      one.changed.on(() => this.view.minimap.repaint());
    }
    editor?.notified.on((text) => message.show(text));
    editor?.conflicted.on(({ text, repeat }) => message.show(text, CONFLICT_MESSAGE_TIME, button(t("repeatEdit"), repeat)));
    editor?.runReplaced.on(() => message.show(t("runChanged"), RELOAD_MESSAGE_TIME, button(t("reload"), reloadPage)));
  }

  /** Show all pictures by other colours of their channels. */
  private remix(): void {
    const { server, model, view } = this;
    if (!server) return;
    server.mix = model.channels.text;
    remixImages(server);
    view.forgetPictures();
  }

  /** Maps that can be shown in place of the run's own. */
  private get otherMaps(): (ReweightedMap | ComparedMap)[] {
    return [this.reweighted, this.compared].filter((one) => one !== null);
  }

  /** Another map is about to be shown: what is about the run's own map ends, and so does a third map. */
  private leaveOwnMap(shown: ReweightedMap | ComparedMap): void {
    for (const one of this.otherMaps) if (one !== shown) one.back();
    this.lessons?.close();
    this.decoder?.close();
    if (DECODER_TOOLS.includes(this.actions.gestures.tool)) this.useTool("pan");
  }

  private listenForKeys(): void {
    const { actions } = this;
    const editor = this.model.facts.canEdit ? this.editor : null;
    const shortcuts: { [key: string]: () => void } = {
      n: () => actions.walkForward(),
      "Shift+n": () => actions.walkBack(),
      Enter: () => actions.openOrPin(),
      g: () => this.grid.toggle(),
      "?": () => this.shortcuts.toggle(),
      "/": () => this.header.search.focus(),
      "Control+z": () => void editor?.send({ kind: "undo" }),
      "Control+Shift+z": () => void editor?.send({ kind: "redo" }),
      "Control+y": () => void editor?.send({ kind: "redo" }),
      Escape: () => actions.escape(),
    };
    for (const [key, tool] of Object.entries(TOOL_OF_KEY)) if (this.isAvailable(tool)) shortcuts[key] = () => this.useTool(tool);
    listenForKeys(actions.gestures, shortcuts);
  }

  /** Draw the map and restore the view and the selection. */
  async start(): Promise<void> {
    const { model, view } = this;
    view.start();
    await model.recolor();
    await this.compared?.load(); // its columns may be those of the address
    await this.control.apply(readView(this.notebook ? this.notebook.model.get("_address") : location.hash));
    void this.reweighted?.resume();
    if (this.link) await this.link.start();
    else model.select(recallSelection(model.facts.version).map((id) => model.rowOf[id]).filter((row) => row >= 0));
    performance.mark("interactive");
    await view.loadLabels();
  }

  colorBy(name: string): Promise<void> {
    return this.control.colorBy(name);
  }

  /** Take over edits that were made elsewhere. */
  async refreshEdits(): Promise<void> {
    await this.editor?.refresh();
  }

  /** State of the page, for tests and measurements. */
  get state(): object {
    return pageState(this);
  }

  /** Position of an image on the screen, for tests. */
  placeOf(id: number): [number, number] {
    const row = this.model.rowOf[id];
    return this.camera.toScreen(this.model.x[row], this.model.y[row]);
  }
}
