// Going from an image to the nearest one that was not visited yet, and back.

import type { Model } from "./model";
import { ASKED, neighborsOf } from "./neighbors";

export class Walk {
  /** Rows in the order in which they were visited; the last is where one is. */
  private trail: number[] = [];
  private readonly visited = new Set<number>();

  constructor(private readonly model: Model) {}

  /** Note where one is; a place that one did not walk to begins a new walk. */
  private begin(row: number): void {
    if (this.trail[this.trail.length - 1] === row) return;
    this.trail = [row];
    this.visited.clear();
    this.visited.add(row);
  }

  /** The nearest image that is shown and was not visited; -1 when there is none. */
  async next(row: number): Promise<number> {
    this.begin(row);
    const found = (await this.neighborsOf(row)).find((other) => this.isNew(other)) ?? this.nearestOnMap(row);
    if (found >= 0) {
      this.trail.push(found);
      this.visited.add(found);
    }
    return found;
  }

  /** Where one came from; -1 at the beginning. */
  back(row: number): number {
    if (this.trail.length < 2 || this.trail[this.trail.length - 1] !== row) return -1;
    this.trail.pop();
    return this.trail[this.trail.length - 1];
  }

  private isNew(row: number): boolean {
    return this.model.visible[row] === 1 && !this.visited.has(row);
  }

  private async neighborsOf(row: number): Promise<number[]> {
    const { source, points, rowOf } = this.model;
    return (await neighborsOf(source, points.id[row], ASKED)).map(({ id }) => rowOf[id]);
  }

  /** Where all neighbours were visited, or none are known. */
  private nearestOnMap(row: number): number {
    const { model } = this;
    const { x, y, n } = model;
    let [best, least] = [-1, Infinity];
    for (let other = 0; other < n; other++) {
      const distance = (x[other] - x[row]) ** 2 + (y[other] - y[row]) ** 2;
      if (distance < least && this.isNew(other)) [best, least] = [other, distance];
    }
    return best;
  }
}
