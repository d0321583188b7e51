// Layers that are open above the map. Escape closes the topmost; a click outside closes menus, the drawer and the shortcuts.

export interface Layer {
  element: HTMLElement;
  isOpen(): boolean;
  close(): void;
  /** Whether a click outside closes it, except on its opener. */
  closesOnOutsideClick?: boolean;
  opener?: () => Element | null;
}

const layers: Layer[] = []; // the topmost last
const OPEN_MENU = "details.menu[open]";

export function addLayer(layer: Layer): void {
  layers.push(layer);
}

/** Close the topmost open layer; returns whether there was one. */
export function closeTopLayer(): boolean {
  const menus = document.querySelectorAll<HTMLDetailsElement>(OPEN_MENU);
  const menu = menus[menus.length - 1];
  if (menu) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
    return true;
  }
  const layer = layers.findLast((one) => one.isOpen());
  if (!layer) return false;
  const hadFocus = layer.element.contains(document.activeElement);
  layer.close();
  const opener = layer.opener?.();
  if (hadFocus && opener instanceof HTMLElement) opener.focus();
  return true;
}

document.addEventListener("pointerdown", ({ target }) => {
  if (!(target instanceof Node)) return;
  for (const menu of document.querySelectorAll<HTMLDetailsElement>(OPEN_MENU)) if (!menu.contains(target)) menu.open = false;
  for (const layer of layers) {
    if (!layer.closesOnOutsideClick || !layer.isOpen() || layer.element.contains(target) || layer.opener?.()?.contains(target)) continue;
    layer.close();
  }
}, true);
