// Steps from an image to its nearest neighbour that was not visited yet, and back.

import { MAX_NEIGHBORS } from "../data/source";
import type { Model } from "../model/model";

export class NeighborWalk {
  /** Visited rows in order; the last is the current one. */
  private trail: number[] = [];
  private readonly visited = new Set<number>();

  constructor(private readonly model: Model) {}

  /** Start a new walk if the current row was not reached by walking. */
  private startAt(row: number): void {
    if (this.trail[this.trail.length - 1] === row) return;
    this.trail = [row];
    this.visited.clear();
    this.visited.add(row);
  }

  /** Step to the nearest visible image that was not visited; -1 if there is none. */
  async next(row: number): Promise<number> {
    this.startAt(row);
    const found = (await this.neighborsOf(row)).find((other) => this.isNew(other)) ?? this.nearestOnMap(row);
    if (found >= 0) {
      this.trail.push(found);
      this.visited.add(found);
    }
    return found;
  }

  /** Step back; -1 at the start of the walk. */
  back(row: number): number {
    if (this.trail.length < 2 || this.trail[this.trail.length - 1] !== row) return -1;
    this.trail.pop();
    return this.trail[this.trail.length - 1];
  }

  private isNew(row: number): boolean {
    return this.model.visible[row] === 1 && !this.visited.has(row);
  }

  private async neighborsOf(row: number): Promise<number[]> {
    const { source, points, rowOf, weights } = this.model;
    return (await source.neighbors(points.id[row], MAX_NEIGHBORS, weights.text)).map(({ id }) => rowOf[id]);
  }

  /** Fallback if all neighbours were visited, or none are known. */
  private nearestOnMap(row: number): number {
    const { x, y, n } = this.model;
    let [best, least] = [-1, Infinity];
    for (let other = 0; other < n; other++) {
      const distance = (x[other] - x[row]) ** 2 + (y[other] - y[row]) ** 2;
      if (distance < least && this.isNew(other)) [best, least] = [other, distance];
    }
    return best;
  }
}
