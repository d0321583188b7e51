// Makes a model of a small run for tests.

import type { Source } from "../src/data/source";
import type { Column, EditedColumns, Edits, Facts, Neighbor, Values } from "../src/data/types";
import { Model } from "../src/model/model";

export interface Given {
  x: number[];
  y: number[];
  id?: number[];
  group?: number[];
  label?: number[];
  labels?: string[];
  marks?: number[];
  columns?: { [name: string]: { column: Omit<Column, "name">; values: Values | ArrayLike<unknown> } };
  facts?: Partial<Facts>;
  neighbors?: { [id: number]: number[] };
}

export function makeEdits(groups: number[], labels: string[] = [], marked: { [mark: string]: number } = {}): Edits {
  const numbers = [...new Set(groups.filter((number) => number >= 0))].sort((a, b) => a - b);
  return {
    revision: 0,
    groups: numbers.map((number) => ({ number, name: "", tree: "", size: groups.filter((one) => one === number).length })),
    labels,
    marked,
    canUndo: false,
    canRedo: false,
    nSetAside: 0,
  };
}

/** A source whose columns and edits are given; `requests` lists the columns that were requested. */
export class FakeSource implements Source {
  readonly requests: string[] = [];
  /** Weights by which neighbours were requested. */
  readonly weights: string[] = [];
  edit: EditedColumns;

  constructor(private readonly given: Given) {
    const n = given.x.length;
    this.edit = {
      group: Int32Array.from(given.group ?? Array(n).fill(1)),
      label: Int32Array.from(given.label ?? Array(n).fill(-1)),
      marks: Uint8Array.from(given.marks ?? Array(n).fill(0)),
    };
  }

  facts = (): Promise<never> => Promise.reject(new Error("not used"));
  points = (): Promise<never> => Promise.reject(new Error("not used"));
  spriteSheet = (): Promise<never> => Promise.reject(new Error("not used"));

  async column(name: string): Promise<Values> {
    this.requests.push(name);
    const found = this.given.columns?.[name];
    if (!found) throw new Error(`no column ${name}`);
    return found.values as Values;
  }

  async edited(): Promise<EditedColumns> {
    return this.edit;
  }

  async neighbors(id: number, _: number, weights: string): Promise<Neighbor[]> {
    this.weights.push(weights);
    return (this.given.neighbors?.[id] ?? []).map((other, i) => ({ id: other, distance: i + 1 }));
  }
}

export function makeModel(given: Given): { model: Model; source: FakeSource } {
  const n = given.x.length;
  const source = new FakeSource(given);
  const marked = (given.marks ?? []).some((bits) => bits) ? { hidden: 1 } : {};
  const facts: Facts = {
    name: "run",
    source: "images",
    version: "1",
    n,
    imageShape: [8, 8],
    square: [0, 0, 100],
    levelEnds: [1, 4, 16, n],
    pages: { width: 8, height: 8, columns: 4, perPage: 16, n: 1 },
    columns: Object.entries(given.columns ?? {}).map(([name, { column }]) => ({ name, ...column })),
    typical: {},
    onGraph: true,
    hasDecoder: true,
    hasEncoder: true,
    hasPictures: true,
    perplexity: 30,
    weights: {},
    edits: makeEdits([...source.edit.group], given.labels ?? [], marked),
    ...given.facts,
  };
  const points = {
    id: Int32Array.from(given.id ?? given.x.map((_, row) => row)),
    x: Float32Array.from(given.x),
    y: Float32Array.from(given.y),
  };
  return { model: new Model(source, facts, points, source.edit), source };
}
