// The list of groups: names that can be changed, splits and merges along the tree.

import { css } from "./colors";
import { afterTyping, button, h, iconButton } from "./dom";
import type { Editor } from "./edits";
import { t } from "./i18n";
import type { Model } from "./model";
import type { Group } from "./types";

const SELECT = "M8 2.5a5.5 5.5 0 1 0 .01 0M8 7.2a.8.8 0 1 0 .01 0";
const SPLIT = "M8 14.5V8.5L3 2M8 8.5L13 2";
const MERGE = "M3 14L8 7.5L13 14M8 7.5V1.5";

export class Groups {
  readonly element = h("section", { class: "groups", "aria-label": t("groups") });

  constructor(
    private readonly model: Model,
    private readonly editor: Editor | null,
    private readonly look: (rows: number[]) => void,
  ) {
    this.rebuild();
  }

  rebuild(): void {
    if (afterTyping(this.element, () => this.rebuild())) return;
    const { model, editor } = this;
    const list = h("ul", {}, ...model.edits.groups.map((group) => this.row(group)));
    this.element.replaceChildren(
      h("h2", { text: `${t("groups")} (${model.edits.groups.length})` }),
      editor
        ? h(
            "div",
            { class: "buttons" },
            button(t("undo"), () => void editor.send({ kind: "undo" }), { disabled: !model.edits.canUndo, class: "undo" }),
            button(t("redo"), () => void editor.send({ kind: "redo" }), { disabled: !model.edits.canRedo, class: "redo" }),
          )
        : "",
      list,
    );
  }

  private rowsOf(group: Group): number[] {
    const rows: number[] = [];
    this.model.group.forEach((number, row) => number === group.number && rows.push(row));
    return rows;
  }

  private row(group: Group): HTMLElement {
    const { model, editor } = this;
    const swatch = button("", () => this.look(this.rowsOf(group)), {
      class: "swatch",
      "aria-label": t("showGroup", { name: model.groupName(group) }),
      title: t("showGroup", { name: model.groupName(group) }),
    });
    swatch.style.background = css(model.groupColor(group.number));
    const name = h("input", {
      type: "text",
      value: group.name,
      placeholder: `${t("group")} ${group.number}`,
      maxlength: 200,
      disabled: !editor,
      "aria-label": t("rename", { n: group.number }),
      on: {
        change: (event: Event) => {
          const text = (event.target as HTMLInputElement).value.trim();
          if (text !== group.name) void editor?.send({ kind: "name", group: group.number, name: text });
        },
        keydown: (event: KeyboardEvent) => event.key === "Enter" && (event.target as HTMLElement).blur(),
      },
    });
    return h(
      "li",
      { "data-group": group.number },
      swatch,
      name,
      h("span", { class: "size", text: group.size.toLocaleString(document.documentElement.lang) }),
      ...(editor ? this.actions(group) : []),
    );
  }

  private actions(group: Group): HTMLElement[] {
    const { model, editor } = this;
    const select = iconButton(SELECT, t("selectGroup"), () => model.select(this.rowsOf(group)), { "data-act": "select" });
    if (!model.facts.onGraph) return [select];
    const split = iconButton(SPLIT, t("split"), () => void editor!.send({ kind: "split", group: group.number }), { "data-act": "split" });
    const other = this.nextInTree(group);
    const join = (): void => void editor!.send({ kind: "merge", groups: [group.number, other!.number] });
    const merge = iconButton(MERGE, t("merge"), join, { disabled: !other, "data-act": "merge" });
    return [select, split, merge];
  }

  /** The group with which this one has the longest way from the root in common. */
  private nextInTree(group: Group): Group | null {
    let best: Group | null = null;
    let longest = -1;
    for (const other of this.model.edits.groups) {
      if (other === group) continue;
      let common = 0;
      while (common < other.tree.length && other.tree[common] === group.tree[common]) common += 1;
      if (common > longest) [best, longest] = [other, common];
    }
    return best;
  }
}
