// The labels and their numbers of images, with actions to select, rename, remove and spread them.

import type { Editor } from "../data/editor";
import { errorMessage } from "../data/error-message";
import { t } from "../i18n/translate";
import { LABEL } from "../model/columns";
import type { Model } from "../model/model";
import { askToConfirm } from "../page/confirmation";
import { deferWhileTyping, button, h, iconButton } from "../page/dom";

const SELECT = "M8 2.5a5.5 5.5 0 1 0 .01 0M8 7.2a.8.8 0 1 0 .01 0";
const REMOVE = "M4 4l8 8M12 4l-8 8";
const MAX_NAME_LENGTH = 200;
const MESSAGE_TIME = 15_000; // milliseconds

export class LabelList {
  readonly element = h("section", { class: "label-list", "aria-label": t("labels") });

  constructor(
    private readonly model: Model,
    private readonly editor: Editor,
    private readonly say: (text: string, time?: number) => void,
    private readonly colorBy: (name: string) => void,
  ) {
    this.rebuild();
  }

  rebuild(): void {
    if (deferWhileTyping(this.element, () => this.rebuild())) return;
    const { model } = this;
    const counts = model.describe(LABEL)?.counts ?? [];
    const used = model.edits.labels.map((name, code) => ({ name, code, n: counts[code] ?? 0 })).filter(({ n }) => n);
    this.element.hidden = !used.length;
    this.element.replaceChildren(
      h("h3", { text: t("labels") }),
      h("ul", {}, ...used.map(({ name, code, n }) => this.row(name, code, n))),
      h("div", { class: "buttons" }, button(t("spread"), () => void this.spread(used), { class: "spread" })),
    );
  }

  private rowsOf(code: number): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.model.n; row++) if (this.model.label[row] === code) rows.push(row);
    return rows;
  }

  private row(name: string, code: number, n: number): HTMLElement {
    const { model, editor } = this;
    const ids = (): number[] => model.idsOf(this.rowsOf(code));
    const input = h("input", { type: "text", value: name, maxlength: MAX_NAME_LENGTH, "aria-label": t("renameLabel", { name }) });
    input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur());
    input.addEventListener("change", () => {
      const label = input.value.trim();
      if (!label) input.value = name; // removing is a separate button
      else if (label !== name) void editor.send({ kind: "label", ids: ids(), label });
    });
    const remove = async (): Promise<void> => {
      if (await askToConfirm(t("removeLabelAsk", { name, n }), t("remove"))) void editor.send({ kind: "label", ids: ids(), label: "" });
    };
    return h(
      "li",
      { "data-label": name },
      input,
      h("span", { class: "size", text: n.toLocaleString(document.documentElement.lang) }),
      iconButton(SELECT, t("selectLabel", { name }), () => model.select(this.rowsOf(code)), { "data-act": "select" }),
      iconButton(REMOVE, t("removeLabelOf", { name, n }), () => void remove(), { "data-act": "remove" }),
    );
  }

  /** Spread the labels to all images, after confirmation if there is only one label. */
  private async spread(used: { name: string }[]): Promise<void> {
    const total = this.model.n;
    if (used.length === 1 && !(await askToConfirm(t("spreadOne", { name: used[0].name, total }), t("spreadAnyway", { total })))) return;
    try {
      const found = (await (await this.editor.spread()).json()) as { labels: string[]; counts: number[]; codes: number[] };
      const name = t("spreadLabel");
      this.model.addColumn({ name, kind: "category", categories: found.labels }, Int32Array.from(found.codes));
      this.colorBy(name);
      const lang = document.documentElement.lang;
      this.say(t("spreadDone", { counts: found.labels.map((label, i) => `${label}: ${found.counts[i].toLocaleString(lang)}`).join(", ") }), MESSAGE_TIME);
    } catch (error) {
      this.say(errorMessage(error));
    }
  }
}
