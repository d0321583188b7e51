// The grid beside the map: pictures of the images in view, of the selected or of the filtered ones, in any order.

import { errorMessage } from "../data/error-message";
import { Server } from "../data/server";
import { issueName } from "../data/edit-text";
import type { Column, Verdict } from "../data/types";
import { t } from "../i18n/translate";
import type { Camera } from "../map/camera";
import type { MapView } from "../map/map-view";
import type { Overlay } from "../map/overlay";
import { LABEL, MARK, nameOfCode } from "../model/columns";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { button, h } from "../page/dom";
import { sheetHandle } from "../page/sheet-handle";
import { recall, remember } from "../page/storage";
import { round } from "../panels/histogram";
import type { Inspector } from "../panels/inspector";
import { FILE_ORDER, GridOrder, SIMILARITY, TYPICALITY } from "./grid-order";
import { GridView, type GridLook } from "./grid-view";
import { IssueQueue } from "./issue-queue";
import { ReviewBar } from "./review-bar";
import type { ReviewKeys } from "./review-keys";
import { widthHandle } from "./width-handle";

const SIDES = [32, 48, 64, 96, 128, 192, 256]; // of a picture, in pixels
const FIRST_SIDE = 2; // position in SIDES
const LOOK_DELAY = 200; // milliseconds without movement of the map until the images in view are shown
const REST_DELAY = 200; // milliseconds at an image until it is inspected
const [SIDE, COLUMNS] = ["gridSide", "gridColumns"]; // in storage

const SCOPES = ["view", "visible", "selected"] as const;
const ISSUE = "issue:"; // before the kind of issue
type Scope = (typeof SCOPES)[number] | `${typeof ISSUE}${string}`;
const DECISIONS: { [key: string]: Verdict } = { a: "accepted", d: "dismissed" };

interface GridParts {
  camera: Camera;
  view: MapView;
  overlay: Overlay;
  inspector: Inspector;
  /** Null where nothing can be edited. */
  review: ReviewKeys | null;
  open(id: number, ids: number[]): void;
}

export class GridPanel {
  readonly element = h("section", { class: "grid-panel", "aria-label": t("grid") });
  /** The grid was opened or closed. */
  readonly toggled = new Signal();
  private readonly scopes = h("select", { "aria-label": t("gridScope"), class: "scope" });
  private readonly sorts = h("select", { "aria-label": t("sortBy"), class: "sort" });
  private readonly divisions = h("select", { "aria-label": t("divideBy"), class: "divide" });
  private readonly turn: HTMLButtonElement;
  private readonly similar: HTMLButtonElement;
  private readonly size = h("input", { type: "range", min: 0, max: SIDES.length - 1, step: 1, class: "side", "aria-label": t("gridSide") });
  private readonly columnList = h("div", { class: "choices" });
  private readonly count = h("p", { class: "hint grid-count", role: "status" });
  private readonly order: GridOrder;
  private readonly cells: GridView;
  /** Null where there is no server to ask for issues. */
  private readonly queue: IssueQueue | null;
  private readonly decisions = h("span", { class: "buttons decisions", role: "group", "aria-label": t("issuesFound") });
  /** Names of the columns that are shown under the pictures. */
  private shown: Set<string>;
  private isDescending = false;
  private similarTo = -1;
  private request = 0;
  private isStale = true;
  /** The view of the map whose images are shown. */
  private shownView = "";
  /** The image that was last inspected. */
  private followed = -1;
  private looking = 0;
  private resting = 0;

