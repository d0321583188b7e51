// What the server says of a run.

export interface Column {
  name: string;
  kind: "number" | "category" | "text";
  low?: number;
  high?: number;
  categories?: string[];
  /** What stands for each category in filters, where its name may change. */
  keys?: string[];
}

export interface Group {
  number: number;
  name: string;
  tree: string;
  size: number;
}

export interface Edits {
  revision: number;
  groups: Group[];
  labels: string[];
  marked: { [mark: string]: number };
  canUndo: boolean;
  canRedo: boolean;
  nSetAside: number;
}

export interface Facts {
  name: string;
  source: string;
  version: string;
  n: number;
  nAdded: number;
  nSkipped: number;
  imageShape: number[];
  square: [number, number, number];
  levelEnds: number[];
  pages: { width: number; height: number; columns: number; perPage: number; n: number };
  columns: Column[];
  typical: { [group: string]: number[] };
  onGraph: boolean;
  perplexity: number;
  edits: Edits;
}

export interface Points {
  id: Int32Array;
  x: Float32Array;
  y: Float32Array;
}

/** In the order of the page: numbers, codes of categories (-1: none), or texts. */
export type Values = Float32Array | Int16Array | Int32Array | string[];

export interface EditedColumns {
  group: Int32Array;
  label: Int32Array;
  marks: Uint8Array;
}

export interface Neighbor {
  id: number;
  distance: number;
}

export const MARKS = ["outlier", "duplicate", "hidden"] as const;
export type Mark = (typeof MARKS)[number];

export type Edit =
  | { kind: "name"; group: number; name: string }
  | { kind: "split"; group: number }
  | { kind: "merge"; groups: number[] }
  | { kind: "label"; ids: number[]; label: string }
  | { kind: "mark"; ids: number[]; mark: Mark; on: boolean }
  | { kind: "undo" }
  | { kind: "redo" };
