// A question before something large, which can be answered with no.

import { button, h } from "./dom";
import { t } from "./i18n";

/** Ask; whether the answer is yes. Escape is no. */
export function ask(question: string, yes: string): Promise<boolean> {
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
    dialog.addEventListener("keydown", (event) => event.stopPropagation()); // keys of the map wait
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
