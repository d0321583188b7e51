// The keys that label or mark an image as buttons, for pointers and fingers, and a field for a label without a key.

import { t } from "../i18n/translate";
import { button, h } from "../page/dom";
import type { ReviewKeys } from "./review-keys";

const MAX_NAME_LENGTH = 200;

export class ReviewBar {
  readonly element = h("div", { class: "review-bar", role: "group", "aria-label": t("reviewKeys") });
  private readonly buttons = h("div", { class: "buttons" });

  constructor(
    private readonly keys: ReviewKeys,
    /** Do what a key says with the present image. */
    private readonly press: (key: string) => void,
    /** Give the present image a label; null without a field for it. */
    label: ((text: string) => void) | null,
  ) {
    this.element.append(this.buttons, label ? newLabel(label) : "");
    keys.changed.on(() => this.rebuild());
    this.rebuild();
  }

  private rebuild(): void {
    this.buttons.replaceChildren(
      ...this.keys.keys.map(({ key, name }) => {
        const made = button("", () => this.press(key), { class: "small review-key", "data-key": key, "aria-label": t("reviewKey", { name }) });
        made.append(h("kbd", { text: key.toUpperCase() }), ` ${name}`);
        return made;
      }),
    );
  }
}

/** A field whose label the present image gets with Enter. */
function newLabel(label: (text: string) => void): HTMLElement {
  const input = h("input", { type: "text", maxlength: MAX_NAME_LENGTH, list: "labels", class: "new-label", "aria-label": t("newLabel"), placeholder: t("newLabel") });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !input.value.trim()) return;
    event.stopPropagation();
    label(input.value.trim());
    input.value = "";
  });
  return input;
}
