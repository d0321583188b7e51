// What the page knows of the run and what the user has done to the view: columns, colours, filters, selection.

import { categoryColor, MISSING, N_COLORS, OTHER, rampColor, slotsOf, type Rgb } from "./colors";
import { Signal } from "./dom";
import { t } from "./i18n";
import { scaleOf } from "./scale";
import type { Source } from "./source";
import type { Column, Edits, EditedColumns, Facts, Group, Points, Values } from "./types";
import { MARKS } from "./types";

export interface Range {
  low?: number | undefined;
  high?: number | undefined;
  /** Whether images without a value pass; by default as long as there is no bound. */
  missing?: boolean | undefined;
}

/** What a filter lets pass: a range of numbers, all categories but some, some categories, or texts with a part. */
export type Filter = Range | { without: string[] } | { only: string[] } | { text: string };

/** Stand for images without a category, and for those in none of the largest categories. */
export const NONE = "";
export const OTHERS = "\u0000other";
export const GROUP = "group"; // with the edits, unlike the column of the run
export const LABEL = "given label";
export const MARK = "mark"; // the first that an image has
const HIDDEN = 1 << MARKS.indexOf("hidden");

export class Model {
  readonly n: number;
  /** Places now; those of the run are in `points`. */
  x: Float32Array;
  y: Float32Array;
  /** The place in the order of each id. */
  readonly rowOf: Int32Array;
  edits: Edits;
  group: Int32Array;
  label: Int32Array;
  marks: Uint8Array;
  colorBy = GROUP;
  /** Categories or steps of the colours now, for the legend. */
  readonly colors: Uint8Array;
  readonly visible: Uint8Array;
  readonly selected: Uint8Array;
  nVisible: number;
  nSelected = 0;
  showHidden = false;
  /** How many categories have a colour of their own; the others share one. */
  nColored = N_COLORS;
  /** Rows to point out for a moment, such as those of a group in a list. */
  pointedOut: Uint8Array | null = null;
  /** What is searched for, and how many images it finds. */
  sought: { text: string; n: number } | null = null;
  readonly filters = new Map<string, Filter>();
  /** Places, colours or what is visible have changed. */
  readonly moved = new Signal();
  readonly painted = new Signal();
  readonly filtered = new Signal();
  readonly selectionChanged = new Signal();
  readonly edited = new Signal();
  /** A column could not be loaded. */
  readonly failed = new Signal<unknown>();
  private readonly extra: Column[] = [];
  /** Colours that replace those of the column, such as the steps of K-means. */
  private override: ((row: number) => Rgb) | null = null;
  private readonly columns = new Map<string, Values>();
  /** Columns that are on their way, each asked for once. */
  private readonly loading = new Map<string, Promise<Values>>();
  private searched: Uint8Array | null = null;
  private slots = new Map<number, number>();
  /** Columns that come of the edits, as they are now. */
  private own: Column[] = [];

  constructor(
    readonly source: Source,
    readonly facts: Facts,
    readonly points: Points,
    edited: EditedColumns,
  ) {
    this.n = facts.n;
    this.x = points.x.slice();
    this.y = points.y.slice();
    this.rowOf = new Int32Array(this.n);
    points.id.forEach((id, row) => (this.rowOf[id] = row));
    this.edits = facts.edits;
    this.group = edited.group;
    this.label = edited.label;
    this.marks = edited.marks;
    this.colors = new Uint8Array(4 * this.n);
    this.visible = new Uint8Array(this.n);
    this.selected = new Uint8Array(this.n);
    this.nVisible = this.n;
    this.describeEdits();
    this.refilter();
  }

  // ------------------------------------------------------------ columns

  /** What can be coloured and filtered by. */
  get choices(): Column[] {
    const others = this.facts.columns.filter((one) => one.name !== GROUP && one.name !== "tree");
    return [...this.own, ...this.extra, ...others];
  }

  private describeEdits(): void {
    const { edits } = this;
    const { groups } = edits;
    const group: Column = {
      name: GROUP,
      kind: "category",
      categories: groups.map((one) => this.groupName(one)),
      keys: groups.map((one) => String(one.number)),
    };
    const label: Column = { name: LABEL, kind: "category", categories: edits.labels };
    const mark: Column = { name: MARK, kind: "category", categories: [...MARKS] };
    const isMarked = Object.values(edits.marked).some((n) => n > 0);
    this.own = [group, ...(edits.labels.length ? [label] : []), ...(isMarked ? [mark] : [])];
    for (const column of this.own) count(column, this.ownColumn(column.name)!);
    this.slots = slotsOf(groups.map((one) => one.number));
  }

