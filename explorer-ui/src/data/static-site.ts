// The data of a folder of static files. Rows are in zoom order, in which every prefix is an even sample of the map, and in
// files of a fixed number of rows. All rows are loaded, one file after the other; of very many, an even sample is, and the
// files of the part of the map in view, which take each other's place.

import { Signal } from "../model/signal";
import { nameOfCode } from "../model/columns";
import { RowFiles } from "./row-files";
import { decodeImage, type ArrowColumns, type Source } from "./source";
import type { Column, EditedColumns, Facts, Neighbor, Points, SiteLayout, Values } from "./types";

const MAX_REQUESTS = 6; // at the same time
const ABSENT = -1; // the id of a row that is not loaded

/** First row and end of rows that were loaded. */
export type RowRange = [number, number];

/** A file of points, with the values of the columns that are in use. */
interface Tile {
  points: ArrowColumns;
  columns: Map<string, ArrayLike<unknown>>;
}

export class StaticSite implements Source {
  readonly isPartial = true;
  /** Rows were loaded into the arrays of points, edits and columns. */
  readonly rowsLoaded = new Signal<RowRange[]>();
  /** Whether a row must stay where it is, as that of the inspected image. */
  isHeld: (range: RowRange) => boolean = () => false;
  private readonly files: RowFiles;
  private described!: Facts;
  private layout!: SiteLayout;
  /** Rows with a place of their own, which are those of a prefix. */
  private nFixed = 0;
  private arrays!: Points & EditedColumns;
  /** The values of the columns in use, by name. */
  private readonly values = new Map<string, Values>();
  private readonly loaded = new Set<number>();
  private readonly loading = new Map<number, Promise<void>>();
  /** Files that were fetched, and are not in the arrays yet. */
  private readonly arrived = new Map<number, Tile>();
  /** The file in each slot behind the fixed rows (-1: none), and the slots by use, the most recent last. */
  private readonly slots: number[] = [];
  private readonly used: number[] = [];

  constructor(readonly folder: string) {
    this.files = new RowFiles(folder);
  }

  async facts(): Promise<Facts> {
    const facts = (await this.files.json("site.json")) as Facts;
    const layout = (this.layout = facts.site!);
    const isWhole = facts.n <= layout.maxLoaded;
    this.nFixed = isWhole ? facts.n : Math.floor(layout.maxSample / layout.rows) * layout.rows;
    if (!isWhole) for (let slot = 0; slot < layout.tiles; slot++) this.slots.push(ABSENT);
    const capacity = this.nFixed + this.slots.length * layout.rows;
    const levelEnds = facts.levelEnds.map((end) => (end > this.nFixed ? capacity : end));
    this.described = { ...facts, nImages: facts.n, n: capacity, levelEnds, spacing: layout.spacing, counts: layout.counts };
    this.makeArrays(capacity, facts.n);
    return this.described;
  }

  private makeArrays(capacity: number, n: number): void {
    this.arrays = {
      id: new Int32Array(capacity).fill(ABSENT),
      x: new Float32Array(capacity).fill(NaN),
      y: new Float32Array(capacity).fill(NaN),
      group: new Int32Array(capacity).fill(-1),
      label: new Int32Array(capacity).fill(-1),
      marks: new Uint8Array(capacity),
      rowOf: new Int32Array(n).fill(-1),
    };
  }

  async points(): Promise<Points> {
    await this.fetchTile(0);
    this.takeArrived();
    return this.arrays;
  }

  async edited(): Promise<EditedColumns> {
    return this.arrays;
  }

  // ------------------------------------------------------------ rows

  /** Coordinates by row, NaN for rows that are not loaded. */
  get positions(): [Float32Array, Float32Array] {
    return [this.arrays.x, this.arrays.y];
  }

  private get nTiles(): number {
    return this.layout.boxes.length;
  }

  /** Number of files whose rows have a place of their own. */
  private get nFixedTiles(): number {
    return Math.ceil(this.nFixed / this.layout.rows);
  }

  /** Whether all rows are loaded in the end. */
  get isWhole(): boolean {
    return !this.slots.length;
  }

  /** Fraction of the rows with a place of their own that are loaded. */
  get progress(): number {
    let n = 0;
    for (const tile of this.loaded) if (tile < this.nFixedTiles) n += 1;
    return n / this.nFixedTiles;
  }

