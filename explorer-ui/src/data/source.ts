// Where the page's data comes from: the server, a folder of static files, or the page itself if it was saved as one file.

import { tableFromIPC } from "@uwdata/flechette";
import type { EditedColumns, Facts, Neighbor, Points, Values } from "./types";

export interface Source {
  /** The colours by which channels are mixed to pictures, where they can be changed. */
  readonly mix?: string;
  facts(): Promise<Facts>;
  points(): Promise<Points>;
  column(name: string): Promise<Values>;
  edited(): Promise<EditedColumns>;
  spriteSheet(number: number): Promise<ImageBitmap>;
  /** Up to `n` nearest neighbours of an image, nearest first; by other weights of the kinds of features unless `weights` is "". */
  neighbors(id: number, n: number, weights: string): Promise<Neighbor[]>;
  /** Whether rows, and the values of columns, are filled in as they are loaded. */
  readonly isPartial?: boolean;
  /** The place of a row in the zoom order, where it is not the row. */
  placeOf?(row: number): number;
  /** The row of an image, loaded if needed; -1 if there is none. */
  find?(id: number): Promise<number>;
}

export const MAX_NEIGHBORS = 100; // limit of the server

/** Columns of an Arrow table by name. */
export type ArrowColumns = (name: string) => any;

/** Parse an Arrow stream. */
export function arrowColumns(data: ArrayBuffer | Uint8Array): ArrowColumns {
  const table = tableFromIPC(data instanceof Uint8Array ? data : new Uint8Array(data));
  return (name) => table.getChild(name)!.toArray();
}

export function parsePoints(data: ArrayBuffer | Uint8Array): Points {
  const column = arrowColumns(data);
  return { id: column("id"), x: column("x"), y: column("y") };
}

export function parseEdited(data: ArrayBuffer | Uint8Array): EditedColumns {
  const column = arrowColumns(data);
  return { group: column("group"), label: column("label"), marks: column("marks") };
}

export const decodeImage = (data: Blob): Promise<ImageBitmap> => createImageBitmap(data, { premultiplyAlpha: "none" });
