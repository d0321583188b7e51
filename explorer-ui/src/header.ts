// The bar above the map: search, colours, tools, what to learn and how to share. On a narrow page the latter fold into a menu.

import { PICTURE_SIZES, type PictureSize } from "./camera";
import { button, h, roving } from "./dom";
import type { Tool } from "./gestures";
import { t } from "./i18n";
import { addLayer } from "./layers";
import type { Model } from "./model";

export interface HeaderActions {
  find(text: string): void;
  colorBy(name: string): void;
  showPictures(size: PictureSize): void;
  use(tool: Tool): void;
  learn: (() => void) | null;
  choosePicture: (() => void) | null;
  copyLink(): void;
  saveHtml: (() => Promise<void>) | null;
  savePng(ratio: number): Promise<void>;
  saveSvg(): Promise<void>;
  toggleTheme(): void;
  toggleLanguage(): void;
  help(): void;
  panels(): void;
}

const RATIOS = [1, 2, 4]; // of the pixels of a saved picture to those of the screen
const USUAL_RATIO = 2;
/** Where panels are a drawer and a sheet, and the tools are in the menu; as in style.css. */
export const NARROW = "(max-width: 900px)";

export class Header {
  readonly element: HTMLElement;
  readonly search = h("input", { type: "search", class: "search", placeholder: t("search"), "aria-label": t("search") });
  readonly helpButton: HTMLButtonElement;
  readonly panelsButton: HTMLButtonElement;
  private readonly colors = h("select", { class: "color", "aria-label": t("colorBy"), title: t("colorBy") });
  private readonly pictures = h("select", { class: "pictures", "aria-label": t("pictureSize"), title: t("pictureSize") });
  private readonly more = h("div", { class: "more", id: "more" });
  private readonly moreButton: HTMLButtonElement;
  private readonly tools: HTMLButtonElement[];

  constructor(
    private readonly model: Model,
    tools: Tool[],
    private readonly actions: HeaderActions,
  ) {
    this.search.addEventListener("change", () => actions.find(this.search.value));
    this.search.addEventListener("search", () => actions.find(this.search.value));
    this.colors.addEventListener("change", () => actions.colorBy(this.colors.value));
    this.pictures.append(...PICTURE_SIZES.map((size) => h("option", { value: size, text: t(`${size}Pictures`) })));
    this.pictures.addEventListener("change", () => actions.showPictures(this.pictures.value as PictureSize));
    this.tools = tools.map((tool) => button(t(tool), () => actions.use(tool), { "data-tool": tool, title: t(`${tool}Hint`) }));
    const toolbar = h("div", { class: "tools", role: "toolbar", "aria-label": t("tools") }, ...this.tools);
    roving(toolbar, this.tools);
    this.helpButton = icon("?", t("help"), actions.help, "help");
    this.panelsButton = icon("☰", t("panels"), actions.panels, "panels");
    this.moreButton = button("⋯", () => this.fold(!this.isUnfolded), {
      class: "icon more-button",
      title: t("moreActions"),
      "aria-label": t("moreActions"),
      "aria-expanded": "false",
      "aria-controls": "more",
    });
    this.more.append(
      h("label", { class: "wide" }, `${t("pictures")} `, this.pictures),
      ...(actions.choosePicture ? [button(t("findByPicture"), actions.choosePicture, { "data-open": "choose", title: t("dropHint") })] : []),
      ...(actions.learn ? [button(t("learn"), actions.learn, { "data-open": "learn" })] : []),
      this.share(),
      icon("◐", t("theme"), actions.toggleTheme, "theme"),
      icon(t("language"), t("language"), actions.toggleLanguage, "language"),
      this.helpButton,
    );
    this.element = h(
      "header",
      { class: "page-header" },
      h("div", { class: "title" }, h("h1", { text: model.facts.name, title: `${model.facts.name} · ${model.facts.source}` }), h("span", { class: "count", text: t("images", { n: model.n }) })),
      this.search,
      h("label", { class: "color-label" }, h("span", { class: "color-text", text: `${t("colorBy")} ` }), this.colors),
      toolbar,
      this.moreButton,
      this.more,
      this.panelsButton,
    );
    const narrow = matchMedia(NARROW);
    const fit = (): void => (narrow.matches ? this.more.prepend(toolbar) : this.moreButton.before(toolbar));
    narrow.addEventListener("change", fit);
    fit();
    addLayer({
      element: this.more,
      isOpen: () => this.isUnfolded,
      close: () => this.fold(false),
      passing: true,
      opener: () => this.moreButton,
    });
    this.offerColors();
    this.showTool("pan");
  }

  private get isUnfolded(): boolean {
    return this.more.classList.contains("unfolded");
  }

  /** Show or hide what has no room in the bar. */
  fold(shown: boolean): void {
    this.more.classList.toggle("unfolded", shown);
    this.moreButton.setAttribute("aria-expanded", String(shown));
  }

  /** The columns that there are to colour by, and the one that is. */
  offerColors(): void {
    const choices = this.model.choices.filter(({ kind }) => kind !== "text");
    this.colors.replaceChildren(...choices.map(({ name }) => h("option", { value: name, text: name })));
    this.colors.value = this.model.colorBy;
  }

  offerPictures(size: PictureSize): void {
    this.pictures.value = size;
  }

  showTool(tool: Tool): void {
    for (const one of this.tools) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
  }

  private share(): HTMLElement {
    const { actions } = this;
    const entry = (text: string, act: () => unknown, name: string): HTMLButtonElement =>
      button(text, () => {
        menu.open = false;
        this.fold(false);
        void busy(made, act);
      }, { "data-share": name });
    const made = h("div");
    const ratio = h("select", { class: "ratio", "aria-label": t("pictureScale"), title: t("pictureScale") });
    ratio.append(...RATIOS.map((one) => h("option", { value: one, text: t("timesScreen", { n: one }) })));
    ratio.value = String(USUAL_RATIO);
    made.append(
      entry(t("copyLink"), actions.copyLink, "link"),
      ...(actions.saveHtml ? [entry(t("saveHtml"), actions.saveHtml, "html")] : []),
      h("div", { class: "buttons" }, entry(t("savePng"), () => actions.savePng(Number(ratio.value)), "png"), ratio),
      entry(t("saveSvg"), actions.saveSvg, "svg"),
    );
    const menu: HTMLDetailsElement = h("details", { class: "menu" }, h("summary", { text: t("share") }), made);
    return menu;
  }
}

/** Do something long with the buttons of a menu disabled, so that it is not begun twice. */
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
