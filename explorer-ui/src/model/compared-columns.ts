// The columns that come from another run: the group of each image in it, and whether that is another group.

import type { Column, ComparedFacts, ComparedGroup } from "../data/types";
import { t } from "../i18n/translate";

/** Keys of the categories of the column that says whether an image changed its group. */
export const SAME = "same";
export const CHANGED = "changed";

export function changeColumn({ columns, name }: ComparedFacts): Column {
  const categories = [t("sameGroup"), t("changedGroup")];
  return { name: columns.changed, kind: "category", categories, keys: [SAME, CHANGED], missingName: t("notInRun", { run: name }) };
}

/** `slotOf` is the palette index of a group of this run, and `used` are those of all of its groups. */
export function otherGroupColumn({ columns, name, groups }: ComparedFacts, slotOf: (group: number) => number, used: number[]): Column {
  return {
    name: columns.group,
    kind: "category",
    categories: groups.map((one) => one.name || (one.number < 0 ? t("unsure") : `${t("group")} ${one.number}`)),
    keys: groups.map((one) => String(one.number)),
    slots: slotsBeside(groups, slotOf, used),
    missingName: t("notInRun", { run: name }),
  };
}

/** Palette indices: that of the group of this run that a group stands for, else a free one; -1 for the images in no group. */
export function slotsBeside(groups: ComparedGroup[], slotOf: (group: number) => number, used: number[]): number[] {
  const taken = new Set(used);
  return groups.map(({ number, partner }) => {
    if (number < 0) return -1;
    const own = partner === null ? -1 : slotOf(partner);
    if (own >= 0) return own;
    let free = 0;
    while (taken.has(free)) free += 1;
    taken.add(free);
    return free;
  });
}
