// Columns of a run, loaded when they are first needed, and columns that derive from the edits.

import type { Source } from "../data/source";
import type { Column, Facts, Values } from "../data/types";
import { t } from "../i18n/translate";

/** Names of the columns that derive from the edits. */
export const GROUP = "group"; // includes the edits, unlike the column of the run
export const LABEL = "given label";
export const MARK = "mark"; // the first mark of an image

const TREE = "tree"; // positions in the tree of groups: not shown

export interface DerivedColumn {
  column: Column;
  values: Int32Array;
  /** Whether the page offers it for colouring and filtering. */
  isOffered: boolean;
}

export class Columns {
  private derived: DerivedColumn[] = [];
  private readonly added: Column[] = [];
  private readonly values = new Map<string, Values>();
  /** Requests in progress; each column is requested once. */
  private readonly loading = new Map<string, Promise<Values>>();

  constructor(
    private readonly source: Source,
    private readonly ofRun: Column[],
    /** Counts of derived columns that are known before all rows are loaded. */
    private readonly counts: NonNullable<Facts["counts"]> = {},
  ) {}

  /** The columns that the map can be coloured and filtered by. */
  get choices(): Column[] {
    const offered = this.derived.filter(({ isOffered }) => isOffered).map(({ column }) => column);
    return [...offered, ...this.added, ...this.ofRun.filter(({ name }) => name !== GROUP && name !== TREE)];
  }

  describe(name: string): Column | undefined {
    return this.choices.find((one) => one.name === name);
  }

  /** Replace the columns that derive from the edits. */
  setDerived(derived: DerivedColumn[]): void {
    for (const { column, values } of derived) {
      const known = this.counts[column.name];
      if (known) Object.assign(column, known, { other: 0 });
      else countValues(column, values);
    }
    this.derived = derived;
  }

  /** Add a column that was computed in the page, or replace the one of that name. */
  add(column: Column, values: Values): void {
    countValues(column, values);
    const at = this.added.findIndex((one) => one.name === column.name);
    this.added.splice(at < 0 ? 0 : at, at < 0 ? 0 : 1, column);
    this.values.set(column.name, values);
  }

  /** Values of a column if they are here; null otherwise. */
  loaded(name: string): Values | null {
    return this.derived.find(({ column }) => column.name === name)?.values ?? this.values.get(name) ?? null;
  }

  /** Values of a column, loaded if needed. Those of groups are positions in the list of groups. */
  async load(name: string): Promise<Values> {
    const values = this.loaded(name);
    if (values) return values;
    let loading = this.loading.get(name);
    if (!loading) {
      loading = this.fetch(name).finally(() => this.loading.delete(name));
      this.loading.set(name, loading);
    }
    return loading;
  }

  private async fetch(name: string): Promise<Values> {
    const column = this.ofRun.find((one) => one.name === name);
    const found = await this.source.column(name);
    const values = this.source.isPartial ? found : withoutNulls(found, column?.kind);
    if (column && !this.source.isPartial) countValues(column, values); // else the counts of all rows are known
    this.values.set(name, values);
    return values;
  }
}

/** Name of a category; codes past the last one stand for other categories. */
export const nameOfCode = (names: string[], code: number): string | null => (code < 0 ? null : (names[code] ?? t("other")));

/** Codes of a column's categories, the largest category first. */
export function byCount(column: Column): number[] {
  const counts = column.counts ?? [];
  return column.categories!.map((_, code) => code).sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b);
}

/** Replace nulls by NaN, -1 or "", according to the kind of column. */
function withoutNulls(values: ArrayLike<unknown>, kind: Column["kind"] | undefined): Values {
  if (ArrayBuffer.isView(values)) return values as unknown as Values;
  if (kind === "number") return Float32Array.from(values as ArrayLike<number | null>, (value) => (value === null ? NaN : Number(value)));
  if (kind === "category") return Int32Array.from(values as ArrayLike<number | null>, (code) => code ?? -1);
  return Array.from(values, (value) => (value === null ? "" : String(value)));
}

/** Count the images of a column in each category, in the other categories and without a value. */
function countValues(column: Column, values: Values): void {
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
