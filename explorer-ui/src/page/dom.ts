// Creates elements. Text is always set as text, never as HTML.

type Child = Node | string | null | undefined;
type Properties = {
  class?: string;
  text?: string | number;
  title?: string;
  on?: { [name: string]: (event: any) => void };
  [attribute: string]: unknown;
};

/** Create an element. Attributes that are false, null or undefined are left out. */
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

/** A button with an icon, given as an SVG path; its name is the tooltip and the accessible name. */
export function iconButton(path: string, name: string, act: () => void, properties: Properties = {}): HTMLButtonElement {
  const made = button("", act, { title: name, "aria-label": name, ...properties });
  const line = { d: path, fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round" };
  made.append(svg("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" }, svg("path", line)));
  return made;
}

/** If a field in an element has the focus, call `act` when it loses it; returns whether that is so. */
export function deferWhileTyping(element: HTMLElement, act: () => void): boolean {
  const typed = document.activeElement;
  if (!element.contains(typed) || !(typed instanceof HTMLInputElement) || typed.type === "checkbox") return false;
  typed.addEventListener("blur", () => setTimeout(act), { once: true });
  return true;
}

/** Make some buttons one tab stop, with arrow keys from one to the next. */
export function addRovingFocus(container: HTMLElement, buttons: HTMLElement[]): void {
  const setTabStop = (on: HTMLElement): void => buttons.forEach((one) => (one.tabIndex = one === on ? 0 : -1));
  if (buttons.length) setTabStop(buttons[0]);
  container.addEventListener("focusin", ({ target }) => buttons.includes(target as HTMLElement) && setTabStop(target as HTMLElement));
  container.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(event.target as HTMLElement);
    const to: { [key: string]: number } = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: -1 };
    if (at < 0 || to[event.key] === undefined) return;
    event.preventDefault();
    buttons.at(to[event.key] % buttons.length)!.focus();
  });
}

export const reducedMotion = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Save data as a file. */
export function download(data: Blob, name: string): void {
  const link = h("a", { href: URL.createObjectURL(data), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
