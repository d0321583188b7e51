// Which images the grid shows, in which order, and in which sections.

import type { Server } from "../data/server";
import { nameOfCode } from "../model/columns";
import type { Model } from "../model/model";
import type { Section } from "./grid-lines";
import { distancesToCenter, orderRows, sortKeys, type SortPass } from "./row-order";

/** Orders that are no columns. */
export const FILE_ORDER = "";
export const TYPICALITY = "\u0000typicality";
export const SIMILARITY = "\u0000similarity";

/** How the grid is sorted; `divideBy` is a column of categories, or "" for no sections. */
export interface OrderChoice {
  sortBy: string;
  isDescending: boolean;
  divideBy: string;
  /** The image that others are similar to. */
  similarTo: number;
}

export class GridOrder {
  /** All rows in the order that was last asked for. */
  private order: Int32Array<ArrayBuffer> = new Int32Array(0);
  private orderedFor = "";

  constructor(private readonly model: Model) {}

  /** Sort all rows again when they are next asked for. */
  forget(): void {
    this.orderedFor = "";
  }

  /** All rows in an order. It is kept, so that other rows to show, as after a move of the map, need no sorting. */
  async rows(choice: OrderChoice): Promise<Int32Array<ArrayBuffer>> {
    const wanted = JSON.stringify([choice, this.model.edits.revision, choice.sortBy === SIMILARITY ? this.model.weights.text : ""]);
    if (wanted !== this.orderedFor) {
      this.order = orderRows(this.model, await this.passes(choice));
      this.orderedFor = wanted;
    }
    return this.order;
  }

  private async passes({ sortBy, isDescending, divideBy, similarTo }: OrderChoice): Promise<SortPass[]> {
    const { model } = this;
    const passes: SortPass[] = [];
    if (sortBy === FILE_ORDER && isDescending) passes.push({ keys: model.points.id, isDescending });
    else if (sortBy === TYPICALITY) passes.push({ keys: distancesToCenter(model), isDescending });
    else if (sortBy === SIMILARITY) passes.push({ keys: await (model.source as Server).distances(similarTo, model.weights.text), isDescending });
    else if (sortBy !== FILE_ORDER) {
      // images of equal confidence: those nearer to the centre of their group are more typical
      if (sortBy === "confidence") passes.push({ keys: distancesToCenter(model), isDescending: !isDescending });
      passes.push(...(await this.passOf(sortBy, isDescending)));
    }
    passes.push(...(await this.passOf(divideBy, false)));
    return passes;
  }

  /** The pass of a column; none if there is no such column, as after an undo of the last label. */
  private async passOf(name: string, isDescending: boolean): Promise<SortPass[]> {
    const column = this.model.describe(name);
    return column ? [{ keys: sortKeys(column, await this.model.column(name)), isDescending }] : [];
  }

  /** Sections of rows that are in the order of a column of categories. */
  sections(rows: Int32Array, divideBy: string): Section[] {
    const { model } = this;
    const column = model.describe(divideBy);
    const values = model.loaded(divideBy);
    if (!rows.length) return [];
    if (!column || !values) return [{ title: "", start: 0, end: rows.length }];
    const sections: Section[] = [];
    for (let at = 0; at < rows.length; at++) {
      const code = Math.min(values[rows[at]] as number, column.categories!.length);
      if (at > 0 && code === Math.min(values[rows[at - 1]] as number, column.categories!.length)) continue;
      if (sections.length) sections[sections.length - 1].end = at;
      sections.push({ title: nameOfCode(column.categories!, code) ?? model.nameOfMissing(column), start: at, end: rows.length });
    }
    return sections;
  }
}
