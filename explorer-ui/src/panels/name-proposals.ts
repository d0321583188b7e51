// Words that set a group apart, proposed as its name while its field has the focus.

import type { Server } from "../data/server";
import type { GroupWord } from "../data/types";
import { t } from "../i18n/translate";
import { button, h } from "../page/dom";

/** Offer words below the field of a group's name; `accept` is called with the one that is chosen. */
export function proposeNames(field: HTMLInputElement, group: number, server: Server, accept: (name: string) => void): void {
  let list: HTMLElement | null = null;
  let words: GroupWord[] = [];
  let at = -1;
  const close = (): void => {
    list?.remove();
    list = null;
    words = [];
  };
  const take = (name: string): void => {
    field.value = name;
    accept(name);
    close();
    field.blur();
  };
  field.addEventListener("focus", async () => {
    at = -1;
    const made = (list = h("li", { class: "proposals" }));
    try {
      words = ((await server.json(`/api/groups/${group}/words`)) as { words: GroupWord[] }).words;
    } catch {
      return; // names can be typed all the same
    }
    if (list !== made || !words.length) return; // the field has lost the focus
    const buttons = words.map((word, i) => proposal(word, i === 0 && !field.value, take));
    made.append(h("div", { role: "group", "aria-label": t("proposals") }, h("span", { class: "hint", text: t("proposals") }), ...buttons));
    field.closest("li")!.after(made);
  });
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (!words.length) return;
    if (event.key === "Enter" && !field.value) take(words[0].text);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      at = event.key === "ArrowDown" ? (at + 1) % words.length : (Math.max(at, 0) + words.length - 1) % words.length;
      field.value = words[at].text;
      event.preventDefault();
    }
  }, true); // before Enter leaves the field
}

/** A word with its lift; `isFirst` says that Enter takes it. */
function proposal({ text, column, coverage, lift }: GroupWord, isFirst: boolean, take: (name: string) => void): HTMLElement {
  const times = `×${lift < 10 ? lift.toFixed(1) : Math.round(lift)}`;
  const about = t("proposalAbout", { name: text, column, percent: Math.round(100 * coverage), lift: times });
  const made = button("", () => take(text), { class: "small", title: about, "aria-label": about, "data-word": text });
  made.append(isFirst ? h("kbd", { text: "⏎" }) : "", ` ${text} `, h("small", { text: times }));
  made.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  return made;
}