  constructor(
    private readonly model: Model,
    private readonly parts: GridParts,
  ) {
    const { review, inspector, overlay, view } = parts;
    this.order = new GridOrder(model);
    this.queue = model.source instanceof Server ? new IssueQueue(model, model.source) : null;
    const press = (key: string, row: number): boolean => {
      if (!this.decide(key, row) && !review?.press(key, row)) return false;
      this.cells.next();
      return true;
    };
    this.cells = new GridView(model, {
      point: (row) => {
        if (overlay.pointed === row) return;
        overlay.pointed = row;
        view.invalidate();
      },
      inspect: (row) => this.inspect(row),
      rest: (row) => {
        clearTimeout(this.resting);
        this.resting = setTimeout(() => this.inspect(row), REST_DELAY);
      },
      open: (row) => this.open(row),
      press,
      captionsOf: (row) => [...(this.issue ? [this.queue!.textOf(row)] : []), ...this.shownColumns.map((column) => this.textOf(column, row))],
      describe: (row) => this.describe(row),
    });
    this.shown = new Set(this.storedColumns() ?? [LABEL, MARK]);
    this.size.value = String(Math.max(0, SIDES.indexOf(Number(recall(SIDE) ?? SIDES[FIRST_SIDE]))));
    this.turn = button("↑", () => this.reverse(), { class: "turn", "aria-label": t("ascending"), title: t("ascending") });
    this.similar = button(t("similarNow"), () => this.findSimilar(), { class: "small similar-now" });
    if (review) this.buildDecisions(press);
    this.build(review && new ReviewBar(review, (key) => press(key, this.cells.activeRow), (label) => this.labelActive(label)));
    this.listen();
    inspector.changed.on(() => this.follow());
  }

  get isOpen(): boolean {
    return document.body.classList.contains("has-grid");
  }

  get scope(): Scope {
    return this.scopes.value as Scope;
  }

  /** The kind of issue that is reviewed; "" for none. */
  private get issue(): string {
    return this.scope.startsWith(ISSUE) ? this.scope.slice(ISSUE.length) : "";
  }

  toggle(): void {
    if (this.isOpen) this.close();
    else this.openWith(this.scope);
  }

  /** Show the grid with the images of a scope. */
  openWith(scope: Scope): void {
    this.scopes.value = scope;
    if (!this.isOpen) this.setOpen(true);
    void this.refresh(false).then(() => this.cells.focus());
  }

  close(): void {
    const { overlay, view } = this.parts;
    this.setOpen(false);
    overlay.pointed = -1;
    view.canvas.focus();
  }

  private setOpen(isOpen: boolean): void {
    this.parts.view.refit();
    document.body.classList.toggle("has-grid", isOpen);
    this.toggled.emit();
  }

  private build(review: ReviewBar | null): void {
    const columns = h("details", { class: "menu columns-menu" }, h("summary", { text: t("gridColumns") }), this.columnList);
    this.element.append(
      sheetHandle(),
      widthHandle(() => this.parts.view.refit()),
      h(
        "div",
        { class: "grid-bar" },
        this.scopes,
        h("span", { class: "sorting" }, this.sorts, this.turn),
        this.divisions,
        this.size,
        columns,
        button("×", () => this.close(), { class: "small close-grid", "aria-label": t("closeGrid"), title: t("closeGrid") }),
      ),
      h("div", { class: "grid-line" }, this.count, this.decisions, this.similar),
      this.cells.element,
      review?.element ?? "",
    );
    this.offer();
  }

  private listen(): void {
    const { model } = this;
    const { view, camera } = this.parts;
    this.scopes.addEventListener("change", () => void this.refresh(false));
    this.sorts.addEventListener("change", () => (this.sorts.value === SIMILARITY ? this.findSimilar() : void this.refresh(false)));
    this.divisions.addEventListener("change", () => void this.refresh(false));
    this.size.addEventListener("input", () => this.resize());
    model.selectionChanged.on(() => {
      this.cells.mark(this.parts.inspector.row);
      if (this.scope === "selected") void this.refresh(true);
    });
    model.filterChanged.on(() => void this.refresh(true));
    model.rowsTaken.on(() => {
      this.order.forget();
      void this.refresh(true);
    });
    model.editsChanged.on(() => {
      this.offer();
      void this.refresh(true);
    });
    model.weights.changed.on(() => this.sorts.value === SIMILARITY && void this.refresh(false));
    model.positionsChanged.on(() => this.scope === "view" && !model.isMoving && void this.refresh(true));
    view.frameDrawn.on(() => {
      if (!this.isOpen || this.scope !== "view" || camera.key === this.shownView) return;
      this.shownView = camera.key;
      clearTimeout(this.looking);
      this.looking = setTimeout(() => void this.refresh(true), LOOK_DELAY);
    });
  }

  // ------------------------------------------------------------ what is shown

