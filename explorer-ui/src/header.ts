// The bar above the map: search, colours, tools, what to learn and how to share.

import { button, h } from "./dom";
import type { Tool } from "./gestures";
import { t } from "./i18n";
import type { Model } from "./model";

export interface HeaderActions {
  find(text: string): void;
  colorBy(name: string): void;
  use(tool: Tool): void;
  learn: (() => void) | null;
  copyLink(): void;
  saveHtml: (() => void) | null;
  savePng(): void;
  saveSvg(): void;
  toggleTheme(): void;
  toggleLanguage(): void;
  help(): void;
}

export class Header {
  readonly element: HTMLElement;
  readonly search = h("input", { type: "search", class: "search", placeholder: t("search"), "aria-label": t("search") });
  private readonly colors = h("select", { class: "color", "aria-label": t("colorBy") });
  private readonly tools: HTMLButtonElement[];

  constructor(
    private readonly model: Model,
    tools: Tool[],
    private readonly actions: HeaderActions,
  ) {
    this.search.addEventListener("change", () => actions.find(this.search.value));
    this.search.addEventListener("search", () => actions.find(this.search.value));
    this.colors.addEventListener("change", () => actions.colorBy(this.colors.value));
    this.tools = tools.map((tool) => button(t(tool), () => actions.use(tool), { "data-tool": tool, title: t(`${tool}Hint`) }));
    this.element = h(
      "header",
      {},
      h("h1", { text: model.facts.name, title: model.facts.source }),
      h("span", { class: "count", text: t("images", { n: model.n }) }),
      this.search,
      h("label", {}, `${t("colorBy")} `, this.colors),
      h("div", { class: "tools", role: "toolbar" }, ...this.tools),
      actions.learn && button(t("learn"), actions.learn, { "data-open": "learn" }),
      this.share(),
      icon("◐", t("theme"), actions.toggleTheme, "theme"),
      icon(t("language"), t("language"), actions.toggleLanguage, "language"),
      icon("?", t("help"), actions.help, "help"),
      icon("☰", t("panels"), () => document.body.classList.toggle("panels-hidden"), "panels"),
    );
    this.offerColors();
    this.showTool("pan");
  }

  /** The columns that there are to colour by, and the one that is. */
  offerColors(): void {
    const choices = this.model.choices.filter(({ kind }) => kind !== "text");
    this.colors.replaceChildren(...choices.map(({ name }) => h("option", { value: name, text: name })));
    this.colors.value = this.model.colorBy;
  }

  showTool(tool: Tool): void {
    for (const one of this.tools) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
  }

  private share(): HTMLElement {
    const { actions } = this;
    const entry = (text: string, act: () => void, name: string): HTMLElement =>
      button(text, () => {
        menu.open = false;
        act();
      }, { "data-share": name });
    const menu: HTMLDetailsElement = h(
      "details",
      { class: "menu" },
      h("summary", { text: t("share") }),
      h(
        "div",
        {},
        entry(t("copyLink"), actions.copyLink, "link"),
        actions.saveHtml && entry(t("saveHtml"), actions.saveHtml, "html"),
        entry(t("savePng"), actions.savePng, "png"),
        entry(t("saveSvg"), actions.saveSvg, "svg"),
      ),
    );
    return menu;
  }
}

const icon = (text: string, name: string, act: () => void, kind: string): HTMLButtonElement =>
  button(text, act, { title: name, "aria-label": name, class: `icon ${kind}` });
