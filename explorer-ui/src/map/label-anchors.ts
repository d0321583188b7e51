// Finds positions for labels: where the images of a group are dense and few other images lie. Images are counted in the
// cells of a grid that is fixed to the map.

import type { Model } from "../model/model";
import type { Camera } from "./camera";

const CELL = 24; // approximate side of a cell on the screen, in pixels
const MIN_PURITY = 0.8; // fraction of the images around an anchor that belong to the group
const MIN_DENSITY = 0.3; // fraction of the maximum density of the group

export class LabelAnchors {
  private readonly size: number;
  private readonly left: number;
  private readonly bottom: number;
  private readonly columns: number;
  private readonly lines: number;
  private readonly all: Float64Array;
  /** Images of one group in each cell; all zero between calls. */
  private readonly own: Float64Array;
  /** Images of the group around each cell, and their fraction of all images there; valid for cells that contain the group. */
  private readonly density: Float64Array;
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
    [this.all, this.own, this.density, this.purity] = [0, 1, 2, 3].map(() => new Float64Array(n));
    const { x, y, visible } = model;
    const [west, south] = [(this.left + 1) * this.size, (this.bottom + 1) * this.size];
    const [east, north] = [(this.left + this.columns - 1) * this.size, (this.bottom + this.lines - 1) * this.size];
    for (let row = 0; row < model.n; row++) {
      // this runs while the map moves: reject the rows out of view first
      if (!(x[row] >= west && x[row] < east && y[row] >= south && y[row] < north) || !visible[row]) continue;
      const cell = this.cellOf(row);
      if (cell >= 0) this.all[cell] += 1;
    }
  }

  /** Cell of a row; -1 out of view and in the outermost cells, which lack neighbours. */
  private cellOf(row: number): number {
    const column = Math.floor(this.model.x[row] / this.size) - this.left;
    const line = Math.floor(this.model.y[row] / this.size) - this.bottom;
    const isInside = column > 0 && column < this.columns - 1 && line > 0 && line < this.lines - 1;
    return isInside ? line * this.columns + column : -1;
  }

  /** Sum over a cell and the eight around it. */
  private sumAround(counts: Float64Array, cell: number): number {
    let sum = 0;
    for (let line = cell - this.columns; line <= cell + this.columns; line += this.columns) sum += counts[line - 1] + counts[line] + counts[line + 1];
    return sum;
  }

  /** Of the rows where the group is dense and pure, the one nearest to a position. Each row stands for `weight` rows of the group. */
  anchorOf(rows: number[], weight: number, x: number, y: number): number {
    const { own, density, purity } = this;
    const cells = new Int32Array(rows.length);
    const occupied: number[] = [];
    for (let i = 0; i < rows.length; i++) {
      const cell = (cells[i] = this.cellOf(rows[i]));
      if (cell < 0) continue;
      if (!own[cell]) occupied.push(cell);
      own[cell] += weight;
    }
    let purest = 0;
    for (const cell of occupied) {
      density[cell] = this.sumAround(own, cell);
      purity[cell] = density[cell] / Math.max(density[cell], this.sumAround(this.all, cell));
      purest = Math.max(purest, purity[cell]);
    }
    const minPurity = Math.min(MIN_PURITY, purest);
    let densest = 0;
    for (const cell of occupied) if (purity[cell] >= minPurity) densest = Math.max(densest, density[cell]);
    for (const cell of occupied) own[cell] = 0;
    const nearest = this.nearest(rows, cells, minPurity, MIN_DENSITY * densest, x, y);
    return nearest < 0 ? rows[0] : nearest;
  }

  /** The row nearest to a position in cells that are pure and dense enough; -1 if there is none. */
  private nearest(rows: number[], cells: Int32Array, minPurity: number, minDensity: number, px: number, py: number): number {
    const { x, y } = this.model;
    let best = -1;
    let distance = Infinity;
    for (let i = 0; i < rows.length; i++) {
      const cell = cells[i];
      if (cell < 0 || this.purity[cell] < minPurity || this.density[cell] < minDensity) continue;
      const there = (x[rows[i]] - px) ** 2 + (y[rows[i]] - py) ** 2;
      if (there < distance) [best, distance] = [rows[i], there];
    }
    return best;
  }
}
