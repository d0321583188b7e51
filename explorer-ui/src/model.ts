// What the page knows of the run and what the user has done to the view: columns, colours, filters, selection.

import { categoryColor, rampColor, type Rgb } from "./colors";
import { Signal } from "./dom";
import { t } from "./i18n";
import type { Source } from "./source";
import type { Column, Edits, EditedColumns, Facts, Group, Points, Values } from "./types";
import { MARKS } from "./types";

/** What a filter lets pass: a range of numbers, all categories but some (NONE: images without one), or texts with a part. */
export type Filter = { low?: number | undefined; high?: number | undefined } | { without: string[] } | { text: string };

export const NONE = "";
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
  readonly filters = new Map<string, Filter>();
  /** Places, colours or what is visible have changed. */
  readonly moved = new Signal();
  readonly painted = new Signal();
  readonly filtered = new Signal();
  readonly selectionChanged = new Signal();
  readonly edited = new Signal();
  private readonly extra: Column[] = [];
  /** Colours that replace those of the column, such as the steps of K-means. */
  private override: ((row: number) => Rgb) | null = null;
  private readonly columns = new Map<string, Values>();
  private searched: Uint8Array | null = null;

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
    this.refilter();
  }

  // ------------------------------------------------------------ columns

  /** What can be coloured and filtered by. */
  get choices(): Column[] {
    const groups = this.edits.groups;
    const group: Column = {
      name: GROUP,
      kind: "category",
      categories: groups.map((one) => this.groupName(one)),
      keys: groups.map((one) => String(one.number)),
    };
    const others = this.facts.columns.filter((one) => one.name !== GROUP && one.name !== "tree");
    const label: Column = { name: LABEL, kind: "category", categories: this.edits.labels };
    const mark: Column = { name: MARK, kind: "category", categories: [...MARKS] };
    const isMarked = Object.values(this.edits.marked).some((n) => n > 0);
    return [group, ...(this.edits.labels.length ? [label] : []), ...(isMarked ? [mark] : []), ...this.extra, ...others];
  }

  describe(name: string): Column | undefined {
    return this.choices.find((one) => one.name === name);
  }

  /** Values of a column; those of groups are positions in `edits.groups`. */
  async column(name: string): Promise<Values> {
    const own = this.ownColumn(name);
    if (own) return own;
    let values = this.columns.get(name);
    if (!values) {
      values = await this.source.column(name);
      this.columns.set(name, values);
    }
    return values;
  }

  /** Values of what comes of the edits. */
  private ownColumn(name: string): Values | null {
    if (name === GROUP) return this.groupPositions();
    if (name === LABEL) return this.label;
    return name === MARK ? Int32Array.from(this.marks, (marks) => MARKS.findIndex((_, bit) => marks & (1 << bit))) : null;
  }

  /** A column that was made here; one of the same name is replaced. */
  addColumn(column: Column, values: Values): void {
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

  /** Colours stay with a group when others are split: they go by number. */
  groupColor(number: number): Rgb {
    return categoryColor(number);
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
    for (let row = 0; row < this.n; row++) {
      const [r, g, b] = color(row);
      this.colors[4 * row] = r;
      this.colors[4 * row + 1] = g;
      this.colors[4 * row + 2] = b;
    }
    this.fade();
  }

  private async colorFunction(): Promise<(row: number) => Rgb> {
    const column = this.describe(this.colorBy)!;
    const values = await this.column(this.colorBy);
    if (column.name === GROUP) return (row) => this.groupColor(this.group[row]);
    if (column.kind === "category") return (row) => categoryColor(values[row] as number);
    if (column.kind === "number") {
      const share = this.shares(column);
      return (row) => rampColor(share(values[row] as number));
    }
    return () => categoryColor(-1);
  }

  /** A number's place on the scale; logarithmic where values span more than two decades above 0. */
  shares(column: Column): (value: number) => number {
    const low = column.low!;
    const high = column.high!;
    if (low > 0 && high / low > 100) {
      const span = Math.log(high / low);
      return (value) => Math.log(value / low) / span;
    }
    return (value) => (high > low ? (value - low) / (high - low) : 0.5);
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
      const kind = "without" in filter ? "category" : "text" in filter ? "text" : "number";
      if (this.describe(name)?.kind === kind) this.filters.set(name, filter);
    }
    await this.takeFilters();
  }

  private async takeFilters(): Promise<void> {
    await Promise.all([...this.filters.keys()].map((one) => this.column(one)));
    this.refilter();
  }

  /** Show only these rows; null shows all. */
  setSearched(rows: Iterable<number> | null): void {
    this.searched = null;
    if (rows) {
      this.searched = new Uint8Array(this.n);
      for (const row of rows) this.searched[row] = 1;
    }
    this.refilter();
  }

  refilter(): void {
    const { visible, n } = this;
    for (let row = 0; row < n; row++) {
      visible[row] = (this.showHidden || !(this.marks[row] & HIDDEN)) && (!this.searched || this.searched[row]) ? 1 : 0;
    }
    for (const [name, filter] of this.filters) {
      if (!this.describe(name)) this.filters.delete(name); // the edits that it was of are undone
      const values = this.ownColumn(name) ?? this.columns.get(name);
      if (values) this.apply(filter, values, this.describe(name));
    }
    this.nVisible = visible.reduce((sum, value) => sum + value, 0);
    const before = this.nSelected;
    for (let row = 0; row < n; row++) this.selected[row] &= visible[row]; // what is not seen is not selected
    this.nSelected = this.selected.reduce((sum, value) => sum + value, 0);
    this.filtered.tell();
    this.fade();
    if (this.nSelected !== before) this.selectionChanged.tell();
  }

  private apply(filter: Filter, values: Values, column: Column | undefined): void {
    const { visible, n } = this;
    if ("without" in filter) {
      const passes = [NONE, ...keysOf(column)].map((key) => !filter.without.includes(key)); // codes begin at -1
      for (let row = 0; row < n; row++) if (passes[(values[row] as number) + 1] === false) visible[row] = 0;
    } else if ("text" in filter) {
      const wanted = filter.text.toLowerCase();
      for (let row = 0; row < n; row++) if (!String(values[row]).toLowerCase().includes(wanted)) visible[row] = 0;
    } else {
      const low = Math.fround(filter.low ?? -Infinity); // as the values are
      const high = Math.fround(filter.high ?? Infinity);
      for (let row = 0; row < n; row++) {
        const value = values[row] as number;
        if (!(value >= low && value <= high)) visible[row] = 0;
      }
    }
  }

  select(rows: Iterable<number>, add = false): void {
    if (!add) this.selected.fill(0);
    for (const row of rows) if (this.visible[row]) this.selected[row] = 1;
    this.nSelected = this.selected.reduce((sum, value) => sum + value, 0);
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

  /** Opacity: none for what is filtered out, little for what is not selected when something is. */
  private fade(): void {
    const dim = this.nSelected ? 40 : 230;
    for (let row = 0; row < this.n; row++) {
      this.colors[4 * row + 3] = !this.visible[row] ? 0 : this.selected[row] ? 255 : dim;
    }
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
    this.refilter();
    await this.repaint();
    this.edited.tell();
  }
}

/** What stands for each category of a column. */
export const keysOf = (column: Column | undefined): string[] => column?.keys ?? column?.categories ?? [];
