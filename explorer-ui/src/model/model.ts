// The state of the view: the colours, filters and selection of the user.

import type { Source } from "../data/source";
import { MARKS, type Column, type EditedColumns, type Edits, type Facts, type Points } from "../data/types";
import { categoryColors, coloredCodes, colorByValues } from "./coloring";
import { FAINT, MISSING, N_COLORS, OTHER, type Rgb } from "./colors";
import { GROUP } from "./columns";
import { applyFilter, kindOf, type Filter } from "./filter-rules";
import { RunState } from "./run-state";
import { Signal } from "./signal";

const HIDDEN = 1 << MARKS.indexOf("hidden");
const OPAQUE = 255; // opacity of selected and highlighted images
const NORMAL = 230; // opacity of all images while none is selected or highlighted
const DIM = 40; // opacity of the other images

export class Model extends RunState {
  colorBy = GROUP;
  /** Red, green, blue and opacity of each row. */
  readonly colors: Uint8Array;
  readonly visible: Uint8Array;
  readonly selected: Uint8Array;
  nVisible: number;
  /** Number of rows that are loaded. */
  nPresent = 0;
  nSelected = 0;
  showHidden = false;
  /** Whether images that filters or a search hide are kept as faint dots, which cannot be pointed at. */
  showFaint = false;
  /** Maximum number of categories with a colour of their own. */
  nColored = N_COLORS;
  /** The text that was searched for and the number of images found; null without a search. */
  searchResult: { text: string; n: number } | null = null;
  readonly filters = new Map<string, Filter>();
  readonly colorsChanged = new Signal();
  readonly filterChanged = new Signal();
  readonly selectionChanged = new Signal();
  /** More rows were loaded. */
  readonly rowsTaken = new Signal();
  /** A column could not be loaded. */
  readonly loadFailed = new Signal<unknown>();
  /** Colours that replace those of the column, such as the steps of K-means. */
  private override: ((row: number) => Rgb) | null = null;
  /** Rows that are highlighted, such as those of a group in a list. */
  private highlighted: Uint8Array | null = null;
  private found: Uint8Array | null = null;

  constructor(source: Source, facts: Facts, points: Points, edited: EditedColumns) {
    super(source, facts, points, edited);
    this.colors = new Uint8Array(4 * this.n);
    this.visible = new Uint8Array(this.n);
    this.selected = new Uint8Array(this.n);
    this.nVisible = this.n;
    this.refilter();
  }

  // ------------------------------------------------------------ colours

  async colorByColumn(name: string): Promise<void> {
    this.colorBy = this.describe(name) ? name : GROUP;
    await this.recolor();
  }

  /** Colour the rows by a function, or by the column again if it is null. */
  async colorByFunction(color: ((row: number) => Rgb) | null): Promise<void> {
    this.override = color;
    await this.recolor();
  }

  /** Set the maximum number of categories with a colour of their own. */
  async setColoredCategories(limit: number): Promise<void> {
    this.nColored = limit;
    await this.recolor();
  }

  /** Compute the colours of all rows. */
  async recolor(): Promise<void> {
    if (!this.describe(this.colorBy)) this.colorBy = GROUP; // the last label or mark was removed
    const colorBy = this.colorBy;
    const color = this.override ?? (await this.colorFunction());
    if (colorBy !== this.colorBy) return; // superseded by a later request
    const { colors, n } = this;
    for (let row = 0; row < n; row++) {
      const rgb = color(row);
      colors[4 * row] = rgb[0];
      colors[4 * row + 1] = rgb[1];
      colors[4 * row + 2] = rgb[2];
    }
    this.setOpacity();
  }

  private async colorFunction(): Promise<(row: number) => Rgb> {
    const column = this.describe(this.colorBy)!;
    const values = await this.column(this.colorBy);
    return colorByValues(column, values, column.kind === "category" ? this.categoryColors(column) : null);
  }

  /** Colours of a column's codes, from -1 (missing) to one past the last category (other). */
  categoryColors(column: Column): Rgb[] {
    if (column.name === GROUP) return [MISSING, ...this.edits.groups.map((one) => this.groupColor(one.number)), OTHER];
    return categoryColors(column, this.nColored);
  }

  /** Codes with a colour of their own. */
  coloredCodes(column: Column): number[] {
    return coloredCodes(column, this.nColored);
  }

  /** Number of images in categories without a colour of their own. */
  nInOthers(column: Column): number {
    const own = this.coloredCodes(column).reduce((sum, code) => sum + (column.counts?.[code] ?? 0), 0);
    return this.n - (column.missing ?? 0) - own;
  }

  /** Keep the images that filters hide as faint dots, or not. */
  keepFaint(on: boolean): void {
    this.showFaint = on;
    this.setOpacity();
  }

  /** Set the opacity of all rows: none for hidden ones, little for those that are not selected or highlighted. */
  private setOpacity(): void {
    const { colors, visible, n, marks, showHidden } = this;
    const { id } = this.points;
    const filtered = this.showFaint ? FAINT : 0;
    const emphasized = this.highlighted ?? this.selected;
    const normal = this.nSelected || this.highlighted ? DIM : NORMAL;
    for (let row = 0; row < n; row++) {
      const opacity = emphasized[row] ? OPAQUE : normal;
      const isMarked = id[row] < 0 || (!showHidden && (marks[row] & HIDDEN) > 0);
      colors[4 * row + 3] = visible[row] ? opacity : isMarked ? 0 : filtered;
    }
    this.colorsChanged.emit();
  }

