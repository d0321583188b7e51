// The images nearest in latent space, from the server or as they were saved with the page.

import type { Source } from "./source";
import { Saved, Server } from "./source";
import type { Neighbor } from "./types";

export const ASKED = 100; // the most that the server gives

export async function neighborsOf(source: Source, id: number, n: number): Promise<Neighbor[]> {
  if (source instanceof Server) return ((await source.json(`api/images/${id}/neighbors?n=${n}`)) as { neighbors: Neighbor[] }).neighbors;
  return source instanceof Saved ? (await source.neighbors(id)).slice(0, n) : [];
}