  describe(name: string): Column | undefined {
    return this.choices.find((one) => one.name === name);
  }

  /** Values of a column; those of groups are positions in `edits.groups`. */
  async column(name: string): Promise<Values> {
    const own = this.ownColumn(name);
    if (own) return own;
    const values = this.columns.get(name);
    if (values) return values;
    let loading = this.loading.get(name);
    if (!loading) {
      loading = this.load(name).finally(() => this.loading.delete(name));
      this.loading.set(name, loading);
    }
    return loading;
  }

  private async load(name: string): Promise<Values> {
    const column = this.facts.columns.find((one) => one.name === name);
    const values = withoutNulls(await this.source.column(name), column?.kind);
    if (column) count(column, values);
    this.columns.set(name, values);
    return values;
  }

  /** Values of what comes of the edits. */
  private ownColumn(name: string): Values | null {
    if (name === GROUP) return this.groupPositions();
    if (name === LABEL) return this.label;
    return name === MARK ? Int32Array.from(this.marks, (marks) => MARKS.findIndex((_, bit) => marks & (1 << bit))) : null;
  }

  /** Values of a column that has been asked for before. */
  loaded(name: string): Values | null {
    return this.ownColumn(name) ?? this.columns.get(name) ?? null;
  }

  /** A column that was made here; one of the same name is replaced. */
  addColumn(column: Column, values: Values): void {
    count(column, values);
    const at = this.extra.findIndex((one) => one.name === column.name);
    this.extra.splice(at < 0 ? 0 : at, at < 0 ? 0 : 1, column);
    this.columns.set(column.name, values);
    this.edited.tell();
  }

  groupName(group: Group): string {
    return group.name || `${t("group")} ${group.number}`;
  }

  groupOf(row: number): Group | undefined {
    const number = this.group[row];
    return this.edits.groups.find((one) => one.number === number);
  }

  /** Colours stay with a group when others are split: they go by number, and no two of up to N_COLORS groups share one. */
  groupColor(number: number): Rgb {
    return categoryColor(this.slots.get(number) ?? -1);
  }

  /** Most groups that the tree can be cut into. */
  get nBlocks(): number {
    return this.facts.nBlocks ?? this.facts.columns.find((one) => one.name === "tree")?.categories?.length ?? 0;
  }

