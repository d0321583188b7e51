// Who lies where in a view: how many images there are in each cell of a grid that stays with the map.

import type { Camera } from "./camera";
import type { Model } from "./model";

const CELL = 24; // side of a cell on the screen, in pixels, about
const OWN = 0.8; // fraction of the images about a place from which it belongs to a group
const DENSE = 0.3; // fraction of the largest number about a place that is dense as well

export class Crowd {
  private readonly size: number;
  private readonly left: number;
  private readonly bottom: number;
  private readonly columns: number;
  private readonly lines: number;
  private readonly all: Float64Array;

  constructor(
    private readonly model: Model,
    camera: Camera,
  ) {
    const [left, bottom, right, top] = camera.bounds();
    this.size = 2 ** Math.round(Math.log2(CELL / camera.scale));
    this.left = Math.floor(left / this.size) - 1;
    this.bottom = Math.floor(bottom / this.size) - 1;
    this.columns = Math.ceil(right / this.size) - this.left + 2;
    this.lines = Math.ceil(top / this.size) - this.bottom + 2;
    this.all = new Float64Array(this.columns * this.lines);
    for (let row = 0; row < model.n; row++) {
      const cell = model.visible[row] ? this.cellOf(row) : -1;
      if (cell >= 0) this.all[cell] += 1;
    }
  }

  /** The cell of a row; -1 for what lies outside and at the rim, where neighbours are missing. */
  private cellOf(row: number): number {
    const column = Math.floor(this.model.x[row] / this.size) - this.left;
    const line = Math.floor(this.model.y[row] / this.size) - this.bottom;
    const isInside = column > 0 && column < this.columns - 1 && line > 0 && line < this.lines - 1;
    return isInside ? line * this.columns + column : -1;
  }

  /** The sum over a cell and those round it. */
  private about(counts: Float64Array, cell: number): number {
    let sum = 0;
    for (const line of [cell - this.columns, cell, cell + this.columns]) sum += counts[line - 1] + counts[line] + counts[line + 1];
    return sum;
  }

  /** The row nearest to a place that lies where its kind is dense and most images about it are of its kind.
   *  Each row stands for `weight` of them. */
  midst(rows: number[], weight: number, x: number, y: number): number {
    const { model } = this;
    const own = new Float64Array(this.all.length);
    const cells = rows.map((row) => this.cellOf(row));
    for (const cell of cells) if (cell >= 0) own[cell] += weight;
    const sums = new Map<number, [number, number]>(); // its kind about each cell, and the fraction that it is
    let most = 0;
    let purest = 0;
    for (const cell of new Set(cells)) {
      if (cell < 0) continue;
      const kin = this.about(own, cell);
      const purity = kin / Math.max(kin, this.about(this.all, cell));
      sums.set(cell, [kin, purity]);
      purest = Math.max(purest, purity);
    }
    const least = Math.min(OWN, purest);
    for (const [kin, purity] of sums.values()) if (purity >= least) most = Math.max(most, kin);
    let best = rows[0];
    let distance = Infinity;
    rows.forEach((row, i) => {
      const [kin, purity] = sums.get(cells[i]) ?? [0, -1];
      const there = Math.hypot(model.x[row] - x, model.y[row] - y);
      if (purity < least || kin < DENSE * most || there >= distance) return;
      [best, distance] = [row, there];
    });
    return best;
  }
}
