// A run as the page knows it: positions, columns, edits and groups.

import type { Source } from "../data/source";
import { MARKS, type Column, type EditedColumns, type Edits, type Facts, type Group, type Points, type Values } from "../data/types";
import { t } from "../i18n/translate";
import { ChannelColors } from "./channel-colors";
import { categoryColor, slotsOf, type Rgb } from "./colors";
import { Columns, GROUP, LABEL, MARK, type DerivedColumn } from "./columns";
import { KindWeights } from "./kind-weights";
import { Signal } from "./signal";

export class RunState {
  readonly n: number;
  /** Positions on the map now; those of the run are in `points`. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Row of each id. */
  readonly rowOf: Int32Array;
  edits: Edits;
  /** Group, label and marks of each row: the number of the group, a position in `edits.labels`, bits by MARKS. */
  group: Int32Array;
  label: Int32Array;
  marks: Uint8Array;
  /** Whether the points are on their way: what takes long waits until they rest. */
  isMoving = false;
  readonly positionsChanged = new Signal();
  readonly editsChanged = new Signal();
  /** Weights by which neighbours are found. */
  readonly weights: KindWeights;
  /** The colours by which channels are mixed to pictures. */
  readonly channels: ChannelColors;
  private readonly columns: Columns;
  /** Index into the palette for each number of a group. */
  private slots = new Map<number, number>();

  constructor(
    readonly source: Source,
    readonly facts: Facts,
    readonly points: Points,
    edited: EditedColumns,
  ) {
    this.n = facts.n;
    this.x = points.x.slice();
    this.y = points.y.slice();
    this.rowOf = points.rowOf ?? new Int32Array(this.n);
    if (!points.rowOf) points.id.forEach((id, row) => (this.rowOf[id] = row));
    this.columns = new Columns(source, facts.columns, facts.counts);
    this.weights = new KindWeights(facts.weights);
    this.channels = new ChannelColors(facts.channels ?? []);
    this.edits = facts.edits;
    this.group = edited.group;
    this.label = edited.label;
    this.marks = edited.marks;
    this.deriveColumns();
  }

  protected setEdits(edits: Edits, edited: EditedColumns): void {
    this.edits = edits;
    this.group = edited.group;
    this.label = edited.label;
    this.marks = edited.marks;
    this.deriveColumns();
  }

  /** Move the points; rows past the end of the arrays are hidden. null restores the positions of the run. */
  setPositions(x: Float32Array | null, y: Float32Array | null, isMoving = false): void {
    this.isMoving = isMoving;
    this.x.set(x ?? this.points.x);
    this.y.set(y ?? this.points.y);
    if (x && x.length < this.n) this.x.fill(NaN, x.length);
    this.positionsChanged.emit();
  }

  /** The place of a row in the zoom order, by which its sprite is found. */
  placeOf(row: number): number {
    return this.source.placeOf?.(row) ?? row;
  }

  /** The row of an image, loaded if needed; -1 if there is none. */
  async find(id: number): Promise<number> {
    const row = this.rowOf[id] ?? -1;
    return row < 0 && this.source.find ? this.source.find(id) : row;
  }

  /** Ids of rows, in ascending order. */
  idsOf(rows: number[]): number[] {
    return rows.map((row) => this.points.id[row]).sort((a, b) => a - b);
  }

  // ------------------------------------------------------------ columns

  /** The columns that the map can be coloured and filtered by. */
  get choices(): Column[] {
    return this.columns.choices;
  }

  describe(name: string): Column | undefined {
    return this.columns.describe(name);
  }

  /** Values of a column, loaded if needed. */
  column(name: string): Promise<Values> {
    return this.columns.load(name);
  }

  /** Values of a column if they are loaded; null otherwise. */
  loaded(name: string): Values | null {
    return this.columns.loaded(name);
  }

  /** Add a column that was computed in the page, or replace the one of that name. */
  addColumn(column: Column, values: Values): void {
    this.columns.add(column, values);
    this.editsChanged.emit();
  }

  protected deriveColumns(): void {
    const { groups, labels, marked } = this.edits;
    const position = new Map(groups.map((one, i) => [one.number, i]));
    const keys = groups.map((one) => String(one.number));
    const derived: DerivedColumn[] = [
      {
        column: { name: GROUP, kind: "category", categories: groups.map((one) => this.groupName(one)), keys },
        values: this.group.map((number) => position.get(number) ?? -1),
        isOffered: true,
      },
      { column: { name: LABEL, kind: "category", categories: labels }, values: this.label, isOffered: labels.length > 0 },
      {
        column: { name: MARK, kind: "category", categories: [...MARKS] },
        values: Int32Array.from(this.marks, (marks) => MARKS.findIndex((_, bit) => marks & (1 << bit))),
        isOffered: Object.values(marked).some((n) => n > 0),
      },
    ];
    this.columns.setDerived(derived);
    this.slots = slotsOf(groups.map((one) => one.number));
  }

  /** Name of the images that have no value in a column. */
  nameOfMissing(column: Column): string {
    if (column.missingName) return column.missingName;
    if (column.name === GROUP) return t("unsure");
    return column.name === LABEL ? t("noLabel") : column.name === MARK ? t("noMark") : t("missing");
  }

  // ------------------------------------------------------------ groups

  groupName(group: Group): string {
    return group.name || `${t("group")} ${group.number}`;
  }

  groupOf(row: number): Group | undefined {
    const number = this.group[row];
    return this.edits.groups.find((one) => one.number === number);
  }

  /** Colour of a group. It depends on the number, so that it stays when other groups are split. */
  groupColor(number: number): Rgb {
    return categoryColor(this.slotOf(number));
  }

  /** Palette index of a group; -1 if there is none of that number. */
  slotOf(number: number): number {
    return this.slots.get(number) ?? -1;
  }

  /** Maximum number of groups that the tree can be cut into. */
  get nBlocks(): number {
    return this.facts.nBlocks ?? this.facts.columns.find((one) => one.name === "tree")?.categories?.length ?? 0;
  }

  rowsOfGroup(number: number): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.n; row++) if (this.group[row] === number) rows.push(row);
    return rows;
  }
}