  rowsOfGroup(number: number): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.n; row++) if (this.group[row] === number) rows.push(row);
    return rows;
  }

  /** The name of what has no value in a column. */
  nameOfMissing(column: Column): string {
    if (column.name === GROUP) return t("unsure");
    return column.name === LABEL ? t("noLabel") : column.name === MARK ? t("noMark") : t("missing");
  }

  private groupPositions(): Int32Array {
    const position = new Map(this.edits.groups.map((one, i) => [one.number, i]));
    return this.group.map((number) => position.get(number) ?? -1);
  }

  // ------------------------------------------------------------ colours

  async colorByColumn(name: string): Promise<void> {
    if (!this.describe(name)) name = GROUP;
    this.colorBy = name;
    await this.repaint();
  }

  /** Colours of rows by a function, until it is null again. */
  async colorByFunction(color: ((row: number) => Rgb) | null): Promise<void> {
    this.override = color;
    await this.repaint();
  }

  async repaint(): Promise<void> {
    const asked = this.colorBy;
    const color = this.override ?? (await this.colorFunction());
    if (asked !== this.colorBy) return; // another was asked for meanwhile
    const { colors, n } = this;
    for (let row = 0; row < n; row++) {
      const rgb = color(row);
      colors[4 * row] = rgb[0];
      colors[4 * row + 1] = rgb[1];
      colors[4 * row + 2] = rgb[2];
    }
    this.fade();
  }

  private async colorFunction(): Promise<(row: number) => Rgb> {
    const column = this.describe(this.colorBy)!;
    const values = await this.column(this.colorBy);
    if (column.kind === "category") {
      const colors = this.categoryColors(column);
      return (row) => colors[(values[row] as number) + 1] ?? OTHER;
    }
    if (column.kind === "number") {
      const scale = scaleOf(column);
      return (row) => rampColor(scale.fraction(values[row] as number));
    }
    return () => MISSING;
  }

  /** Colours of a column's codes from -1 (missing) to the one after the last (other). */
  categoryColors(column: Column): Rgb[] {
    const categories = column.categories!;
    if (column.name === GROUP) return [MISSING, ...this.edits.groups.map((one) => this.groupColor(one.number)), OTHER];
    const colors: Rgb[] = [MISSING, ...categories.map((): Rgb => OTHER), OTHER];
    this.coloredCodes(column).forEach((code, slot) => (colors[code + 1] = categoryColor(slot)));
    return colors;
  }

  /** Codes that have a colour of their own: all, or the largest. */
  coloredCodes(column: Column): number[] {
    const codes = column.categories!.map((_, code) => code);
    return codes.length > this.nColored ? byCount(column).slice(0, this.nColored) : codes;
  }

  /** Images in categories without a colour of their own. */
  nInOthers(column: Column): number {
    const own = this.coloredCodes(column).reduce((sum, code) => sum + (column.counts?.[code] ?? 0), 0);
    return this.n - (column.missing ?? 0) - own;
  }

  async colorCategories(most: number): Promise<void> {
    this.nColored = most;
    await this.repaint();
  }

  // ------------------------------------------------------------ what is shown and selected

  async setFilter(name: string, filter: Filter | null): Promise<void> {
    if (filter) this.filters.set(name, filter);
    else this.filters.delete(name);
    await this.takeFilters();
  }

  /** Filters in place of those that there are; such as fit no column are left out. */
  async setFilters(filters: { [name: string]: Filter }): Promise<void> {
    this.filters.clear();
    for (const [name, filter] of Object.entries(filters)) {
      if (this.describe(name)?.kind === kindOf(filter)) this.filters.set(name, filter);
    }
    await this.takeFilters();
  }

  private async takeFilters(): Promise<void> {
    const load = async (name: string): Promise<void> => {
      try {
        await this.column(name);
      } catch (error) {
        this.filters.delete(name); // what cannot be loaded filters nothing
        this.failed.tell(error);
      }
    };
    await Promise.all([...this.filters.keys()].map(load));
    this.refilter();
  }

  /** Show only the rows that a search has found; null shows all. */
  setSearched(rows: number[] | null, text = ""): void {
    this.searched = null;
    this.sought = rows && { text, n: rows.length };
    if (rows) {
      this.searched = new Uint8Array(this.n);
      for (const row of rows) this.searched[row] = 1;
    }
    this.refilter();
  }

  /** Whether anything but a mark keeps images from being shown. */
  get isFiltered(): boolean {
    return this.filters.size > 0 || this.searched !== null;
  }

  visibleRows(): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.n; row++) if (this.visible[row]) rows.push(row);
    return rows;
  }

  refilter(): void {
    const { visible, n } = this;
    for (let row = 0; row < n; row++) {
      visible[row] = (this.showHidden || !(this.marks[row] & HIDDEN)) && (!this.searched || this.searched[row]) ? 1 : 0;
    }
    for (const [name, filter] of this.filters) {
      const column = this.describe(name);
      const values = this.loaded(name);
      if (!column) this.filters.delete(name); // the edits that it was of are undone
      else if (values) this.apply(filter, values, column);
    }
    this.nVisible = total(visible);
    const before = this.nSelected;
    for (let row = 0; row < n; row++) this.selected[row] &= visible[row]; // what is not seen is not selected
    this.nSelected = total(this.selected);
    this.filtered.tell();
    this.fade();
    if (this.nSelected !== before) this.selectionChanged.tell();
  }

  private apply(filter: Filter, values: Values, column: Column | undefined): void {
    const { visible, n } = this;
    if ("without" in filter || "only" in filter) {
      const passes = passingCodes(filter, column); // codes begin at -1
      for (let row = 0; row < n; row++) if (!passes[(values[row] as number) + 1]) visible[row] = 0;
    } else if ("text" in filter) {
      const wanted = filter.text.toLowerCase();
      for (let row = 0; row < n; row++) if (!(values[row] as string).toLowerCase().includes(wanted)) visible[row] = 0;
    } else {
      const low = Math.fround(filter.low ?? -Infinity); // as the values are
      const high = Math.fround(filter.high ?? Infinity);
      const missing = passesMissing(filter);
      for (let row = 0; row < n; row++) {
        const value = values[row] as number;
        if (Number.isNaN(value) ? !missing : value < low || value > high) visible[row] = 0;
      }
    }
  }

  select(rows: Iterable<number>, add = false): void {
    if (!add) this.selected.fill(0);
    for (const row of rows) if (this.visible[row]) this.selected[row] = 1;
    this.nSelected = total(this.selected);
    this.fade();
    this.selectionChanged.tell();
  }

  selectedRows(): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.n; row++) if (this.selected[row]) rows.push(row);
    return rows;
  }

  idsOf(rows: number[]): number[] {
    return rows.map((row) => this.points.id[row]).sort((a, b) => a - b);
  }

  /** Point rows out until this is called with null. */
  pointOut(rows: Iterable<number> | null): void {
    if (!rows && !this.pointedOut) return;
    this.pointedOut = rows && new Uint8Array(this.n);
    for (const row of rows ?? []) this.pointedOut![row] = 1;
    this.fade();
  }

  /** Opacity: none for what is filtered out, little for what is not selected or pointed out when something is. */
  private fade(): void {
    const { colors, visible, n } = this;
    const marked = this.pointedOut ?? this.selected;
    const dim = this.nSelected || this.pointedOut ? 40 : 230;
    for (let row = 0; row < n; row++) colors[4 * row + 3] = !visible[row] ? 0 : marked[row] ? 255 : dim;
    this.painted.tell();
  }

  // ------------------------------------------------------------ places

  /** Put points elsewhere, those beyond the end of the arrays out of sight; null puts all back. */
  place(x: Float32Array | null, y: Float32Array | null): void {
    this.x.set(x ?? this.points.x);
    this.y.set(y ?? this.points.y);
    if (x && x.length < this.n) this.x.fill(NaN, x.length);
    this.moved.tell();
  }

  // ------------------------------------------------------------ edits

  async takeEdits(edits: Edits): Promise<void> {
    const columns = await this.source.edited();
    this.edits = edits;
    this.group = columns.group;
    this.label = columns.label;
    this.marks = columns.marks;
    this.describeEdits();
    this.refilter();
    await this.repaint();
    this.edited.tell();
  }
}

