// The notebook that shows the page in a frame, as the page sees it.

import type { WidgetModel } from "../data/over-widget";

export interface Notebook {
  /** The widget. Its listeners are removed when the page is gone. */
  model: WidgetModel;
  theme: "light" | "dark" | undefined;
  /** Load the page again. */
  reload(): void;
}

/** Name of the property of the frame's window that the notebook is in. */
export const NOTEBOOK = "latentmapNotebook";

/** Load the page again; its state is in the address, or in the widget. */
export function reloadPage(): void {
  const notebook = notebookOfPage();
  if (notebook) notebook.reload();
  else location.reload();
}

/** The notebook that shows this page; null in a tab of its own. */
export const notebookOfPage = (): Notebook | null => (globalThis as { [name: string]: any })[NOTEBOOK] ?? null;
