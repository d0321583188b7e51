// The list of keyboard shortcuts and of gestures.

import { t, type Key } from "../i18n/translate";
import { button, h } from "../page/dom";

/** What the run and the page allow. */
export interface Abilities {
  hasPictures: boolean;
  hasDecoder: boolean;
  /** Whether images similar to one from outside can be found. */
  canFind: boolean;
  canEdit: boolean;
  /** Whether images can be labelled and marked by keys. */
  canReview: boolean;
}

export class ShortcutList {
  readonly element = h("section", { class: "keys", role: "dialog", "aria-label": t("help"), tabindex: -1, hidden: true });

  constructor(can: Abilities) {
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeKeys"), title: t("closeKeys") });
    const rows = entries(can).map(([keys, what]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", { text: keys })), h("td", { text: t(what) })));
    const hint = can.canFind ? h("p", { class: "hint", text: t("dropHint") }) : null;
    this.element.append(h("h2", {}, t("help"), close), h("table", {}, ...rows), hint ?? "");
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  toggle(): void {
    this.element.hidden = !this.element.hidden;
    if (this.isOpen) this.element.focus();
  }

  close(): void {
    this.element.hidden = true;
  }
}

function entries({ hasPictures, hasDecoder, canFind, canEdit, canReview }: Abilities): [string, Key][] {
  return [
    ["← ↑ ↓ →", "keyMove"],
    ["+ −", "keyZoom"],
    ["0", "keyAll"],
    hasDecoder ? ["V B L D P", "keyTools"] : ["V B L", "keySelectTools"],
    ["N · Shift+N", "keyNext"],
    ["G", "keyGrid"],
    ["← ↑ ↓ → · Space · Enter", "keyInGrid"],
    ...(canReview ? [["1 … 9", "keyLabel"], ["O · U · H · S", "keyMark"], ["Del", "keyUnlabel"]] satisfies [string, Key][] : []),
    ...(hasPictures ? [["Enter", "keyOpen"] satisfies [string, Key]] : []),
    ["Ctrl", "keyToggle"],
    ["Shift", "keyAdd"],
    ["Shift", "keyLasso"],
    [t("longPress"), "keyHold"],
    ...(hasDecoder ? [["Alt", "keyWay"] satisfies [string, Key]] : []),
    ["/", "keySearch"],
    ...(canFind ? [["Ctrl+V", "keyPaste"] satisfies [string, Key]] : []),
    ...(canEdit ? [["Ctrl+Z", "undo"], ["Ctrl+Y · Ctrl+Shift+Z", "redo"]] satisfies [string, Key][] : []),
    ["Esc", "keyEscape"],
  ];
}