  /** Offer the columns to sort by, to divide by and to show. */
  private offer(): void {
    const { model } = this;
    const columns = model.choices;
    const option = (value: string, text: string): HTMLElement => h("option", { value, text });
    const kinds = Object.entries(this.queue?.counts ?? {}).map(([kind, n]) => option(ISSUE + kind, t("issueScope", { name: issueName(kind), n })));
    replaceOptions(this.scopes, [
      ...SCOPES.map((scope) => option(scope, t(`${scope}Scope`))),
      ...(kinds.length ? [h("optgroup", { label: t("issuesFound") }, ...kinds)] : []),
    ]);
    const names = (all: Column[]): HTMLElement[] => all.map(({ name }) => option(name, name));
    replaceOptions(this.sorts, [
      option(FILE_ORDER, t("fileOrder")),
      ...(model.source instanceof Server ? [option(SIMILARITY, t("similarity"))] : []),
      option(TYPICALITY, t("typicality")),
      ...names(columns),
    ]);
    replaceOptions(this.divisions, [option("", t("undivided")), ...names(columns.filter(({ kind }) => kind === "category"))]);
    this.columnList.replaceChildren(
      ...columns.map(({ name }) => {
        const box = h("input", { type: "checkbox", checked: this.shown.has(name), "data-column": name });
        box.addEventListener("change", () => this.showColumn(name, box.checked));
        return h("label", { class: "choice" }, box, h("span", { class: "name", text: name }));
      }),
    );
  }

  /** Find the images to show again: all if `staysThere` is false, from the first on. */
  private async refresh(staysThere: boolean): Promise<void> {
    this.isStale = true;
    if (!this.isOpen) return;
    const { model } = this;
    const request = ++this.request;
    const choice = { sortBy: this.sorts.value, isDescending: this.isDescending, divideBy: this.divisions.value, similarTo: this.similarTo };
    try {
      const loaded = this.issue ? this.queue!.load(this.issue) : null;
      const [all] = await Promise.all([this.order.rows(choice), loaded, ...this.shownColumns.map(({ name }) => model.column(name))]);
      if (request !== this.request) return; // superseded by a later request
      this.shownView = this.parts.camera.key;
      const isWorstFirst = this.issue && choice.sortBy === FILE_ORDER && !choice.divideBy && !choice.isDescending;
      const rows = isWorstFirst ? Int32Array.from(this.queue!.rows) : all.filter(this.isShown());
      this.isStale = false;
      this.cells.show(rows, this.order.sections(rows, choice.divideBy), this.look, staysThere);
      this.cells.mark(this.parts.inspector.row);
      this.say(rows.length);
    } catch (error) {
      if (request !== this.request) return;
      this.sorts.value = FILE_ORDER;
      if (this.issue) this.scopes.value = SCOPES[0];
      this.count.textContent = errorMessage(error);
    }
  }

  /** Whether a row is in the scope. */
  private isShown(): (row: number) => boolean {
    const { visible, selected, x, y } = this.model;
    if (this.issue) return (row) => this.queue!.has(row);
    if (this.scope === "selected") return (row) => selected[row] === 1;
    if (this.scope === "visible") return (row) => visible[row] === 1;
    const [left, bottom, right, top] = this.parts.camera.bounds();
    return (row) => visible[row] === 1 && x[row] >= left && x[row] <= right && y[row] >= bottom && y[row] <= top;
  }

  private say(n: number): void {
    const isEmpty = n === 0;
    this.decisions.hidden = !this.issue;
    if (this.issue) this.count.textContent = t(isEmpty ? "issuesDone" : "issuesOpen", { n: this.queue!.counts[this.issue], done: this.queue!.accepted.length });
    else this.count.textContent = !isEmpty ? t("images", { n }) : t(this.scope === "selected" ? "nothingSelected" : "nothingInScope");
    this.cells.element.hidden = isEmpty;
    const { inspector } = this.parts;
    const isOther = inspector.pinned && inspector.row !== this.model.rowOf[this.similarTo];
    this.similar.hidden = this.sorts.value !== SIMILARITY || !isOther;
  }

  private reverse(): void {
    this.isDescending = !this.isDescending;
    const name = t(this.isDescending ? "descending" : "ascending");
    this.turn.textContent = this.isDescending ? "↓" : "↑";
    this.turn.title = name;
    this.turn.setAttribute("aria-label", name);
    void this.refresh(false);
  }

