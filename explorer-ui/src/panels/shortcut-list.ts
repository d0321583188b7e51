// The list of keyboard shortcuts.

import { t, type Key } from "../i18n/translate";
import { button, h } from "../page/dom";

const KEYS: [string, Key][] = [
  ["← ↑ ↓ →", "keyMove"],
  ["+ −", "keyZoom"],
  ["0", "keyAll"],
  ["V B L D P", "keyTools"],
  ["N · Shift+N", "keyNext"],
  ["Enter", "keyOpen"],
  ["Ctrl", "keyToggle"],
  ["Shift", "keyAdd"],
  ["Shift", "keyLasso"],
  ["Alt", "keyWay"],
  ["/", "keySearch"],
  ["Ctrl+V", "keyPaste"],
  ["Ctrl+Z", "undo"],
  ["Ctrl+Y · Ctrl+Shift+Z", "redo"],
  ["Esc", "keyEscape"],
];

export class ShortcutList {
  readonly element = h("section", { class: "keys", role: "dialog", "aria-label": t("help"), tabindex: -1, hidden: true });

  constructor() {
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeKeys"), title: t("closeKeys") });
    const rows = KEYS.map(([keys, what]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", { text: keys })), h("td", { text: t(what) })));
    this.element.append(h("h2", {}, t("help"), close), h("table", {}, ...rows), h("p", { class: "hint", text: t("dropHint") }));
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
