// Asks for confirmation in a dialog.

import { t } from "../i18n/translate";
import { button, h } from "./dom";

/** Ask a question; resolves to whether the user confirms. Escape declines. */
export function askToConfirm(question: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "ask", "aria-label": yes });
    const answer = (value: string): void => dialog.close(value);
    dialog.append(
      h("p", { text: question }),
      h(
        "div",
        { class: "buttons" },
        button(yes, () => answer("yes"), { "data-answer": "yes" }),
        button(t("cancel"), () => answer(""), { "data-answer": "no", autofocus: true }),
      ),
    );
    dialog.addEventListener("keydown", (event) => event.stopPropagation()); // not for the map
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
