// The panels on both sides of the map. On a narrow page the right one is a bottom sheet and the left one a drawer; on a
// phone, both are sheets.

import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import type { Inspector } from "../panels/inspector";
import { NARROW } from "./breakpoints";
import { button, h } from "./dom";
import { sheetHandle, sheetHeight } from "./sheet-handle";

export class SidePanels {
  readonly left: HTMLElement;
  readonly right: HTMLElement;
  /** Opens a sheet that the user closed. */
  readonly opener: HTMLButtonElement;
  /** State of the sheet when the user closed it: it stays closed until its content changes. */
  private closedFor = "";

  constructor(
    private readonly model: Model,
    private readonly inspector: Inspector,
    left: HTMLElement[],
    right: HTMLElement[],
  ) {
    const close = button("×", () => this.closeSheet(), { class: "small close-sheet", "aria-label": t("closeSheet"), title: t("closeSheet") });
    const closeDrawer = button("×", () => this.toggle(), { class: "small close-sheet", "aria-label": t("closeDrawer"), title: t("closeDrawer") });
    this.left = h("aside", { class: "left", "aria-label": t("panelLeft") }, sheetHandle(), closeDrawer, ...left);
    this.right = h("aside", { class: "right", "aria-label": t("panelRight") }, sheetHandle(), close, ...right);
    this.opener = button(t("panelRight"), () => this.openSheet(), { class: "open-sheet", title: t("showSheet") });
    model.selectionChanged.on(() => this.updateSheet());
    inspector.changed.on(() => this.updateSheet());
    inspector.chosen.on(() => (this.closedFor = ""));
  }

  /** Open or close the drawer, or show and hide both panels on a wide page. */
  toggle(): void {
    const { classList } = document.body;
    if (matchMedia(NARROW).matches) classList.toggle("drawer-open");
    else classList.toggle("panels-hidden");
  }

  get isDrawerOpen(): boolean {
    return matchMedia(NARROW).matches && document.body.classList.contains("drawer-open");
  }

  /** Whether the sheet, which is not open, would cover a height of the window; any, where it is beside the map. */
  wouldCover(y: number): boolean {
    if (!matchMedia(NARROW).matches || document.body.classList.contains("has-sheet")) return false;
    return innerWidth > innerHeight || y > innerHeight * (1 - sheetHeight() / 100);
  }

  private updateSheet(): void {
    const { model, inspector } = this;
    const { classList } = document.body;
    const hasContent = inspector.pinned || model.nSelected > 0;
    const isClosed = this.sheetState === this.closedFor;
    classList.toggle("has-sheet", hasContent && !isClosed);
    classList.toggle("sheet-closed", hasContent && isClosed);
    classList.toggle("has-selection", model.nSelected > 0);
    classList.toggle("has-image", inspector.pinned);
  }

  /** Identifies the content of the sheet. */
  private get sheetState(): string {
    return [this.inspector.row, this.inspector.pinned, this.model.nSelected].join();
  }

  private closeSheet(): void {
    this.closedFor = this.sheetState;
    this.updateSheet();
    this.opener.focus();
  }

  private openSheet(): void {
    this.closedFor = "";
    this.updateSheet();
  }
}
