// A handle above a bottom sheet: dragging it, or the arrow keys, changes the height of the sheet.

import { t } from "../i18n/translate";
import { h } from "./dom";

const [MIN_HEIGHT, MAX_HEIGHT, START_HEIGHT] = [15, 80, 42]; // percent of the height of the page
const STEP = 10; // percent

/** Height of sheets in percent of the height of the page. */
export const sheetHeight = (): number => parseFloat(document.body.style.getPropertyValue("--sheet")) || START_HEIGHT;

/** Create a handle. All sheets have the same height, which the style reads from `--sheet`. */
export function sheetHandle(): HTMLElement {
  const handle = h("div", {
    class: "sheet-handle",
    role: "separator",
    tabindex: 0,
    "aria-orientation": "horizontal",
    "aria-label": t("sheetHeight"),
    "aria-valuemin": MIN_HEIGHT,
    "aria-valuemax": MAX_HEIGHT,
    "aria-valuenow": START_HEIGHT,
  });
  const set = (percent: number): void => {
    const height = Math.round(Math.min(MAX_HEIGHT, Math.max(MIN_HEIGHT, percent)));
    document.body.style.setProperty("--sheet", `${height}dvh`);
    for (const one of document.querySelectorAll(".sheet-handle")) one.setAttribute("aria-valuenow", String(height));
  };
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) set(100 * (1 - event.clientY / innerHeight));
  });
  handle.addEventListener("keydown", (event) => {
    const steps: { [key: string]: number } = { ArrowUp: STEP, ArrowDown: -STEP };
    if (!steps[event.key]) return;
    set(Number(handle.getAttribute("aria-valuenow")) + steps[event.key]);
    event.preventDefault();
    event.stopPropagation(); // the map has the same keys
  });
  return handle;
}
