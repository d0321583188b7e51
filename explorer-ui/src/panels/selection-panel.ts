// The selection: its size and groups, with actions to show it in the grid, and to label, mark, group and export it.

import type { Editor } from "../data/editor";
import { Server } from "../data/server";
import { MARKS } from "../data/types";
import { t } from "../i18n/translate";
import { css } from "../model/colors";
import type { Model } from "../model/model";
import { button, h } from "../page/dom";
import { ChooseImages } from "./choose-images";
import { ExportPanel } from "./export-panel";
import { LabelList } from "./label-list";
import { openImage } from "./lightbox";

const MAX_GROUPS = 10; // listed in the composition
const MAX_NAME_LENGTH = 200;

export class SelectionPanel {
  readonly element = h("section", { class: "selection", "aria-label": t("selection") });
  private readonly count = h("p", { "aria-live": "polite", class: "count" });
  private readonly buttons = h("div", { class: "buttons" });
  private readonly editing = h("div");
  private readonly composition = h("div");
  /** Existing labels, as suggestions. */
  private readonly suggestions = h("datalist", { id: "labels" });
  private rows: number[] = [];
  private readonly labels: LabelList | null = null;

  constructor(
    private readonly model: Model,
    private readonly editor: Editor | null,
    private readonly showGrid: () => void,
    private readonly zoomTo: (rows: number[]) => void,
    say: (text: string, time?: number) => void,
    colorBy: (name: string) => void,
  ) {
    const { source } = model;
    const exports = editor && source instanceof Server ? new ExportPanel(model, source, say).element : "";
    const choosing = editor && source instanceof Server ? new ChooseImages(model, source, editor, openImage, say).element : "";
    if (editor) this.labels = new LabelList(model, editor, say, colorBy);
    this.element.append(h("h2", { text: t("selection") }), this.count, this.buttons, this.editing, exports, this.composition, choosing);
    this.element.append(this.labels?.element ?? "", this.suggestions);
    this.rebuild();
  }

  rebuild(): void {
    const { model, editor, labels } = this;
    const rows = model.selectedRows();
    const isAny = rows.length > 0;
    this.count.textContent = isAny ? t("selected", { n: rows.length }) : t("nothingSelected");
    this.buttons.replaceChildren(
      button(t("clear"), () => model.select([]), { disabled: !isAny, "aria-label": t("clearSelection") }),
      button(t("zoomTo"), () => this.zoomTo(rows), { disabled: !isAny }),
      button(t("showInGrid"), this.showGrid, { disabled: !isAny, class: "show-grid" }),
    );
    const isSame = rows.length === this.rows.length && rows.every((row, i) => row === this.rows[i]);
    this.rows = rows;
    if (!isSame || !this.editing.contains(document.activeElement)) {
      this.editing.replaceChildren(...(isAny && editor ? this.edits(editor, model.idsOf(rows)) : [])); // keep a field that is being typed in
    }
    this.composition.replaceChildren(...(isAny ? this.groups(rows) : []));
    this.suggestions.replaceChildren(...model.edits.labels.map((name) => h("option", { value: name })));
    labels?.rebuild();
  }

  private groups(rows: number[]): HTMLElement[] {
    const { model } = this;
    const counts = new Map<number, number>();
    for (const row of rows) counts.set(model.group[row], (counts.get(model.group[row]) ?? 0) + 1);
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    const bars = sorted.slice(0, MAX_GROUPS).map(([number, count]) => {
      const group = model.edits.groups.find((one) => one.number === number);
      const name = group ? model.groupName(group) : t("unsure");
      const bar = h("span", { class: "bar" });
      bar.style.width = `${(100 * count) / rows.length}%`;
      bar.style.background = css(model.groupColor(number));
      const size = h("span", { text: count.toLocaleString(document.documentElement.lang) });
      return h("li", {}, h("span", { class: "name", text: name, title: name }), bar, size);
    });
    const more = sorted.length - bars.length;
    return [
      h("h3", { text: t("composition") }),
      h("ul", { class: "composition" }, ...bars),
      ...(more > 0 ? [h("p", { class: "hint", text: t("more", { n: more }) })] : []),
    ];
  }

  private edits(editor: Editor, ids: number[]): HTMLElement[] {
    const input = h("input", { type: "text", maxlength: MAX_NAME_LENGTH, list: "labels", "aria-label": t("labelSelection"), placeholder: t("labelSelection") });
    const apply = (): void => {
      if (input.value.trim()) void editor.send({ kind: "label", ids, label: input.value.trim() });
    };
    input.addEventListener("keydown", (event) => event.key === "Enter" && apply());
    const marks = [true, false].map((on) =>
      h(
        "div",
        { class: "buttons marks" },
        h("span", { class: "quiet", text: t(on ? "mark" : "unmark") }),
        ...MARKS.map((mark) => {
          const name = { "aria-label": `${t(on ? "mark" : "unmark")}: ${t(mark)}`, class: "small", [on ? "data-mark" : "data-unmark"]: mark };
          return button(t(mark), () => void editor.send({ kind: "mark", ids, mark, on }), name);
        }),
      ),
    );
    return [
      h("div", { class: "buttons label-form" }, input, button(t("apply"), apply), button(t("removeLabel"), () => void editor.send({ kind: "label", ids, label: "" }))),
      this.gather(editor, ids),
      ...marks,
    ];
  }

  /** A form that makes a group of the selection. */
  private gather(editor: Editor, ids: number[]): HTMLElement {
    const name = h("input", { type: "text", maxlength: MAX_NAME_LENGTH, "aria-label": t("gatherName"), placeholder: t("gatherName") });
    const gather = (): void => {
      name.blur(); // typing has ended
      void editor.send({ kind: "gather", ids, name: name.value.trim() });
    };
    name.addEventListener("keydown", (event) => event.key === "Enter" && gather());
    return h(
      "details",
      { class: "gather" },
      h("summary", { text: t("gather", { n: ids.length }) }),
      h("div", { class: "buttons label-form" }, name, button(t("gatherDo"), gather, { class: "gather-do" })),
    );
  }
}
