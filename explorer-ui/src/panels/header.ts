// The bar above the map: search, colours, tools, lessons and sharing. On a narrow page it folds into a menu.

import { t } from "../i18n/translate";
import { THUMBNAIL_SIZES, type ThumbnailSize } from "../map/camera";
import type { Tool } from "../map/gestures";
import type { Model } from "../model/model";
import { NARROW } from "../page/breakpoints";
import { button, h, addRovingFocus } from "../page/dom";
import { addLayer } from "../page/layers";

interface HeaderActions {
  search(text: string): void;
  colorBy(name: string): void;
  setThumbnailSize(size: ThumbnailSize): void;
  useTool(tool: Tool): void;
  toggleLessons: (() => void) | null;
  chooseQuery: (() => void) | null;
  /** Null where the page has no address of its own. */
  copyLink: (() => void) | null;
  saveHtml: (() => Promise<void>) | null;
  savePng(scale: number): Promise<void>;
  saveSvg(): Promise<void>;
  toggleTheme(): void;
  toggleLanguage(): void;
  toggleShortcuts(): void;
  togglePanels(): void;
  toggleGrid(): void;
}

const SCALES = [1, 2, 4]; // resolution of a saved image, relative to the screen
const DEFAULT_SCALE = 2;

export class Header {
  readonly element: HTMLElement;
  readonly search = h("input", { type: "search", class: "search", placeholder: t("search"), "aria-label": t("search") });
  readonly helpButton: HTMLButtonElement;
  readonly panelsButton: HTMLButtonElement;
  private readonly gridButton: HTMLButtonElement;
  private readonly colors = h("select", { class: "color", "aria-label": t("colorBy"), title: t("colorBy") });
  private readonly thumbnails = h("select", { class: "pictures", "aria-label": t("thumbnailSize"), title: t("thumbnailSize") });
  private readonly more = h("div", { class: "more", id: "more" });
  private readonly moreButton: HTMLButtonElement;
  private readonly tools: HTMLButtonElement[];

  constructor(
    private readonly model: Model,
    tools: Tool[],
    private readonly actions: HeaderActions,
  ) {
    this.search.addEventListener("change", () => actions.search(this.search.value));
    this.search.addEventListener("search", () => actions.search(this.search.value));
    this.colors.addEventListener("change", () => actions.colorBy(this.colors.value));
    this.thumbnails.append(...THUMBNAIL_SIZES.map((size) => h("option", { value: size, text: t(`${size}Thumbnails`) })));
    this.thumbnails.addEventListener("change", () => actions.setThumbnailSize(this.thumbnails.value as ThumbnailSize));
    this.tools = tools.map((tool) => button(t(tool), () => actions.useTool(tool), { "data-tool": tool, title: t(`${tool}Hint`) }));
    const toolbar = h("div", { class: "tools", role: "toolbar", "aria-label": t("tools") }, ...this.tools);
    addRovingFocus(toolbar, this.tools);
    this.helpButton = icon("?", t("help"), actions.toggleShortcuts, "help");
    this.panelsButton = icon("☰", t("panels"), actions.togglePanels, "panels");
    this.gridButton = icon("▦", t("gridToggle"), actions.toggleGrid, "grid-button");
    this.showGridOpen(false);
    this.moreButton = button("⋯", () => this.setUnfolded(!this.isUnfolded), {
      class: "icon more-button",
      title: t("moreActions"),
      "aria-label": t("moreActions"),
      "aria-expanded": "false",
      "aria-controls": "more",
    });
    this.more.append(
      ...(model.facts.hasPictures ? [h("label", { class: "wide" }, `${t("thumbnails")} `, this.thumbnails)] : []),
      ...(actions.chooseQuery ? [button(t("findByPicture"), actions.chooseQuery, { "data-open": "choose", title: t("dropHint") })] : []),
      ...(actions.toggleLessons ? [button(t("learn"), actions.toggleLessons, { "data-open": "learn" })] : []),
      this.share(),
      icon("◐", t("theme"), actions.toggleTheme, "theme"),
      icon(t("language"), t("language"), actions.toggleLanguage, "language"),
      this.helpButton,
    );
    this.more.addEventListener("click", ({ target }) => {
      if ((target as Element).closest("[data-open], [data-tool], .help")) this.setUnfolded(false);
    });
    this.element = h(
      "header",
      { class: "page-header" },
      h("div", { class: "title" }, h("h1", { text: model.facts.name, title: `${model.facts.name} · ${model.facts.source}` }), h("span", { class: "count", text: t(model.facts.hasPictures ? "images" : "points", { n: model.facts.nImages ?? model.n }) })),
      this.search,
      h("label", { class: "color-label" }, h("span", { class: "color-text", text: `${t("colorBy")} ` }), this.colors),
      toolbar,
      this.moreButton,
      this.more,
      this.gridButton,
      this.panelsButton,
    );
    const narrow = matchMedia(NARROW);
    const fit = (): void => (narrow.matches ? this.more.prepend(toolbar) : this.moreButton.before(toolbar));
    narrow.addEventListener("change", fit);
    fit();
    addLayer({
      element: this.more,
      isOpen: () => this.isUnfolded,
      close: () => this.setUnfolded(false),
      closesOnOutsideClick: true,
      opener: () => this.moreButton,
    });
    this.updateColorChoices();
    this.showTool("pan");
  }