  /** Highlight rows, or none if null. */
  highlight(rows: Iterable<number> | null): void {
    if (!rows && !this.highlighted) return;
    this.highlighted = rows && new Uint8Array(this.n);
    for (const row of rows ?? []) this.highlighted![row] = 1;
    this.setOpacity();
  }

  // ------------------------------------------------------------ filters

  /** Set the filter of a column, or remove it if null. */
  async setFilter(name: string, filter: Filter | null): Promise<void> {
    if (filter) this.filters.set(name, filter);
    else this.filters.delete(name);
    await this.loadFiltered();
  }

  /** Replace all filters. Filters that fit no column are left out. */
  async setFilters(filters: { [name: string]: Filter }): Promise<void> {
    this.filters.clear();
    for (const [name, filter] of Object.entries(filters)) {
      if (this.describe(name)?.kind === kindOf(filter)) this.filters.set(name, filter);
    }
    await this.loadFiltered();
  }

  private async loadFiltered(): Promise<void> {
    const load = async (name: string): Promise<void> => {
      try {
        await this.column(name);
      } catch (error) {
        this.filters.delete(name); // a column that cannot be loaded filters nothing
        this.loadFailed.emit(error);
      }
    };
    await Promise.all([...this.filters.keys()].map(load));
    this.refilter();
  }

  /** Show only the rows that a search has found; null shows all. */
  setSearchResult(rows: number[] | null, text = "", n = rows?.length ?? 0): void {
    this.found = null;
    this.searchResult = rows && { text, n };
    if (rows) {
      this.found = new Uint8Array(this.n);
      for (const row of rows) this.found[row] = 1;
    }
    this.refilter();
  }

  /** Whether a filter or a search hides images; marks do not count. */
  get isFiltered(): boolean {
    return this.filters.size > 0 || this.found !== null;
  }

  visibleRows(): number[] {
    return rowsWhere(this.visible);
  }

  /** Compute which rows are visible. */
  refilter(): void {
    const isSelectionChanged = this.updateVisible();
    this.setOpacity();
    if (isSelectionChanged) this.selectionChanged.emit();
  }

  /** Update `visible`, and deselect hidden rows; returns whether any was selected. */
  private updateVisible(): boolean {
    const { visible, selected, n, nSelected } = this;
    const { id } = this.points;
    this.nPresent = 0;
    for (let row = 0; row < n; row++) {
      if (id[row] >= 0) this.nPresent += 1;
      visible[row] = id[row] >= 0 && (this.showHidden || !(this.marks[row] & HIDDEN)) && (!this.found || this.found[row]) ? 1 : 0;
    }
    for (const [name, filter] of this.filters) {
      const column = this.describe(name);
      const values = this.loaded(name);
      if (!column) this.filters.delete(name); // the edits that the column derived from were undone
      else if (values) applyFilter(filter, values, column, visible);
    }
    for (let row = 0; row < n; row++) selected[row] &= visible[row];
    this.nVisible = total(visible);
    this.nSelected = total(selected);
    this.filterChanged.emit();
    return this.nSelected !== nSelected;
  }

  // ------------------------------------------------------------ selection

  /** Select the visible ones of some rows, in addition to the selection if `add`. */
  select(rows: Iterable<number>, add = false): void {
    if (!add) this.selected.fill(0);
    for (const row of rows) if (this.visible[row]) this.selected[row] = 1;
    this.nSelected = total(this.selected);
    this.setOpacity();
    this.selectionChanged.emit();
  }

  selectedRows(): number[] {
    return rowsWhere(this.selected);
  }

  // ------------------------------------------------------------ rows

  /** Take over rows that the source has loaded into the arrays of points and edits, some in the place of others. */
  async takeRows(ranges: [number, number][]): Promise<void> {
    for (const [first, end] of ranges) {
      for (const flags of [this.selected, this.found, this.highlighted]) flags?.fill(0, first, end);
    }
    this.deriveColumns();
    this.setPositions(null, null);
    const isSelectionChanged = this.updateVisible();
    this.rowsTaken.emit();
    await this.recolor();
    if (isSelectionChanged) this.selectionChanged.emit();
  }

  // ------------------------------------------------------------ edits

  /** Take over a new state of the edits; the map is recoloured once. */
  async updateEdits(edits: Edits): Promise<void> {
    this.setEdits(edits, await this.source.edited());
    const isSelectionChanged = this.updateVisible();
    await this.recolor();
    if (isSelectionChanged) this.selectionChanged.emit();
    this.editsChanged.emit();
  }
}

function rowsWhere(flags: Uint8Array): number[] {
  const rows: number[] = [];
  for (let row = 0; row < flags.length; row++) if (flags[row]) rows.push(row);
  return rows;
}

function total(flags: Uint8Array): number {
  let sum = 0;
  for (let row = 0; row < flags.length; row++) sum += flags[row];
  return sum;
}
