// What the server says of a run.

export interface Column {
  name: string;
  kind: "number" | "category" | "text";
  low?: number;
  high?: number;
  /** The largest first. */
  categories?: string[];
  /** Images of each category, in all the others, and without a value; counted here where the server does not say. */
  counts?: number[];
  other?: number;
  missing?: number;
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
  imageShape: number[];
  square: [number, number, number];
  levelEnds: number[];
  pages: { width: number; height: number; columns: number; perPage: number; n: number };
  columns: Column[];
  typical: { [group: string]: number[] };
  /** Most groups that the tree can be cut into. */
  nBlocks?: number;
  onGraph: boolean;
  perplexity: number;
  edits: Edits;
}

export interface Points {
  id: Int32Array;
  x: Float32Array;
  y: Float32Array;
}

/** In the order of the page: numbers (NaN: missing), codes of categories (-1: missing), or texts ("": missing). */
export type Values = Float32Array | Int16Array | Int32Array | string[];

/** An export of a folder that goes on. */
export interface Job {
  state: "running" | "done" | "failed" | "cancelled";
  done: number;
  total: number;
  folder?: string | null;
  error?: string | null;
  /** How many links, copies and PNG files it holds, and why. */
  notes?: string[];
}

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
  | { kind: "merge"; groups: number[]; name?: string }
  | { kind: "gather"; ids: number[]; name: string }
  | { kind: "cut"; n: number }
  | { kind: "label"; ids: number[]; label: string }
  | { kind: "mark"; ids: number[]; mark: Mark; on: boolean }
  | { kind: "undo" }
  | { kind: "redo" };