  private get isUnfolded(): boolean {
    return this.more.classList.contains("unfolded");
  }

  /** Open or close the menu. */
  setUnfolded(isUnfolded: boolean): void {
    this.more.classList.toggle("unfolded", isUnfolded);
    this.moreButton.setAttribute("aria-expanded", String(isUnfolded));
  }

  /** Show the columns to colour by, and the current one. */
  updateColorChoices(): void {
    const choices = this.model.choices.filter(({ kind }) => kind !== "text");
    this.colors.replaceChildren(...choices.map(({ name }) => h("option", { value: name, text: name })));
    this.colors.value = this.model.colorBy;
  }

  showThumbnailSize(size: ThumbnailSize): void {
    this.thumbnails.value = size;
  }

  showGridOpen(isOpen: boolean): void {
    this.gridButton.setAttribute("aria-pressed", String(isOpen));
  }

  showTool(tool: Tool): void {
    for (const one of this.tools) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
  }

  private share(): HTMLElement {
    const { actions } = this;
    const entry = (text: string, act: () => unknown, name: string): HTMLButtonElement =>
      button(text, () => {
        menu.open = false;
        this.setUnfolded(false);
        void busy(made, act);
      }, { "data-share": name });
    const made = h("div");
    const scale = h("select", { class: "ratio", "aria-label": t("pictureScale"), title: t("pictureScale") });
    scale.append(...SCALES.map((one) => h("option", { value: one, text: t("timesScreen", { n: one }) })));
    scale.value = String(DEFAULT_SCALE);
    made.append(
      ...(actions.copyLink ? [entry(t("copyLink"), actions.copyLink, "link")] : []),
      ...(actions.saveHtml ? [entry(t("saveHtml"), actions.saveHtml, "html")] : []),
      h("div", { class: "buttons" }, entry(t("savePng"), () => actions.savePng(Number(scale.value)), "png"), scale),
      entry(t("saveSvg"), actions.saveSvg, "svg"),
    );
    const menu: HTMLDetailsElement = h("details", { class: "menu" }, h("summary", { text: t("share") }), made);
    return menu;
  }
}

/** Run an action with the buttons of a menu disabled, so that it is not started twice. */
async function busy(menu: HTMLElement, act: () => unknown): Promise<void> {
  const buttons = [...menu.querySelectorAll("button")];
  const disable = (is: boolean): void => buttons.forEach((one) => (one.disabled = is));
  disable(true);
  menu.setAttribute("aria-busy", "true");
  try {
    await act();
  } finally {
    disable(false);
    menu.removeAttribute("aria-busy");
  }
}

const icon = (text: string, name: string, act: () => void, kind: string): HTMLButtonElement =>
  button(text, act, { title: name, "aria-label": name, class: `icon ${kind}` });
