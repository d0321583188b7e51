// Keyboard shortcuts, wherever the focus is, except in text fields.

import type { Gestures } from "../map/gestures";

/** Call the action of a shortcut, such as "n" or "Control+Shift+z"; other keys go to the map. */
export function listenForKeys(gestures: Gestures, actions: { [key: string]: () => void }): void {
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (document.querySelector("dialog[open]")) return; // a dialog has its own keys
    if (isTextField(target)) {
      if (event.key !== "Escape") return;
      target.blur();
      event.preventDefault();
      return;
    }
    if (target instanceof Element) {
      if (event.key === "Enter" && target.closest("button, summary, a")) return; // these have their own
      if (event.key.startsWith("Arrow") && target.closest(OWN_ARROWS)) return;
    }
    const action = actions[shortcutName(event)];
    if (action) action();
    else if (!gestures.key(event)) return;
    event.preventDefault();
  });
}

const OWN_ARROWS = "[role=toolbar], [role=tablist], [role=listbox], [role=grid], [role=menu], [role=tree], [role=radiogroup], .scroll";

const isTextField = (target: EventTarget | null): target is HTMLElement =>
  (target instanceof HTMLInputElement && !["checkbox", "button", "file"].includes(target.type)) ||
  target instanceof HTMLSelectElement ||
  target instanceof HTMLTextAreaElement;

/** Name of a shortcut, such as "Control+Shift+z"; "" with Alt. */
export function shortcutName(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  if (event.altKey) return "";
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isShifted = event.shiftKey && (control || /^[a-z]$/.test(key));
  return `${control ? "Control+" : ""}${isShifted ? "Shift+" : ""}${key}`;
}
