// Elements without a framework. Text is always set as text, never as HTML.

type Child = Node | string | null | undefined;
type Properties = {
  class?: string;
  text?: string | number;
  title?: string;
  on?: { [name: string]: (event: any) => void };
  [attribute: string]: unknown;
};

/** Make an element. Attributes that are false or undefined are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(properties.on!)) element.addEventListener(event, listener);
    } else if (name === "text") {
      element.textContent = String(value);
    } else if (value !== false && value !== undefined && value !== null) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined));
  return element;
}

/** A button with a name that screen readers say. */
export function button(text: string, act: (event: MouseEvent) => void, properties: Properties = {}): HTMLButtonElement {
  return h("button", { type: "button", ...properties, text, on: { click: act } });
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag: string, attributes: { [name: string]: string | number }, ...children: Node[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A button with a small drawing; its name is in the tip and for screen readers. */
export function iconButton(path: string, name: string, act: () => void, properties: Properties = {}): HTMLButtonElement {
  const made = button("", act, { title: name, "aria-label": name, ...properties });
  const line = { d: path, fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round" };
  made.append(svg("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" }, svg("path", line)));
  return made;
}

/** Whether text is being typed in an element, which is then not taken away: `act` follows when it was typed. */
export function afterTyping(element: HTMLElement, act: () => void): boolean {
  const typed = document.activeElement;
  if (!element.contains(typed) || !(typed instanceof HTMLInputElement) || typed.type === "checkbox") return false;
  typed.addEventListener("blur", () => setTimeout(act), { once: true });
  return true;
}

/** One tab stop for some buttons: the arrow keys lead from one to the next. */
export function roving(container: HTMLElement, buttons: HTMLElement[]): void {
  const rest = (on: HTMLElement): void => buttons.forEach((one) => (one.tabIndex = one === on ? 0 : -1));
  if (buttons.length) rest(buttons[0]);
  container.addEventListener("focusin", ({ target }) => buttons.includes(target as HTMLElement) && rest(target as HTMLElement));
  container.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(event.target as HTMLElement);
    const to: { [key: string]: number } = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: -1 };
    if (at < 0 || to[event.key] === undefined) return;
    event.preventDefault();
    buttons.at(to[event.key] % buttons.length)!.focus();
  });
}

export const reducedMotion = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Give the user a file. */
export function download(data: Blob, name: string): void {
  const link = h("a", { href: URL.createObjectURL(data), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Listeners that are told of something. */
export class Signal<T = void> {
  private readonly listeners: ((value: T) => void)[] = [];

  on(listener: (value: T) => void): void {
    this.listeners.push(listener);
  }

  tell(value: T): void {
    for (const listener of this.listeners) listener(value);
  }
}
