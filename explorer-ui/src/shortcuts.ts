// Keys, wherever the focus is, unless text is being typed.

import type { Gestures } from "./gestures";

/** Do what is told for a key, such as "n" or "Control+Shift+z"; the others are for the map. */
export function listenForKeys(gestures: Gestures, acts: { [key: string]: () => void }): void {
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (isTyped(target)) {
      if (event.key !== "Escape") return;
      target.blur();
    }
    if (event.key === "Enter" && target instanceof Element && target.closest("button, summary")) return; // their own
    const act = acts[nameOf(event)];
    if (act) act();
    else if (!gestures.key(event)) return;
    event.preventDefault();
  });
}

const isTyped = (target: EventTarget | null): target is HTMLElement =>
  (target instanceof HTMLInputElement && target.type !== "checkbox") || target instanceof HTMLSelectElement;

function nameOf(event: KeyboardEvent): string {
  if (event.altKey) return "";
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return `${control ? "Control+" : ""}${control && event.shiftKey ? "Shift+" : ""}${key}`;
}