  /** The place of a row in the zoom order, by which its sprite is found. */
  placeOf(row: number): number {
    const { rows } = this.layout;
    if (row < this.nFixed) return row;
    const behind = row - this.nFixed;
    return this.slots[Math.floor(behind / rows)] * rows + (behind % rows);
  }

  /** The row of a place in the zoom order; -1 if it is not loaded. */
  rowAt(place: number): number {
    const tile = Math.floor(place / this.layout.rows);
    if (!this.loaded.has(tile)) return -1;
    return this.firstRow(tile) + (place % this.layout.rows);
  }

  private firstRow(tile: number): number {
    const { rows } = this.layout;
    return tile < this.nFixedTiles ? tile * rows : this.nFixed + this.slots.indexOf(tile) * rows;
  }

  /** The place of an image in the zoom order. */
  async placeOfImage(id: number): Promise<number> {
    return (await this.files.value("places", "place", id, this.layout.rows)) as number;
  }

  /** The row of an image, loaded if needed; -1 if there is none. */
  async find(id: number): Promise<number> {
    if (!(id >= 0 && id < this.described.nImages!)) return -1;
    const place = await this.placeOfImage(id);
    await this.ensure([place]);
    return this.rowAt(place);
  }

  /** Load the rows of places in the zoom order, as far as there is room for them. */
  async ensure(places: ArrayLike<number>): Promise<void> {
    const tiles = new Set(Array.from(places, (place) => Math.floor(place / this.layout.rows)));
    await this.load([...tiles].slice(0, Math.max(1, this.slots.length || tiles.size)));
  }

  /** Load the files of the part of the map in view, if they are no more than there is room for. */
  async look([left, bottom, right, top]: [number, number, number, number]): Promise<void> {
    const tiles: number[] = [];
    for (let tile = this.nFixedTiles; tile < this.nTiles; tile++) {
      const [x0, y0, x1, y1] = this.layout.boxes[tile];
      if (x0 <= right && x1 >= left && y0 <= top && y1 >= bottom) tiles.push(tile);
    }
    if (tiles.length && tiles.length <= this.slots.length) await this.load(tiles);
  }

