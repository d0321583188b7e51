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
  /** How many of one kind there are; all zero between calls. */
  private readonly own: Float64Array;
  /** How many of it are about a cell, and what fraction of all there; right for cells that it lies in. */
  private readonly kin: Float64Array;
  private readonly purity: Float64Array;

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
    const n = this.columns * this.lines;
    [this.all, this.own, this.kin, this.purity] = [0, 1, 2, 3].map(() => new Float64Array(n));
    const { x, y, visible } = model;
    const [west, south] = [(this.left + 1) * this.size, (this.bottom + 1) * this.size];
    const [east, north] = [(this.left + this.columns - 1) * this.size, (this.bottom + this.lines - 1) * this.size];
    for (let row = 0; row < model.n; row++) {
      // most rows lie outside when one is near: the fewest steps for them, since this is done while the map moves
      if (!(x[row] >= west && x[row] < east && y[row] >= south && y[row] < north) || !visible[row]) continue;
      const cell = this.cellOf(row);
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
    for (let line = cell - this.columns; line <= cell + this.columns; line += this.columns) sum += counts[line - 1] + counts[line] + counts[line + 1];
    return sum;
  }

  /** The row nearest to a place that lies where its kind is dense and most images about it are of its kind.
   *  Each row stands for `weight` of them. */
  midst(rows: number[], weight: number, x: number, y: number): number {
    const { own, kin, purity } = this;
    const cells = new Int32Array(rows.length);
    const inhabited: number[] = [];
    for (let i = 0; i < rows.length; i++) {
      const cell = (cells[i] = this.cellOf(rows[i]));
      if (cell < 0) continue;
      if (!own[cell]) inhabited.push(cell);
      own[cell] += weight;
    }
    let purest = 0;
    for (const cell of inhabited) {
      kin[cell] = this.about(own, cell);
      purity[cell] = kin[cell] / Math.max(kin[cell], this.about(this.all, cell));
      purest = Math.max(purest, purity[cell]);
    }
    const least = Math.min(OWN, purest);
    let most = 0;
    for (const cell of inhabited) if (purity[cell] >= least) most = Math.max(most, kin[cell]);
    for (const cell of inhabited) own[cell] = 0;
    const nearest = this.nearest(rows, cells, least, DENSE * most, x, y);
    return nearest < 0 ? rows[0] : nearest;
  }

  /** The row nearest to a place in cells that are pure and dense enough; -1 where there is none. */
  private nearest(rows: number[], cells: Int32Array, least: number, dense: number, px: number, py: number): number {
    const { x, y } = this.model;
    let best = -1;
    let distance = Infinity;
    for (let i = 0; i < rows.length; i++) {
      const cell = cells[i];
      if (cell < 0 || this.purity[cell] < least || this.kin[cell] < dense) continue;
      const there = (x[rows[i]] - px) ** 2 + (y[rows[i]] - py) ** 2;
      if (there < distance) [best, distance] = [rows[i], there];
    }
    return best;
  }
}
