// Edits in words.

import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import type { Edit, PastEdit } from "./types";

export const userName = (user: string | null): string => user ?? t("unknownUser");

/** What an edit changes. */
export function describeEdit(edit: Edit | PastEdit, model: Model): string {
  const n = "n_images" in edit && edit.n_images !== undefined ? edit.n_images : "ids" in edit ? edit.ids.length : 0;
  switch (edit.kind) {
    case "name":
      return t("editName", { group: groupName(edit.group, model), name: edit.name });
    case "split":
      return t("editSplit", { group: groupName(edit.group, model) });
    case "merge":
      return t("editMerge", { groups: edit.groups.map((group) => groupName(group, model)).join(", ") });
    case "gather":
      return t("editGather", { n });
    case "cut":
      return t("editCut", { n: edit.n });
    case "label":
      return edit.label ? t("editLabel", { n, label: edit.label }) : t("editUnlabel", { n });
    case "mark":
      return t(edit.on ? "editMark" : "editUnmark", { n, mark: t(edit.mark) });
    default:
      return t(edit.kind === "undo" ? "editUndo" : "editRedo");
  }
}

/** The number of a group, which stays the same; a name may be another by now. */
function groupName(number: number, model: Model): string {
  const group = model.edits.groups.find((one) => one.number === number);
  return group ? model.groupName(group) : t("editGroup", { n: number });
}