  /** Load the rows that have a place of their own. They are shown whenever their number has doubled, and at the end. */
  async loadAll(): Promise<void> {
    const missing = Array.from({ length: this.nFixedTiles }, (_, tile) => tile).filter((tile) => !this.loaded.has(tile));
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < missing.length) {
        await this.fetchTile(missing[next++]);
        if (this.arrived.size >= this.loaded.size) this.takeArrived();
      }
    };
    try {
      await Promise.all(Array.from({ length: MAX_REQUESTS }, work));
    } finally {
      this.takeArrived();
    }
  }

  private async load(tiles: number[]): Promise<void> {
    for (const tile of tiles) this.touch(tile);
    const missing = tiles.filter((tile) => !this.loaded.has(tile));
    if (!missing.length) return;
    await Promise.all(missing.map((tile) => this.fetchTile(tile)));
    this.takeArrived();
  }

  /** Note that a slot is in use. */
  private touch(tile: number): void {
    const slot = this.slots.indexOf(tile);
    if (slot < 0) return;
    const at = this.used.indexOf(slot);
    if (at >= 0) this.used.splice(at, 1);
    this.used.push(slot);
  }

  private fetchTile(tile: number): Promise<void> {
    if (this.loaded.has(tile) || this.arrived.has(tile)) return Promise.resolve();
    let loading = this.loading.get(tile);
    if (!loading) {
      loading = this.readTile(tile).finally(() => this.loading.delete(tile));
      this.loading.set(tile, loading);
    }
    return loading;
  }

  private async readTile(tile: number): Promise<void> {
    const points = await this.files.columns("points", tile);
    const columns = new Map<string, ArrayLike<unknown>>();
    // a column may come into use while others are fetched
    for (let missing = [...this.values.keys()]; missing.length; missing = [...this.values.keys()].filter((name) => !columns.has(name))) {
      await Promise.all(missing.map(async (name) => columns.set(name, await this.tileOfColumn(name, tile))));
    }
    this.arrived.set(tile, { points, columns });
  }

  /** Put the files that have arrived into the arrays. */
  private takeArrived(): void {
    const ranges: RowRange[] = [];
    for (const [tile, { points, columns }] of this.arrived) {
      if ([...this.values.keys()].some((name) => !columns.has(name))) {
        void this.complete(tile); // a column came into use since
        continue;
      }
      this.arrived.delete(tile);
      const first = this.place(tile);
      if (first < 0) continue;
      const id = points("id") as Int32Array;
      const { arrays } = this;
      for (const name of ["id", "x", "y", "group", "label", "marks"] as const) arrays[name].set(points(name) as Int32Array, first);
      for (let i = 0; i < id.length; i++) arrays.rowOf![id[i]] = first + i;
      for (const [name, values] of columns) fill(this.values.get(name)!, values, first);
      this.loaded.add(tile);
      ranges.push([first, first + id.length]);
    }
    if (ranges.length) this.rowsLoaded.emit(ranges);
  }

  private async complete(tile: number): Promise<void> {
    this.arrived.delete(tile);
    await this.fetchTile(tile).catch(() => undefined); // loaded again when it is next needed
    this.takeArrived();
  }

  /** First row of the place of a file, which is made free if needed; -1 if there is none. */
  private place(tile: number): number {
    const { rows } = this.layout;
    if (tile < this.nFixedTiles) return tile * rows;
    let slot = this.slots.indexOf(ABSENT);
    if (slot < 0) {
      const range = (one: number): RowRange => [this.nFixed + one * rows, this.nFixed + (one + 1) * rows];
      slot = this.used.find((one) => !this.isHeld(range(one))) ?? -1;
      if (slot < 0) return -1;
      this.clear(slot, range(slot));
    }
    this.slots[slot] = tile;
    this.touch(tile);
    return this.nFixed + slot * rows;
  }

  private clear(slot: number, [first, end]: RowRange): void {
    const { arrays } = this;
    for (let row = first; row < end; row++) if (arrays.id[row] >= 0) arrays.rowOf![arrays.id[row]] = -1;
    arrays.id.fill(ABSENT, first, end);
    arrays.x.fill(NaN, first, end);
    arrays.y.fill(NaN, first, end);
    arrays.group.fill(-1, first, end);
    arrays.label.fill(-1, first, end);
    arrays.marks.fill(0, first, end);
    this.loaded.delete(this.slots[slot]);
    this.slots[slot] = ABSENT;
  }

  // ------------------------------------------------------------ columns

  /** Values of a column for the rows that are loaded; those of further rows are filled in with the rows. */
  async column(name: string): Promise<Values> {
    const column = this.describe(name);
    const found = this.values.get(name);
    if (found) return found;
    const values = emptyValues(column, this.described.n);
    this.values.set(name, values);
    try {
      await Promise.all(
        [...this.loaded].map(async (tile) => {
          const part = await this.tileOfColumn(name, tile);
          if (this.loaded.has(tile)) fill(values, part, this.firstRow(tile));
        }),
      );
    } catch (error) {
      this.values.delete(name);
      throw error;
    }
    return values;
  }

  private describe(name: string): Column {
    return this.described.columns.find((one) => one.name === name)!;
  }

  private folderOf(column: Column): string {
    return `columns/${this.described.columns.indexOf(column)}`;
  }

  /** The values of a column for the rows of a file of points. */
  private async tileOfColumn(name: string, tile: number): Promise<ArrayLike<unknown>> {
    const column = this.describe(name);
    const folder = this.folderOf(column);
    if (column.kind !== "text") return (await this.files.columns(folder, tile))("values") as ArrayLike<unknown>;
    const { rows, textRows } = this.layout;
    const n = Math.min(rows, this.described.nImages! - tile * rows);
    const parts = Array.from({ length: Math.ceil(n / textRows) }, (_, i) => (tile * rows) / textRows + i);
    const texts = await Promise.all(parts.map((part) => this.files.columns(folder, part)));
    return texts.flatMap((part) => part("values") as string[]);
  }

  /** The values of one row by the names of the columns. */
  async imageFacts(row: number): Promise<{ [name: string]: unknown }> {
    const place = this.placeOf(row);
    const { rows, textRows } = this.layout;
    const entries = this.described.columns.map(async (column): Promise<[string, unknown]> => {
      const value = await this.files.value(this.folderOf(column), "values", place, column.kind === "text" ? textRows : rows);
      return [column.name, column.kind === "category" ? nameOfCode(column.categories!, value as number) : value];
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  async pathOf(row: number): Promise<string> {
    const column = this.describe("path");
    return column ? ((await this.files.value(this.folderOf(column), "values", this.placeOf(row), this.layout.textRows)) as string) : "";
  }

  // ------------------------------------------------------------ search, neighbours, pictures

  /**
   * The places in the zoom order of the images whose path or label contains a text, whatever its case and Unicode form.
   * All files of the texts are read; `report` gets the fraction that is done, and ends the search by returning false.
   */
  async search(text: string, report: (fraction: number) => boolean): Promise<number[]> {
    const wanted = folded(text);
    const found = new Set<number>();
    const tasks = [...this.pathTasks(wanted, found), ...this.codeTasks(wanted, found)];
    let [next, done] = [0, 0];
    const work = async (): Promise<void> => {
      while (next < tasks.length) {
        await tasks[next++]();
        if (!report(++done / tasks.length)) next = tasks.length;
      }
    };
    await Promise.all(Array.from({ length: MAX_REQUESTS }, work));
    return [...found].sort((a, b) => a - b);
  }

  private pathTasks(wanted: string, found: Set<number>): (() => Promise<void>)[] {
    const column = this.describe("path");
    const { textRows } = this.layout;
    if (!column) return [];
    return Array.from({ length: Math.ceil(this.described.nImages! / textRows) }, (_, part) => async () => {
      const texts = (await this.files.read(this.folderOf(column), part))("values") as ArrayLike<string | null>;
      for (let i = 0; i < texts.length; i++) if (folded(texts[i] ?? "").includes(wanted)) found.add(part * textRows + i);
    });
  }

  /** Tasks that look into the labels: those of the run, and those given in the explorer. */
  private codeTasks(wanted: string, found: Set<number>): (() => Promise<void>)[] {
    const column = this.describe("label");
    const isWanted = (names: string[]): Set<number> => new Set(names.flatMap((name, code) => (folded(name).includes(wanted) ? [code] : [])));
    const sets: [string, string, Set<number>][] = [
      ...(column?.kind === "category" ? [[this.folderOf(column), "values", isWanted(column.categories!)] as [string, string, Set<number>]] : []),
      ["points", "label", isWanted(this.described.edits.labels)],
    ];
    return sets.flatMap(([folder, name, codes]) =>
      (codes.size ? Array.from({ length: this.nTiles }, (_, tile) => tile) : []).map((tile) => async () => {
        const values = (await this.files.read(folder, tile))(name) as ArrayLike<number>;
        for (let i = 0; i < values.length; i++) if (codes.has(values[i])) found.add(tile * this.layout.rows + i);
      }),
    );
  }

  /** Nearest neighbours that were found when the folder was made, nearest first. */
  async neighbors(id: number, n: number): Promise<Neighbor[]> {
    const k = this.layout.neighbors;
    const row = this.arrays.rowOf![id];
    if (!k || row < 0) return [];
    const { neighborRows } = this.layout;
    const place = this.placeOf(row);
    const table = await this.files.columns("neighbors", Math.floor(place / neighborRows));
    const first = k * (place % neighborRows);
    const places = (table("places") as Int32Array).subarray(first, first + Math.min(k, n));
    const distances = (table("distances") as Float32Array).subarray(first, first + Math.min(k, n));
    await this.ensure(places);
    const found = Array.from(places, (other, i) => ({ row: this.rowAt(other), distance: distances[i] }));
    return found.filter((one) => one.row >= 0).map((one) => ({ id: this.arrays.id[one.row], distance: one.distance }));
  }

  /** The latent vector of a place in the zoom order, in a folder with a decoder. */
  async latent(place: number): Promise<Float32Array> {
    const { rows } = this.layout.decoder!;
    const number = Math.floor(place / rows);
    const values = (await this.files.columns("latents", number))("latent") as Float32Array;
    const size = values.length / Math.min(rows, this.described.nImages! - number * rows);
    return values.subarray(size * (place % rows), size * (place % rows) + size);
  }

  /** A file, decompressed. */
  bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.files.bytes(name);
  }

  async spriteSheet(number: number): Promise<ImageBitmap> {
    return decodeImage(await this.files.blob(`sheets/${String(number).padStart(5, "0")}.webp`));
  }
}

/** A text as a search compares it. */
const folded = (text: string): string => text.normalize("NFC").toLowerCase();

function emptyValues(column: Column, n: number): Values {
  if (column.kind === "number") return new Float32Array(n).fill(NaN);
  return column.kind === "category" ? new Int32Array(n).fill(-1) : Array<string>(n).fill("");
}

function fill(values: Values, part: ArrayLike<unknown>, first: number): void {
  if (Array.isArray(values)) for (let i = 0; i < part.length; i++) values[first + i] = String(part[i] ?? "");
  else values.set(part as ArrayLike<number>, first);
}
