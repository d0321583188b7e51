// Keys, wherever the focus is, unless text is being typed.

import type { Gestures } from "./gestures";

/** Do what is told for a key, such as "n" or "Control+Shift+z"; the others are for the map. */
export function listenForKeys(gestures: Gestures, acts: { [key: string]: () => void }): void {
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (document.querySelector("dialog[open]")) return; // its own
    if (isTyped(target)) {
      if (event.key !== "Escape") return;
      target.blur();
      event.preventDefault();
      return;
    }
    if (target instanceof Element) {
      if (event.key === "Enter" && target.closest("button, summary, a")) return; // their own
      if (event.key.startsWith("Arrow") && target.closest(OWN_ARROWS)) return;
    }
    const act = acts[nameOf(event)];
    if (act) act();
    else if (!gestures.key(event)) return;
    event.preventDefault();
  });
}

const OWN_ARROWS = "[role=toolbar], [role=tablist], [role=listbox], [role=grid], [role=menu], [role=tree], [role=radiogroup], .scroll, .sheet";

const isTyped = (target: EventTarget | null): target is HTMLElement =>
  (target instanceof HTMLInputElement && !["checkbox", "button", "file"].includes(target.type)) ||
  target instanceof HTMLSelectElement ||
  target instanceof HTMLTextAreaElement;

function nameOf(event: KeyboardEvent): string {
  if (event.altKey) return "";
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isShifted = event.shiftKey && (control || /^[a-z]$/.test(key));
  return `${control ? "Control+" : ""}${isShifted ? "Shift+" : ""}${key}`;
}
