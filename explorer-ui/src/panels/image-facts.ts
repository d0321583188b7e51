// The columns of an image as a table: what the edits say first, then the columns of the run.

import { MARKS } from "../data/types";
import { t } from "../i18n/translate";
import { GROUP, LABEL, MARK, nameOfCode } from "../model/columns";
import type { Model } from "../model/model";
import { h } from "../page/dom";

/** Fill a table with the values of the columns of a row. */
export function fillFacts(table: HTMLTableElement, model: Model, row: number, values: { [name: string]: unknown }): void {
  const rows = Object.entries({ ...edited(model, row), ...inOtherRun(model, row), ...withoutGroups(values) });
  table.replaceChildren(...rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row", text: name }), h("td", { text: formatValue(value) }))));
}

function edited(model: Model, row: number): { [name: string]: unknown } {
  const group = model.groupOf(row);
  const marks = MARKS.filter((_, bit) => model.marks[row] & (1 << bit));
  return {
    [t("group")]: group ? model.groupName(group) : t("unsure"),
    ...(marks.length ? { [MARK]: marks.map((mark) => t(mark)).join(", ") } : {}),
    ...(model.label[row] >= 0 ? { [LABEL]: model.edits.labels[model.label[row]] } : {}),
  };
}

/** The group in the run that is compared. */
function inOtherRun(model: Model, row: number): { [name: string]: unknown } {
  const column = model.describe(model.facts.compared?.columns.group ?? "");
  if (!column) return {};
  const code = model.loaded(column.name)![row] as number;
  return { [column.name]: nameOfCode(column.categories!, code) ?? model.nameOfMissing(column) };
}

/** Columns without those that the edits replace. */
function withoutGroups(values: { [name: string]: unknown }): { [name: string]: unknown } {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name !== GROUP && name !== "tree"));
}

/** The text of a value; "–" if it is missing. */
function formatValue(value: unknown): string {
  if (value === null || value === undefined || value === "" || Number.isNaN(value)) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
}
