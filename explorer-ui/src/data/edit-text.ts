// Edits in words.

import { isKey, t } from "../i18n/translate";
import type { Edit, PastEdit } from "./types";

export const userName = (user: string | null): string => user ?? t("unknownUser");

/** What an edit changes. */
export function describeEdit(edit: Edit | PastEdit): string {
  const n = "n_images" in edit && edit.n_images !== undefined ? edit.n_images : "ids" in edit ? edit.ids.length : 0;
  switch (edit.kind) {
    case "name":
      return t("editName", { group: groupText(edit.group), name: edit.name });
    case "split":
      return t("editSplit", { group: groupText(edit.group) });
    case "merge":
      return t("editMerge", { groups: edit.groups.map(groupText).join(", ") });
    case "gather":
      return t("editGather", { n });
    case "cut":
      return t("editCut", { n: edit.n });
    case "label":
      return edit.label ? t("editLabel", { n, label: edit.label }) : t("editUnlabel", { n });
    case "mark":
      return t(edit.on ? "editMark" : "editUnmark", { n, mark: t(edit.mark) });
    case "review":
      return t(`edit_${edit.verdict}`, { n, issue: issueName(edit.issue) });
    default:
      return t(edit.kind === "undo" ? "editUndo" : "editRedo");
  }
}

/** The name of a kind of issue; its key if it is of a later version. */
export function issueName(kind: string): string {
  const key = `issue_${kind}`;
  return isKey(key) ? t(key) : kind;
}

/** A group by its number, which stays the same; its name may be another by now. */
const groupText = (n: number): string => t("editGroup", { n });
