// Exports the selection, the visible images, or all images.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import type { ExportJob } from "../data/types";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { askToConfirm } from "../page/confirmation";
import { button, download, h } from "../page/dom";

const KINDS = ["csv", "parquet", "folder"] as const;
const MAX_UNCONFIRMED_FILES = 1000; // files that are exported without confirmation
const BLOCK_SIZE = 4096; // bytes: the minimum size of a file on disk
const POLL_INTERVAL = 300; // milliseconds
const MESSAGE_TIME = 15_000; // milliseconds

type Scope = "selected" | "shown" | "all";

export class ExportPanel {
  readonly element = h("section", { class: "exports", "aria-label": t("export") });
  private readonly scopes = new Map<Scope, [HTMLInputElement, HTMLElement]>();
  private readonly buttons: HTMLButtonElement[];
  private readonly progress = h("progress", { "aria-label": t("export") });
  private readonly status = h("output", {});
  private readonly cancel: HTMLButtonElement;
  private readonly running: HTMLElement;
  private readonly result = h("p", { class: "hint kept", "aria-live": "polite" });
  private chosen: Scope | null = null;
  /** State in which the scope was chosen: it applies only to that state. */
  private chosenFor = "";

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    private readonly say: (text: string, time?: number) => void,
  ) {
    const radios = (["selected", "shown", "all"] as const).map((scope) => {
      const input = h("input", { type: "radio", name: "export-scope", value: scope });
      const text = h("span");
      input.addEventListener("change", () => {
        [this.chosen, this.chosenFor] = [scope, this.state];
        this.refresh();
      });
      this.scopes.set(scope, [input, text]);
      return h("label", { class: "check" }, input, text);
    });
    const kinds = KINDS.filter((kind) => kind !== "folder" || model.facts.hasPictures);
    this.buttons = kinds.map((kind) => button("", () => void this.export(kind), { "data-export": kind }));
    this.cancel = button(t("cancelExport"), () => undefined, { class: "small cancel-export" });
    this.running = h("div", { class: "running", hidden: true }, this.progress, this.status, this.cancel);
    this.element.append(
      h("h3", { text: t("export") }),
      h("div", { class: "scopes", role: "radiogroup", "aria-label": t("exportWhat") }, ...radios),
      h("div", { class: "buttons" }, ...this.buttons),
      this.running,
      this.result,
    );
    model.selectionChanged.on(() => this.refresh());
    model.filterChanged.on(() => this.refresh());
    this.refresh();
  }

  private get state(): string {
    return `${this.model.nSelected > 0} ${this.model.isFiltered}`;
  }

  /** The scope chosen by the user; by default the selection, the filtered images, or all images. */
  private get scope(): Scope {
    const { model } = this;
    if (this.chosen && this.chosenFor === this.state) return this.chosen;
    return model.nSelected ? "selected" : model.isFiltered ? "shown" : "all";
  }

  private describe(scope: Scope): [number, string] {
    const { n, nVisible, nSelected } = this.model;
    if (scope === "selected") return [nSelected, t("whatSelected", { n: nSelected })];
    return scope === "shown" ? [nVisible, t("whatShown", { n: nVisible })] : [n, t("whatAll", { n })];
  }

  private refresh(): void {
    const now = this.scope;
    for (const [scope, [input, text]] of this.scopes) {
      const [n, what] = this.describe(scope);
      input.checked = scope === now;
      input.disabled = n === 0;
      text.textContent = what;
    }
    const [n, what] = this.describe(now);
    for (const one of this.buttons) {
      const kind = t(one.dataset.export as (typeof KINDS)[number]);
      one.textContent = t("exportButton", { kind, what });
      one.setAttribute("aria-label", t("exportAs", { kind, what }));
      one.disabled = n === 0 || (one.dataset.export === "folder" && !this.running.hidden);
    }
  }

  private ids(scope: Scope): number[] | null {
    const { model } = this;
    if (scope === "all") return null;
    return model.idsOf(scope === "selected" ? model.selectedRows() : model.visibleRows());
  }

  private async export(kind: (typeof KINDS)[number]): Promise<void> {
    const [n] = this.describe(this.scope);
    const ids = this.ids(this.scope);
    try {
      if (kind === "folder") return await this.exportFolder(ids, n);
      const response = await this.server.post("/api/export", { kind, ids });
      const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? `selection.${kind}`;
      const file = response.headers.get("X-Latentmap-File");
      download(await response.blob(), name);
      this.report(t("exported", { n, file: file ? decodeURIComponent(file) : name }));
    } catch (error) {
      this.report(errorMessage(error));
    }
  }

  private async exportFolder(ids: number[] | null, n: number): Promise<void> {
    if (n > MAX_UNCONFIRMED_FILES && !(await askToConfirm(t("exportAsk", { n, size: this.size(n) }), t("exportDo", { n })))) return;
    const { job } = (await (await this.server.post("/api/export", { kind: "folder", ids })).json()) as { job: string };
    await this.watch(job, n);
  }

  /** Upper bound of the size of the exported files. */
  private size(n: number): string {
    const bytes = n * BLOCK_SIZE * Math.ceil(this.model.facts.imageShape.reduce((product, size) => product * size, 1) / BLOCK_SIZE);
    const unit = bytes < 1e9 ? "megabyte" : "gigabyte";
    const format = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, maximumSignificantDigits: 2 });
    return format.format(bytes / (unit === "megabyte" ? 1e6 : 1e9));
  }

  private async watch(job: string, n: number): Promise<void> {
    this.running.hidden = false;
    this.progress.max = n;
    this.progress.value = 0;
    this.status.textContent = t("exportRuns", { done: 0, total: n });
    this.cancel.disabled = false;
    this.cancel.onclick = () => {
      this.cancel.disabled = true;
      this.status.textContent = t("exportEnds");
      this.server.post(`/api/export/${job}/cancel`, {}).catch((error) => this.report(errorMessage(error)));
    };
    this.result.textContent = "";
    this.refresh();
    try {
      let now: ExportJob;
      while ((now = (await this.server.json(`/api/export/${job}`)) as ExportJob).state === "running") {
        this.progress.max = now.total;
        this.progress.value = now.done;
        if (!this.cancel.disabled) this.status.textContent = t("exportRuns", { done: now.done, total: now.total });
        await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
      }
      if (now.state === "done") this.report([t("exported", { n: now.total, file: now.folder ?? "" }), ...(now.notes ?? [])].join(" · "));
      else this.report(now.state === "cancelled" ? t("exportCancelled") : t("exportFailed", { why: now.error ?? "" }));
    } finally {
      this.running.hidden = true;
      this.refresh();
    }
  }

  /** Show a message over the map for a while, and below the buttons. */
  private report(text: string): void {
    this.result.textContent = text;
    this.say(text, MESSAGE_TIME);
  }
}
