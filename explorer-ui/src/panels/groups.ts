// The list of groups: rename, split and merge groups, and cut the tree into another number of groups.

import type { Editor } from "../data/editor";
import { Latest } from "../data/latest";
import { Server } from "../data/server";
import type { Group } from "../data/types";
import { t } from "../i18n/translate";
import { categoryColor, css, N_COLORS, type Rgb } from "../model/colors";
import type { Model } from "../model/model";
import { deferWhileTyping, button, h, iconButton } from "../page/dom";
import { proposeNames } from "./name-proposals";

const SELECT = "M8 2.5a5.5 5.5 0 1 0 .01 0M8 7.2a.8.8 0 1 0 .01 0";
const SPLIT = "M8 14.5V8.5L3 2M8 8.5L13 2";
const MERGE = "M3 14L8 7.5L13 14M8 7.5V1.5";
const MAX_NAME_LENGTH = 200;
const OPEN_CUT_UP_TO = 2; // groups up to which the control for cutting is open
const MAX_CUT_GROUPS = 60; // limit of the slider
const PREVIEW_DELAY = 80; // milliseconds after the slider moved

export class Groups {
  readonly element = h("section", { class: "groups", "aria-label": t("groups") });
  /** The group to merge, and the partners chosen so far. */
  private merging: { group: number; partners: Set<number> } | null = null;
  /** Revision after the last cut made here; -1 if there was none. */
  private cutAt = -1;
  /** Colours the map by the groups that a cut would make, until the edit is made or the slider is back. */
  private readonly preview = new Latest<ArrayLike<number>>(
    (group) => this.showPreview((row) => categoryColor(group[row])),
    () => this.showPreview(null),
  );
  private isPreviewed = false;

  constructor(
    private readonly model: Model,
    private readonly editor: Editor | null,
    private readonly zoomTo: (rows: number[]) => void,
  ) {
    this.rebuild();
  }

  rebuild(): void {
    if (deferWhileTyping(this.element, () => this.rebuild())) return;
    this.endPreview();
    const { model, editor } = this;
    const { groups } = model.edits;
    if (this.merging && !this.find(this.merging.group)) this.merging = null; // the group no longer exists
    const rows = groups.flatMap((group) => [this.row(group), ...(this.merging?.group === group.number ? [this.partners(group)] : [])]);
    this.element.replaceChildren(
      h("h2", { text: `${t("groups")} (${groups.length})` }),
      editor
        ? h(
            "div",
            { class: "buttons" },
            button(t("undo"), () => void editor.send({ kind: "undo" }), { disabled: !model.edits.canUndo, class: "undo" }),
            button(t("redo"), () => void editor.send({ kind: "redo" }), { disabled: !model.edits.canRedo, class: "redo" }),
          )
        : "",
      h("ul", { class: "group-list" }, ...rows),
      groups.length > N_COLORS ? h("p", { class: "hint", text: t("colorsRepeat", { n: N_COLORS }) }) : "",
      this.cut(),
      model.edits.nSetAside ? h("p", { class: "hint set-aside", text: t("setAside", { n: model.edits.nSetAside }) }) : "",
    );
  }

  private find(number: number): Group | undefined {
    return this.model.edits.groups.find((one) => one.number === number);
  }

  private row(group: Group): HTMLElement {
    const { model, editor } = this;
    const rows = (): number[] => model.rowsOfGroup(group.number);
    const swatch = button("", () => this.zoomTo(rows()), {
      class: "swatch",
      "aria-label": t("showGroup", { name: model.groupName(group) }),
      title: t("showGroup", { name: model.groupName(group) }),
    });
    swatch.style.background = css(model.groupColor(group.number));
    let saved = group.name;
    const rename = (text: string): void => {
      if (text !== saved) void editor?.send({ kind: "name", group: group.number, name: (saved = text) });
    };
    const name = h("input", {
      type: "text",
      value: group.name,
      placeholder: `${t("group")} ${group.number}`,
      title: model.groupName(group),
      maxlength: MAX_NAME_LENGTH,
      disabled: !editor,
      "aria-label": t("rename", { n: group.number }),
      on: {
        blur: () => rename(name.value.trim()),
        keydown: (event: KeyboardEvent) => event.key === "Enter" && name.blur(),
      },
    });
    if (editor && model.source instanceof Server) proposeNames(name, group.number, model.source, rename);
    return h(
      "li",
      { "data-group": group.number },
      swatch,
      name,
      h("span", { class: "size", text: group.size.toLocaleString(document.documentElement.lang) }),
      ...(editor ? this.actions(group, rows) : []),
    );
  }

  private actions(group: Group, rows: () => number[]): HTMLElement[] {
    const { model, editor } = this;
    const name = model.groupName(group);
    const select = iconButton(SELECT, t("selectGroup", { name }), () => model.select(rows()), { "data-act": "select" });
    const split = iconButton(SPLIT, t("splitGroup", { name }), () => void editor!.send({ kind: "split", group: group.number }), {
      "data-act": "split",
    });
    const isMerging = this.merging?.group === group.number;
    const merge = iconButton(MERGE, t("mergeGroup", { name }), () => this.mergeWith(isMerging ? null : group.number), {
      "data-act": "merge",
      disabled: model.edits.groups.length < 2,
      "aria-expanded": String(isMerging),
    });
    return [select, ...(model.facts.onGraph ? [split] : []), merge];
  }

  // ------------------------------------------------------------ merging

  private mergeWith(group: number | null): void {
    this.merging = group === null ? null : { group, partners: new Set() };
    this.model.highlight(null);
    this.rebuild();
    this.element.querySelector<HTMLInputElement>(".partners input")?.focus();
  }

