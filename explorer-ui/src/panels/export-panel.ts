// Exports the selection, the other images, the visible ones or all: as a table, by groups, or for training.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import type { ExportJob } from "../data/types";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { askToConfirm } from "../page/confirmation";
import { button, download, h } from "../page/dom";
import { DatasetForm, type DatasetChoices } from "./dataset-form";
import { IssueExports } from "./issue-exports";

const KINDS = ["csv", "parquet", "folder"] as const;
const MAX_UNCONFIRMED_FILES = 1000; // files that are exported without confirmation
const BLOCK_SIZE = 4096; // bytes: the minimum size of a file on disk
const POLL_INTERVAL = 300; // milliseconds
const MESSAGE_TIME = 15_000; // milliseconds

const SCOPES = ["selected", "others", "shown", "all"] as const;
type Scope = (typeof SCOPES)[number];

export class ExportPanel {
  readonly element = h("section", { class: "exports", "aria-label": t("export") });
  private readonly scopes = new Map<Scope, [HTMLInputElement, HTMLElement]>();
  private readonly buttons: HTMLButtonElement[];
  private readonly progress = h("progress", { "aria-label": t("export") });
  private readonly status = h("output", {});
  private readonly cancel: HTMLButtonElement;
  private readonly running: HTMLElement;
  private readonly result = h("p", { class: "hint kept", "aria-live": "polite" });
  private readonly zip = button(t("downloadZip"), () => void this.downloadZip(), { class: "small download-zip", hidden: true });
  /** Null where there are no pictures. */
  private readonly dataset: DatasetForm | null = null;
  /** The last export that can be downloaded. */
  private zipped = { job: "", name: "" };
  private chosen: Scope | null = null;
  /** State in which the scope was chosen: it applies only to that state. */
  private chosenFor = "";

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    private readonly say: (text: string, time?: number) => void,
  ) {
    const radios = SCOPES.map((scope) => {
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
    if (model.facts.hasPictures) {
      this.dataset = new DatasetForm((choices) => void this.exportDataset(choices));
      this.dataset.element.addEventListener("change", () => this.refresh());
    }
    const issues = new IssueExports(model, server, (kind) => void this.exportTable(kind, null, (name) => t("issuesExported", { file: name })), (text) => this.report(text));
    this.element.append(
      h("h3", { text: t("export") }),
      h("div", { class: "scopes", role: "radiogroup", "aria-label": t("exportWhat") }, ...radios),
      h("div", { class: "buttons" }, ...this.buttons),
      this.dataset?.element ?? "",
      this.running,
      this.result,
      this.zip,
      issues.element,
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
    if (scope === "others") return [nSelected ? n - nSelected : 0, t("whatOthers", { n: n - nSelected })];
    return scope === "shown" ? [nVisible, t("whatShown", { n: nVisible })] : [n, t("whatAll", { n })];
  }

  private refresh(): void {
    const now = this.scope;
    for (const [scope, [input, text]] of this.scopes) {
      const [n, what] = this.describe(scope);
      if (scope === "others") input.parentElement!.hidden = this.model.nSelected === 0;
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
    if (!this.dataset) return;
    this.dataset.describe(what);
    this.dataset.button.disabled = n === 0 || !this.running.hidden;
  }

  private ids(scope: Scope): number[] | null {
    const { model } = this;
    if (scope === "all") return null;
    if (scope === "others") {
      const selected = new Set(model.selectedRows());
      return model.idsOf(Array.from({ length: model.n }, (_, row) => row).filter((row) => !selected.has(row)));
    }
    return model.idsOf(scope === "selected" ? model.selectedRows() : model.visibleRows());
  }

  private async export(kind: (typeof KINDS)[number]): Promise<void> {
    const [n] = this.describe(this.scope);
    const ids = this.ids(this.scope);
    if (kind !== "folder") return this.exportTable(kind, ids, (file) => t("exported", { n, file }));
    await this.exportFolder({ kind, ids }, n, t("exportAsk", { n, size: this.size(n) }));
  }

  private async exportTable(kind: string, ids: number[] | null, describe: (file: string) => string): Promise<void> {
    try {
      const response = await this.server.post("/api/export", { kind, ids });
      const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? `selection.${kind}`;
      const file = response.headers.get("X-Latentmap-File");
      download(await response.blob(), name);
      this.report(describe(file ? decodeURIComponent(file) : name));
    } catch (error) {
      this.report(errorMessage(error));
    }
  }

  private async exportDataset(choices: DatasetChoices): Promise<void> {
    const [n] = this.describe(this.scope);
    await this.exportFolder({ ...choices, ids: this.ids(this.scope) }, n, t("exportAskCopies", { n }));
  }

  private async exportFolder(asked: object, n: number, question: string): Promise<void> {
    if (n > MAX_UNCONFIRMED_FILES && !(await askToConfirm(question, t("exportDo", { n })))) return;
    try {
      const { job } = (await (await this.server.post("/api/export", asked)).json()) as { job: string };
      await this.watch(job, n);
    } catch (error) {
      this.report(errorMessage(error));
    }
  }

  private async downloadZip(): Promise<void> {
    const { job, name } = this.zipped;
    this.zip.disabled = true;
    try {
      download(await this.server.blob(`/api/export/${job}/zip`), `${name}.zip`);
    } catch (error) {
      this.report(errorMessage(error));
    } finally {
      this.zip.disabled = false;
    }
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
    this.zip.hidden = true;
    this.refresh();
    try {
      let now: ExportJob;
      while ((now = (await this.server.json(`/api/export/${job}`)) as ExportJob).state === "running") {
        this.progress.max = now.total;
        this.progress.value = now.done;
        if (!this.cancel.disabled) this.status.textContent = t("exportRuns", { done: now.done, total: now.total });
        await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
      }
      if (now.state === "done") {
        this.zipped = { job, name: (now.folder ?? "").split(/[/\\]/).at(-1)! };
        this.zip.hidden = !now.zip;
        this.report([t("exported", { n: now.total, file: now.folder ?? "" }), ...(now.notes ?? [])].join(" · "));
      } else this.report(now.state === "cancelled" ? t("exportCancelled") : t("exportFailed", { why: now.error ?? "" }));
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
