// The last edits: who changed what and when, and the name by which edits are recorded.

import { describeEdit, userName } from "../data/edit-text";
import type { Editor } from "../data/editor";
import type { PastEdit } from "../data/types";
import { t } from "../i18n/translate";
import { deferWhileTyping, h } from "../page/dom";

const MAX_NAME_LENGTH = 100;

export class History {
  readonly element = h("section", { class: "history", "aria-label": t("history") });
  private isOpen = false;

  constructor(private readonly editor: Editor) {
    editor.historyChanged.on(() => this.rebuild());
    this.rebuild();
  }

  private rebuild(): void {
    if (deferWhileTyping(this.element, () => this.rebuild())) return;
    const { history } = this.editor;
    const details = h(
      "details",
      {},
      h("summary", { text: t("history") }),
      this.name(),
      history.length ? h("ol", {}, ...history.map((edit) => this.row(edit))) : h("p", { class: "hint", text: t("noHistory") }),
    );
    details.open = this.isOpen;
    details.addEventListener("toggle", () => (this.isOpen = details.open));
    this.element.replaceChildren(details);
  }

  private name(): HTMLElement {
    const { editor } = this;
    const input = h("input", { type: "text", value: editor.user, maxlength: MAX_NAME_LENGTH, autocomplete: "off", class: "user" });
    input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur());
    input.addEventListener("change", () => void editor.rename(input.value.trim()));
    return h("label", { class: "user-name" }, h("span", { text: t("yourName") }), input);
  }

  private row(edit: PastEdit): HTMLElement {
    const { lang } = document.documentElement;
    const time = edit.time === null ? new Date(NaN) : new Date(edit.time);
    const isKnown = !Number.isNaN(time.getTime());
    const isToday = time.toDateString() === new Date().toDateString();
    const when = isToday ? time.toLocaleTimeString(lang, { timeStyle: "short" }) : isKnown ? time.toLocaleDateString(lang, { dateStyle: "short" }) : "";
    const what = describeEdit(edit);
    return h(
      "li",
      { class: edit.in_effect ? "" : "undone", "data-revision": edit.revision, title: isKnown ? time.toLocaleString(lang) : "" },
      h("b", { text: userName(edit.user) }),
      ` ${what}${edit.in_effect ? "" : ` (${t("notInEffect")})`} `,
      h("time", { class: "quiet", text: when }),
    );
  }
}
