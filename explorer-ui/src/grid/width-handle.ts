// A handle between the map and the grid: dragging it, or the arrow keys, changes the width of the grid.

import { t } from "../i18n/translate";
import { h } from "../page/dom";

const [MIN_WIDTH, MAX_WIDTH, START_WIDTH] = [15, 60, 32]; // percent of the width of the page
const STEP = 4; // percent

/** Create the handle; the style reads the width from `--grid`. `changes` is called before the width changes. */
export function widthHandle(changes: () => void): HTMLElement {
  const handle = h("div", {
    class: "width-handle",
    role: "separator",
    tabindex: 0,
    "aria-orientation": "vertical",
    "aria-label": t("gridWidth"),
    "aria-valuemin": MIN_WIDTH,
    "aria-valuemax": MAX_WIDTH,
    "aria-valuenow": START_WIDTH,
  });
  const set = (percent: number): void => {
    const width = Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, percent)));
    changes();
    document.body.style.setProperty("--grid", `${width}vw`);
    handle.setAttribute("aria-valuenow", String(width));
  };
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const { right } = handle.parentElement!.getBoundingClientRect();
    set((100 * (right - event.clientX)) / innerWidth);
  });
  handle.addEventListener("keydown", (event) => {
    const steps: { [key: string]: number } = { ArrowLeft: STEP, ArrowRight: -STEP };
    if (!steps[event.key]) return;
    set(Number(handle.getAttribute("aria-valuenow")) + steps[event.key]);
    event.preventDefault();
    event.stopPropagation(); // the map has the same keys
  });
  return handle;
}
