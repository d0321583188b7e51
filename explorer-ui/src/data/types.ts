// Data of a run as the server sends it.

export interface Column {
  name: string;
  kind: "number" | "category" | "text";
  low?: number;
  high?: number;
  /** Names of the categories, the largest first. */
  categories?: string[];
  /** Images in each category, in the other categories, and without a value; counted by the page once the values are loaded. */
  counts?: number[];
  other?: number;
  missing?: number;
  /** Key of each category in filters, for categories whose names may change. */
  keys?: string[];
  /** Palette index of each category, below 0 for grey; by default their order. */
  slots?: number[];
  /** Name of the images without a value. */
  missingName?: string;
}

/** A group of another run; `partner` is the group of this run that it stands for, and the number of no group is -1. */
export interface ComparedGroup {
  number: number;
  name: string;
  partner: number | null;
}

/** Another run of the same images, as it was when the explorer was started. */
export interface ComparedFacts {
  key: string;
  name: string;
  matchedBy: "content" | "path" | "vector" | "id";
  measures: {
    nCommon: number;
    nAbsent: number; // images of this run only
    nOnlyOther: number;
    nChanged: number;
    ari: number | null;
    nmi: number | null;
    sharedNeighbors: number | null;
    sharedOnMap: number | null;
  };
  groups: ComparedGroup[];
  /** Names of the columns that the page makes. */
  columns: { changed: string; group: string };
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
  /** Number of images with each mark. */
  marked: { [mark: string]: number };
  /** Number of images of each kind of issue on which nothing was decided yet. */
  openIssues?: { [issue: string]: number };
  canUndo: boolean;
  canRedo: boolean;
  /** Number of saved edits without effect. */
  nSetAside: number;
}

/** An edit of the journal, with the number of its images instead of their ids. */
export type PastEdit = (
  | { kind: "name"; group: number; name: string }
  | { kind: "split"; group: number }
  | { kind: "merge"; groups: number[]; name?: string }
  | { kind: "gather"; name: string }
  | { kind: "cut"; n: number }
  | { kind: "label"; label: string }
  | { kind: "mark"; mark: Mark; on: boolean }
  | { kind: "review"; issue: string; verdict: Verdict }
  | { kind: "undo" | "redo"; of?: number }
) & {
  /** The revision that the edit made. */
  revision: number;
  /** The author; null if the journal does not say. */
  user: string | null;
  /** In ISO 8601, or null. */
  time: string | null;
  n_images?: number;
  /** False for edits that were undone or have no effect. */
  in_effect: boolean;
};

/** Edits as the server sends them while the page is open: with the version of the run, the author here and the last edits. */
export interface SharedEdits extends Edits {
  version: string;
  user: string;
  history: PastEdit[];
}

/** How a channel is shown: its colour (#rrggbb) at full light, and a factor of it. */
export interface ChannelLook {
  color: string;
  visible: boolean;
  brightness: number;
}

export interface ChannelOfRun extends ChannelLook {
  name: string;
  /** The values that became 0 and 255. */
  low: number;
  high: number;
  /** The look that the data chose. */
  own: ChannelLook;
}

export interface Facts {
  name: string;
  source: string;
  version: string;
  n: number;
  imageShape: number[];
  /** Left, bottom and side of the square that contains all points. */
  square: [number, number, number];
  /** End of each level of the zoom order. */
  levelEnds: number[];
  /** Layout of the sprite sheets: size of a thumbnail, columns of a sheet, thumbnails per sheet, number of sheets. */
  pages: { width: number; height: number; columns: number; perPage: number; n: number };
  columns: Column[];
  /** Ids of typical images of each group. */
  typical: { [group: string]: number[] };
  /** Maximum number of groups that the tree can be cut into. */
  nBlocks?: number;
  /** Numbers of groups that the images support, that of the run first. */
  cuts?: { n: number; stability: number }[];
  /** Whether groups are found on the graph of neighbours; only then is there a tree to split and cut. */
  onGraph: boolean;
  /** Whether vectors can be decoded, whether those of other images can be computed, and whether the points have pictures. */
  hasDecoder: boolean;
  hasEncoder: boolean;
  hasPictures: boolean;
  /** Whether the sender of the request may change the run; not on a page that was saved as one file. */
  canEdit?: boolean;
  perplexity: number;
  /** Suffixes of the files whose images are spectrograms. */
  soundSuffixes?: string[];
  /** Weights of the kinds of features that the data chose; none if neighbours are found by latent vectors. */
  weights: { [kind: string]: number };
  /** The channels of images that are neither grey nor in colour. */
  channels?: ChannelOfRun[];
  /** The run that is shown beside this one. */
  compared?: ComparedFacts;
  edits: Edits;
  /** The layout of a folder of static files. */
  site?: SiteLayout;
  /** Number of images, if `n` is that of the rows that the page has room for. */
  nImages?: number;
  /** Median distance to the nearest other image, if not all rows may be loaded. */
  spacing?: number;
  /** Images in each category of the columns that derive from the edits, and without one, if not all rows may be loaded. */
  counts?: { [column: string]: { counts: number[]; missing: number } };
}

/** The files of a folder of static files. */
export interface SiteLayout {
  /** Rows in a file of points, of a text column, and of neighbours. */
  rows: number;
  textRows: number;
  neighborRows: number;
  /** Rows up to which all are loaded, rows of the even sample of more, and files in view that are kept besides it. */
  maxLoaded: number;
  maxSample: number;
  tiles: number;
  /** Left, bottom, right and top of the points of each file. */
  boxes: [number, number, number, number][];
  /** Number of neighbours of each image. */
  neighbors: number;
  /** Rows in a file of latent vectors, and the pixel that stands for 1; only in a folder with a decoder. */
  decoder?: { rows: number; largest: number };
  spacing: number;
  counts: { [column: string]: { counts: number[]; missing: number } };
}

/** Points by row; the id of a row that is not loaded is -1, and its position NaN. */
export interface Points {
  id: Int32Array;
  x: Float32Array;
  y: Float32Array;
  /** Row of each id (-1: not loaded), if not all rows may be loaded. */
  rowOf?: Int32Array;
}

/** Values by row: numbers (NaN: missing), codes of categories (-1: missing), or texts ("": missing). */
export type Values = Float32Array | Int16Array | Int32Array | string[];

/** A word that is more frequent in a group: the fraction of the group that has it, and that divided by the fraction of all images. */
export interface GroupWord {
  text: string;
  column: string;
  coverage: number;
  lift: number;
}

/** What was decided on an issue. */
export type Verdict = "open" | "accepted" | "dismissed";

/** An issue that the audit found; the score of the worst is 0. */
export interface Issue {
  id: number;
  score: number;
  /** Another image that it is about. */
  related: number | null;
  note: string | null;
}

/** Progress of the export of a folder. */
export interface ExportJob {
  state: "running" | "done" | "failed" | "cancelled";
  done: number;
  total: number;
  folder?: string | null;
  error?: string | null;
  /** Numbers of links, copies and PNG files, and reasons. */
  notes?: string[];
  /** Whether the folder can be downloaded. */
  zip?: boolean;
}

export interface EditedColumns {
  group: Int32Array;
  label: Int32Array;
  marks: Uint8Array;
}

export interface Neighbor {
  id: number;
  distance: number;
  fractions?: { [kind: string]: number }; // of each kind of feature in the squared distance
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
  | { kind: "review"; ids: number[]; issue: string; verdict: Verdict }
  | { kind: "undo" }
  | { kind: "redo" };
