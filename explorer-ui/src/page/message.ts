// Shows a message over the map for a few seconds.

import { h } from "./dom";

export class Message {
  readonly element = h("div", { class: "message", role: "status", "aria-live": "polite" });
  private timer = 0;

  show(text: string, time = 4000, ...more: Node[]): void {
    this.element.replaceChildren(text, " ", ...more);
    this.element.classList.add("shown");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), time);
  }

  hide(): void {
    clearTimeout(this.timer);
    this.element.classList.remove("shown");
  }
}
