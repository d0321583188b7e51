// Searches file names as the user types.

import { errorMessage } from "../data/error-message";
import { Server } from "../data/server";
import { StaticSite } from "../data/static-site";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { h } from "../page/dom";
import type { Message } from "../page/message";
import { thumbnail } from "./thumbnails";

const TYPING_DELAY = 200; // milliseconds
const MAX_LISTED = 30; // images in the list
const MAX_ROWS_WITH_PATHS = 200_000; // rows up to which all paths are fetched at once

export class Search {
  /** The current search. */
  text = "";
  private input: HTMLInputElement | null = null;
  private readonly hits = h("div", { class: "hits", id: "hits", hidden: true });
  private readonly list = h("ul", { role: "listbox", id: "hit-list", "aria-label": t("searchHits") });
  private readonly status = h("p", { class: "hint", role: "status" });
  private rows: number[] = [];
  /** Places in the zoom order of all images that were found, if not all of them may be loaded. */
  private places: number[] | null = null;
  /** Rows in the list: visible ones first, then those hidden by a filter. */
  private hitRows: number[] = [];
  private at = 0;
  private timer = 0;
  private readonly paths = new Map<number, string>();

  constructor(
    private readonly model: Model,
    private readonly message: Message,
    private readonly show: (row: number) => void,
  ) {
    this.hits.append(this.status, this.list);
    model.rowsTaken.on(() => this.takeRows());
  }

  /** Rows were loaded, some of which may have been found. */
  private takeRows(): void {
    const { model, places } = this;
    if (!places || !(model.source instanceof StaticSite)) return;
    this.rows = rowsAt(model.source, places);
    model.setSearchResult(this.rows, this.text, places.length);
  }

  // ------------------------------------------------------------ list of results

