// What is exported is what the buttons say: the selection, what is shown, or all.

import { ask } from "./ask";
import { button, download, h } from "./dom";
import { sentence } from "./edits";
import { t } from "./i18n";
import type { Model } from "./model";
import type { Server } from "./source";
import type { Job } from "./types";

const KINDS = ["csv", "parquet", "folder"] as const;
const MOST_UNASKED = 1000; // files that are written without a question
const BLOCK = 4096; // bytes that a file takes at least
const LOOK_EVERY = 300; // milliseconds, while a folder is written
const SAID_FOR = 15_000; // milliseconds

type Scope = "selected" | "shown" | "all";

export class Exports {
  readonly element = h("section", { class: "exports", "aria-label": t("export") });
  private readonly scopes = new Map<Scope, [HTMLInputElement, HTMLElement]>();
  private readonly buttons: HTMLButtonElement[];
  private readonly progress = h("progress", { "aria-label": t("export") });
  private readonly says = h("output", {});
  private readonly cancel: HTMLButtonElement;
  private readonly running: HTMLElement;
  private readonly kept = h("p", { class: "hint kept", "aria-live": "polite" });
  private chosen: Scope | null = null;
  /** What there was when it was chosen: another selection is another question. */
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
        [this.chosen, this.chosenFor] = [scope, this.situation];
        this.refresh();
      });
      this.scopes.set(scope, [input, text]);
      return h("label", { class: "check" }, input, text);
    });
    this.buttons = KINDS.map((kind) => button("", () => void this.export(kind), { "data-export": kind }));
    this.cancel = button(t("cancelExport"), () => undefined, { class: "small cancel-export" });
    this.running = h("div", { class: "running", hidden: true }, this.progress, this.says, this.cancel);
    this.element.append(
      h("h3", { text: t("export") }),
      h("div", { class: "scopes", role: "radiogroup", "aria-label": t("exportWhat") }, ...radios),
      h("div", { class: "buttons" }, ...this.buttons),
      this.running,
      this.kept,
    );
    model.selectionChanged.on(() => this.refresh());
    model.filtered.on(() => this.refresh());
    this.refresh();
  }

  private get situation(): string {
    return `${this.model.nSelected > 0} ${this.model.isFiltered}`;
  }

  /** The selection if there is one, else what a filter has left, else all; unless another was chosen. */
  private get scope(): Scope {
    const { model } = this;
    if (this.chosen && this.chosenFor === this.situation) return this.chosen;
    return model.nSelected ? "selected" : model.isFiltered ? "shown" : "all";
  }

  private what(scope: Scope): [number, string] {
    const { n, nVisible, nSelected } = this.model;
    if (scope === "selected") return [nSelected, t("whatSelected", { n: nSelected })];
    return scope === "shown" ? [nVisible, t("whatShown", { n: nVisible })] : [n, t("whatAll", { n })];
  }

  private refresh(): void {
    const now = this.scope;
    for (const [scope, [input, text]] of this.scopes) {
      const [n, what] = this.what(scope);
      input.checked = scope === now;
      input.disabled = n === 0;
      text.textContent = what;
    }
    const [n, what] = this.what(now);
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
    const [n] = this.what(this.scope);
    const ids = this.ids(this.scope);
    try {
      if (kind === "folder") return await this.exportFolder(ids, n);
      const response = await this.server.post("/api/export", { kind, ids });
      const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? `selection.${kind}`;
      const file = response.headers.get("X-Latentmap-File");
      download(await response.blob(), name);
      this.tell(t("exported", { n, file: file ? decodeURIComponent(file) : name }));
    } catch (error) {
      this.tell(sentence(error));
    }
  }

  private async exportFolder(ids: number[] | null, n: number): Promise<void> {
    if (n > MOST_UNASKED && !(await ask(t("exportAsk", { n, size: this.size(n) }), t("exportDo", { n })))) return;
    const { job } = (await (await this.server.post("/api/export", { kind: "folder", ids })).json()) as { job: string };
    await this.watch(job, n);
  }

  /** The room that files take at most, as their pixels are. */
  private size(n: number): string {
    const bytes = n * BLOCK * Math.ceil(this.model.facts.imageShape.reduce((product, size) => product * size, 1) / BLOCK);
    const unit = bytes < 1e9 ? "megabyte" : "gigabyte";
    const format = new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, maximumSignificantDigits: 2 });
    return format.format(bytes / (unit === "megabyte" ? 1e6 : 1e9));
  }

  private async watch(job: string, n: number): Promise<void> {
    this.running.hidden = false;
    this.progress.max = n;
    this.progress.value = 0;
    this.says.textContent = t("exportRuns", { done: 0, total: n });
    this.cancel.disabled = false;
    this.cancel.onclick = () => {
      this.cancel.disabled = true;
      this.says.textContent = t("exportEnds");
      this.server.post(`/api/export/${job}/cancel`, {}).catch((error) => this.tell(sentence(error)));
    };
    this.kept.textContent = "";
    this.refresh();
    try {
      let now: Job;
      while ((now = (await this.server.json(`/api/export/${job}`)) as Job).state === "running") {
        this.progress.max = now.total;
        this.progress.value = now.done;
        if (!this.cancel.disabled) this.says.textContent = t("exportRuns", { done: now.done, total: now.total });
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
      }
      if (now.state === "done") this.tell([t("exportedFolder", { n: now.total, folder: now.folder ?? "" }), ...(now.notes ?? [])].join(" · "));
      else this.tell(now.state === "cancelled" ? t("exportCancelled") : t("exportFailed", { why: now.error ?? "" }));
    } finally {
      this.running.hidden = true;
      this.refresh();
    }
  }

  /** Say it for a while over the map, and keep it below the buttons. */
  private tell(text: string): void {
    this.kept.textContent = text;
    this.say(text, SAID_FOR);
  }
}