  /** Sort by similarity to the inspected image, or to the one that has the focus. */
  private findSimilar(): void {
    const { inspector } = this.parts;
    const row = inspector.row >= 0 ? inspector.row : this.cells.activeRow;
    if (row < 0) this.sorts.value = FILE_ORDER;
    else this.similarTo = this.model.points.id[row];
    void this.refresh(false);
  }

  // ------------------------------------------------------------ look

  private get shownColumns(): Column[] {
    return this.model.choices.filter(({ name }) => this.shown.has(name));
  }

  private storedColumns(): string[] | null {
    try {
      const found = JSON.parse(recall(COLUMNS) ?? "null") as unknown;
      return Array.isArray(found) ? found.map(String) : null;
    } catch {
      return null;
    }
  }

  private showColumn(name: string, on: boolean): void {
    if (on) this.shown.add(name);
    else this.shown.delete(name);
    remember(COLUMNS, JSON.stringify([...this.shown]));
    void this.refresh(true);
  }

  private get look(): GridLook {
    return { side: SIDES[this.size.valueAsNumber], nCaptions: this.shownColumns.length + (this.issue ? 1 : 0) };
  }

  private resize(): void {
    const { side } = this.look;
    this.size.setAttribute("aria-valuetext", `${side} px`);
    remember(SIDE, String(side));
    this.cells.setLook(this.look);
    this.cells.mark(this.parts.inspector.row);
  }

  /** The value of a row in a column; "" if it is missing. */
  private textOf(column: Column, row: number): string {
    const value = this.model.loaded(column.name)?.[row];
    if (column.kind === "category") return nameOfCode(column.categories!, (value as number | undefined) ?? -1) ?? "";
    if (column.kind === "text") return String(value ?? "");
    return value === undefined || Number.isNaN(value) ? "" : round(value as number);
  }

  /** An image with the values that are shown under it. */
  private describe(row: number): string {
    const name = `${t("image")} ${this.model.points.id[row]}`;
    const values = this.shownColumns.map((column) => ({ name: column.name, value: this.textOf(column, row) }));
    return [name, ...(this.issue ? [this.queue!.textOf(row)] : []), ...values.filter(({ value }) => value).map((one) => t("inOrder", one))].join(" · ");
  }

  // ------------------------------------------------------------ issues

  private buildDecisions(press: (key: string, row: number) => boolean): void {
    this.decisions.append(
      ...Object.entries(DECISIONS).map(([key, verdict]) => {
        const name = t(verdict === "accepted" ? "issueAccept" : "issueDismiss");
        const made = button("", () => press(key, this.cells.activeRow), { class: "small review-key", "data-key": key, "aria-label": t("issueDecide", { name }) });
        made.append(h("kbd", { text: key.toUpperCase() }), ` ${name}`);
        return made;
      }),
      button(t("selectAccepted"), () => this.model.select(this.queue!.accepted), { class: "small select-accepted" }),
    );
  }

  /** Accept or dismiss the issue of an image if a key says so; returns whether it does. */
  private decide(key: string, row: number): boolean {
    if (!this.issue || !DECISIONS[key] || row < 0 || !this.parts.review) return false;
    this.parts.review.send(this.queue!.edit(row, DECISIONS[key]));
    return true;
  }

  // ------------------------------------------------------------ images

  private inspect(row: number): void {
    clearTimeout(this.resting);
    if (row >= 0) this.parts.inspector.pin(row);
  }

  private open(row: number): void {
    const { id } = this.model.points;
    this.parts.open(id[row], Array.from(this.cells.rows, (one) => id[one]));
  }

  private labelActive(label: string): void {
    const row = this.cells.activeRow;
    if (row < 0) return;
    this.parts.review!.label(row, label);
    this.cells.next();
  }

  /** Mark the inspected image, and scroll to it if it was chosen elsewhere. */
  private follow(): void {
    const { inspector } = this.parts;
    if (!this.isOpen || this.isStale) return;
    if (inspector.pinned && inspector.row !== this.followed) {
      this.followed = inspector.row;
      if (this.followed !== this.cells.activeRow) this.cells.reveal(this.followed);
    }
    this.cells.mark(inspector.row);
    this.say(this.cells.rows.length);
  }
}

/** Replace the options of a choice, and keep what is chosen if it is still offered. */
function replaceOptions(select: HTMLSelectElement, options: HTMLElement[]): void {
  const chosen = select.value;
  select.replaceChildren(...options);
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}