  /** Search for the text of a field, and list the results below it. */
  attach(input: HTMLInputElement): void {
    this.input = input;
    const roles = { role: "combobox", "aria-autocomplete": "list", "aria-controls": "hit-list", "aria-expanded": "false", autocomplete: "off" };
    for (const [name, value] of Object.entries(roles)) input.setAttribute(name, value);
    input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.typed(), TYPING_DELAY);
    });
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("focus", () => this.rows.length && this.open());
    input.addEventListener("blur", () => this.close());
    this.hits.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    document.body.append(this.hits);
  }

  private async typed(): Promise<void> {
    clearTimeout(this.timer);
    if (!this.input || this.input.value.trim() === this.text) return;
    await this.find(this.input.value, false);
  }

  private key(event: KeyboardEvent): void {
    if (event.isComposing) return; // a Korean syllable is incomplete
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.listed) {
      event.preventDefault();
      if (this.hits.hidden) this.open();
      else this.mark((this.at + step + this.listed) % this.listed);
    } else if (event.key === "Escape") {
      this.close();
    } else if (event.key === "Enter") {
      void this.typed().then(() => {
        const row = this.hitRows[this.at];
        if (this.text && row !== undefined) this.go(row);
      });
    }
  }

  private go(row: number): void {
    this.close();
    this.show(row);
  }

  private get listed(): number {
    return this.hitRows.length;
  }

  private open(): void {
    if (!this.input || document.activeElement !== this.input || !this.text) return;
    const box = this.input.getBoundingClientRect();
    this.hits.style.left = `${Math.max(4, Math.min(box.left, innerWidth - 340))}px`;
    this.hits.style.top = `${box.bottom + 4}px`;
    this.hits.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    if (!this.hits.isConnected) document.body.append(this.hits);
    this.mark(this.at);
  }

  private close(): void {
    this.hits.hidden = true;
    this.input?.setAttribute("aria-expanded", "false");
    this.input?.removeAttribute("aria-activedescendant");
  }

  private mark(at: number): void {
    this.at = at;
    [...this.list.children].forEach((one, i) => one.setAttribute("aria-selected", String(i === at)));
    const marked = this.list.children[at];
    if (!marked) return;
    this.input?.setAttribute("aria-activedescendant", marked.id);
    marked.scrollIntoView({ block: "nearest" });
  }

  private async listHits(): Promise<void> {
    const { model, rows, text } = this;
    const isShown = (row: number): boolean => model.visible[row] === 1;
    const listed = [...rows.filter(isShown), ...rows.filter((row) => !isShown(row))].slice(0, MAX_LISTED);
    const names = await Promise.all(listed.map((row) => this.pathOf(row)));
    if (rows !== this.rows) return; // superseded by a later search
    const one = (row: number, i: number): HTMLElement =>
      h(
        "li",
        { role: "option", id: `hit-${i}`, "aria-selected": "false", on: { click: () => this.go(row) } },
        thumbnail(model, model.points.id[row], 32, ""),
        h("span", { text: names[i] }),
        isShown(row) ? null : h("small", { class: "quiet", text: t("filteredOut") }),
      );
    this.list.replaceChildren(...listed.map(one));
    const more = this.nFound - listed.length;
    const found = t(this.nFound ? "searchFound" : "searchNone", { n: this.nFound, text });
    this.status.textContent = more > 0 ? `${found} · ${t("more", { n: more })}` : found;
    this.hitRows = listed;
    this.at = 0;
    this.open();
  }

  private async pathOf(row: number): Promise<string> {
    const { model, paths } = this;
    if (model.source instanceof StaticSite) return model.source.pathOf(row);
    if (model.n <= MAX_ROWS_WITH_PATHS || !(model.source instanceof Server)) return ((await model.column("path")) as string[])[row];
    const id = model.points.id[row];
    let path = paths.get(id);
    if (path === undefined) {
      path = String(((await model.source.json(`/api/images/${id}/facts`)) as { path?: unknown }).path ?? "");
      paths.set(id, path);
    }
    return path;
  }

  // ------------------------------------------------------------ search

  /** Show the images whose file name contains a text, and report their number. */
  submit(text: string): Promise<void> {
    return this.find(text, true);
  }

  clear(): void {
    clearTimeout(this.timer);
    if (this.input) this.input.value = "";
    void this.find("", false);
  }

  private async find(text: string, isSubmitted: boolean): Promise<void> {
    const query = text.trim();
    if (query && query === this.text && this.model.searchResult?.text === query) return; // already shown
    this.text = query;
    const { model, message } = this;
    if (!query) {
      this.rows = this.hitRows = [];
      this.places = null;
      this.close();
      return model.setSearchResult(null);
    }
    try {
      const rows = await this.rowsNamed(query);
      if (query !== this.text) return; // superseded by a later search
      this.rows = rows;
      this.hitRows = [];
      model.setSearchResult(rows, query, this.nFound);
      if (isSubmitted) message.show(t(this.nFound ? "searchFound" : "searchNone", { n: this.nFound, text: query }));
      if (isSubmitted && rows.length === 1) this.show(rows[0]);
      await this.listHits();
    } catch (error) {
      message.show(errorMessage(error));
    }
  }

  private async rowsNamed(part: string): Promise<number[]> {
    const { model } = this;
    if (model.source instanceof Server) {
      const found = (await model.source.json(`/api/search?q=${encodeURIComponent(part)}`)) as { ids: number[] };
      return found.ids.map((id) => model.rowOf[id]);
    }
    if (model.source instanceof StaticSite) return this.rowsOfSite(model.source, part);
    const paths = (await model.column("path")) as string[];
    const rows: number[] = [];
    for (let row = 0; row < model.n; row++) {
      if (paths[row].toLowerCase().includes(part.toLowerCase())) rows.push(row);
    }
    return rows;
  }

  /** Number of images that were found. */
  private get nFound(): number {
    return this.places?.length ?? this.rows.length;
  }

  /** Search the files of a folder of static files, and load the first images that are found. */
  private async rowsOfSite(site: StaticSite, part: string): Promise<number[]> {
    this.places = null;
    const report = (fraction: number): boolean => {
      if (part === this.text) this.message.show(t("searching", { percent: Math.floor(100 * fraction) }));
      return part === this.text;
    };
    const places = await site.search(part, report);
    if (part !== this.text) return []; // superseded by a later search
    this.message.show("", 0);
    await site.ensure(places.slice(0, MAX_LISTED));
    this.places = places;
    return rowsAt(site, places);
  }
}

/** The loaded rows of places in the zoom order. */
const rowsAt = (site: StaticSite, places: number[]): number[] => places.map((place) => site.rowAt(place)).filter((row) => row >= 0);