/** What stands for each category of a column. */
export const keysOf = (column: Column | undefined): string[] => column?.keys ?? column?.categories ?? [];

/** Codes of a column's categories, the largest first. */
export function byCount(column: Column): number[] {
  const counts = column.counts ?? [];
  return column.categories!.map((_, code) => code).sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b);
}

const kindOf = (filter: Filter): Column["kind"] =>
  "without" in filter || "only" in filter ? "category" : "text" in filter ? "text" : "number";

/** Whether images without a value pass. */
export const passesMissing = (filter: Range): boolean =>
  filter.missing ?? (filter.low === undefined && filter.high === undefined);

/** Whether each code of a column passes, from -1 (missing) to the one after the last (other). */
export function passingCodes(filter: { without: string[] } | { only: string[] }, column: Column | undefined): boolean[] {
  const named = new Set("only" in filter ? filter.only : filter.without);
  return [NONE, ...keysOf(column), OTHERS].map((key) => named.has(key) === "only" in filter);
}

/** A filter of what an address holds; null for what is none. */
export function asFilter(given: unknown): Filter | null {
  const { without, only, text, low, high, missing } = (given ?? {}) as { [name: string]: unknown };
  if (Array.isArray(without)) return { without: without.map(String) };
  if (Array.isArray(only)) return { only: only.map(String) };
  if (typeof text === "string") return { text };
  const isBound = (bound: unknown): bound is number | undefined => bound === undefined || Number.isFinite(bound);
  if (!isBound(low) || !isBound(high)) return null;
  return { low, high, missing: typeof missing === "boolean" ? missing : undefined };
}

function total(flags: Uint8Array): number {
  let sum = 0;
  for (let row = 0; row < flags.length; row++) sum += flags[row];
  return sum;
}

/** Values with what stands for missing in place of null. */
function withoutNulls(values: ArrayLike<unknown>, kind: Column["kind"] | undefined): Values {
  if (ArrayBuffer.isView(values)) return values as unknown as Values;
  if (kind === "number") return Float32Array.from(values as ArrayLike<number | null>, (value) => (value === null ? NaN : Number(value)));
  if (kind === "category") return Int32Array.from(values as ArrayLike<number | null>, (code) => code ?? -1);
  return Array.from(values, (value) => (value === null ? "" : String(value)));
}

/** Count a column's images in each category, in the others and without a value. */
function count(column: Column, values: Values): void {
  if (column.kind === "number") {
    let missing = 0;
    for (let row = 0; row < values.length; row++) if (Number.isNaN(values[row])) missing += 1;
    column.missing = missing;
  } else if (column.kind === "category") {
    const m = column.categories!.length;
    const counts = new Uint32Array(m + 2);
    for (let row = 0; row < values.length; row++) counts[Math.min(m, values[row] as number) + 1] += 1;
    column.missing = counts[0];
    column.counts = [...counts.subarray(1, m + 1)];
    column.other = counts[m + 1];
  }
}