  /** Checkboxes of the groups to merge with, the nearest in the tree first. */
  private partners(group: Group): HTMLElement {
    const { model, editor } = this;
    const { partners } = this.merging!;
    const others = model.edits.groups.filter((one) => one !== group);
    const inCommon = new Map(others.map((one) => [one, commonLength(one.tree, group.tree)]));
    others.sort((a, b) => inCommon.get(b)! - inCommon.get(a)!);
    const nearest = model.facts.onGraph && group.tree ? others[0] : null;
    const name = h("input", { type: "text", maxlength: MAX_NAME_LENGTH, "aria-label": t("mergedName"), class: "merged-name" });
    let isCustomName = false; // keep a name typed by the user
    name.addEventListener("input", () => (isCustomName = true));
    const all = (): Group[] => [group, ...others.filter((one) => partners.has(one.number))];
    const merge = (): void => {
      name.blur(); // typing has ended
      const groups = all().map((one) => one.number);
      this.mergeWith(null);
      void editor!.send({ kind: "merge", groups, name: name.value.trim() });
    };
    const done = button(t("merge"), merge, { class: "merge-do" });
    const change = (): void => {
      done.disabled = !partners.size;
      if (!isCustomName) name.value = partners.size ? all().map((one) => model.groupName(one)).join(" + ").slice(0, MAX_NAME_LENGTH) : "";
      model.highlight(partners.size ? all().flatMap((one) => model.rowsOfGroup(one.number)) : null);
    };
    const choice = (other: Group): HTMLElement => {
      const box = h("input", { type: "checkbox", checked: partners.has(other.number), value: other.number });
      box.addEventListener("change", () => {
        if (box.checked) partners.add(other.number);
        else partners.delete(other.number);
        change();
      });
      const dot = h("i", { class: "dot" });
      dot.style.background = css(model.groupColor(other.number));
      const size = h("span", { class: "size", text: other.size.toLocaleString(document.documentElement.lang) });
      const hint = other === nearest ? h("small", { text: t("nearestInTree") }) : null;
      const point = (): void => model.highlight(model.rowsOfGroup(other.number));
      return h(
        "label",
        { class: "choice", on: { pointerenter: point, pointerleave: change, focusin: point, focusout: change } },
        box,
        dot,
        h("span", { class: "name", text: model.groupName(other), title: model.groupName(other) }),
        hint,
        size,
      );
    };
    name.addEventListener("keydown", (event) => event.key === "Enter" && partners.size && merge());
    change();
    return h(
      "li",
      { class: "partners" },
      h(
        "fieldset",
        {},
        h("legend", { text: t("mergeWith", { name: model.groupName(group) }) }),
        h("div", { class: "choices" }, ...others.map(choice)),
        name,
        h("div", { class: "buttons" }, done, button(t("cancel"), () => this.mergeWith(null), { class: "merge-cancel" })),
      ),
    );
  }

  // ------------------------------------------------------------ cutting

  /** A slider for the number of groups; open if there are few groups. */
  private cut(): HTMLElement | string {
    const { model, editor } = this;
    const limit = Math.min(MAX_CUT_GROUPS, model.nBlocks);
    if (!editor || !model.facts.onGraph || limit < 2) return "";
    const now = model.edits.groups.length;
    const start = Math.min(limit, Math.max(2, now));
    const slider = h("input", { type: "range", min: 2, max: limit, value: start, "aria-label": t("cutTitle"), class: "cut-slider" });
    const count = h("output", { class: "cut-count", text: t("cutInto", { n: start }) });
    slider.addEventListener("input", () => {
      const n = slider.valueAsNumber;
      count.textContent = t("cutInto", { n });
      if (n === now) this.endPreview();
      else this.preview.askSoon(() => editor.previewCut(n), PREVIEW_DELAY);
    });
    const apply = (): void => {
      void editor.send({ kind: "cut", n: slider.valueAsNumber }).then(() => {
        this.cutAt = model.edits.revision;
        this.rebuild();
      });
    };
    const offer = ({ n, stability }: { n: number; stability: number }): HTMLElement =>
      button(t("cutOffer", { n, stability: stability.toFixed(2) }), () => {
        slider.value = String(n);
        apply();
      });
    const offers = (model.facts.cuts ?? []).filter(({ n }) => n >= 2 && n <= limit);
    const undo = button(t("cutReset"), () => void editor.send({ kind: "undo" }), {
      class: "cut-reset",
      disabled: this.cutAt !== model.edits.revision,
    });
    const parts = [
      ...(offers.length ? [h("p", { class: "hint", text: t("cutOffers") }), h("div", { class: "buttons cut-offers" }, ...offers.map(offer))] : []),
      h("p", { class: "hint", text: now === 1 ? t("cutOne") : t("cutMore") }),
      h("div", { class: "slider" }, slider),
      h("div", { class: "buttons" }, count, button(t("cut"), apply, { class: "cut-do" }), undo),
      h("p", { class: "hint", text: t("cutLoses") }),
    ];
    const details = h("details", { class: "cut" }, h("summary", { text: t("cutTitle") }), ...parts);
    details.addEventListener("toggle", () => !details.open && this.endPreview());
    details.open = now <= OPEN_CUT_UP_TO || this.cutAt === model.edits.revision;
    return details;
  }

  private showPreview(color: ((row: number) => Rgb) | null): void {
    this.isPreviewed = color !== null;
    void this.model.colorByFunction(color);
  }

  private endPreview(): void {
    this.preview.drop();
    if (this.isPreviewed) this.showPreview(null);
  }
}

/** Length of the common prefix of two paths in the tree. */
function commonLength(a: string, b: string): number {
  let common = 0;
  while (common < a.length && common < b.length && a[common] === b[common]) common += 1;
  return common;
}
