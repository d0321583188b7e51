// What is selected: how many, in which groups, a contact sheet; labels, marks and export.

import { css } from "./colors";
import { button, download, h } from "./dom";
import { sentence, type Editor } from "./edits";
import { t } from "./i18n";
import type { Model } from "./model";
import { Server } from "./source";
import { thumbnail } from "./thumbnails";
import { MARKS } from "./types";

const ON_SHEET = 120;

export class Selection {
  readonly element = h("section", { class: "selection", "aria-label": t("selection") });

  constructor(
    private readonly model: Model,
    private readonly editor: Editor | null,
    private readonly show: (row: number) => void,
    private readonly zoomTo: (rows: number[]) => void,
    private readonly say: (text: string) => void,
    private readonly colorBy: (name: string) => void,
  ) {
    this.rebuild();
  }

  rebuild(): void {
    const { model } = this;
    const rows = model.selectedRows();
    const head = h("h2", { text: t("selection") });
    if (!rows.length) {
      this.element.replaceChildren(head, h("p", { class: "hint", text: t("nothingSelected") }), ...this.exports([]));
      return;
    }
    const ids = model.idsOf(rows);
    this.element.replaceChildren(
      head,
      h("p", { "aria-live": "polite", class: "count", text: t("selected", { n: rows.length }) }),
      h(
        "div",
        { class: "buttons" },
        button(t("clear"), () => model.select([])),
        button(t("zoomTo"), () => this.zoomTo(rows)),
      ),
      this.composition(rows),
      this.sheet(rows),
      ...(this.editor ? this.work(ids) : []),
      ...this.exports(ids),
    );
  }

  private composition(rows: number[]): HTMLElement {
    const { model } = this;
    const counts = new Map<number, number>();
    for (const row of rows) counts.set(model.group[row], (counts.get(model.group[row]) ?? 0) + 1);
    const bars = [...counts].sort((a, b) => b[1] - a[1]).map(([number, count]) => {
      const group = model.edits.groups.find((one) => one.number === number);
      const bar = h("span", { class: "bar" });
      bar.style.width = `${(100 * count) / rows.length}%`;
      bar.style.background = css(model.groupColor(number));
      return h("li", {}, h("span", { class: "name", text: group ? model.groupName(group) : t("unsure") }), bar, h("span", { text: count }));
    });
    return h("div", {}, h("h3", { text: t("composition") }), h("ul", { class: "composition" }, ...bars));
  }

  private sheet(rows: number[]): HTMLElement {
    const { model } = this;
    const pictures = rows.slice(0, ON_SHEET).map((row) => {
      const id = model.points.id[row];
      const one = h(
        "button",
        { type: "button", class: "thumb", "aria-label": `${t("image")} ${id}`, on: { click: () => this.show(row) } },
        thumbnail(model, id, 32, ""),
      );
      return one;
    });
    const rest = rows.length - pictures.length;
    return h("div", { class: "sheet" }, ...pictures, rest > 0 ? h("p", { class: "hint", text: t("more", { n: rest }) }) : null);
  }

  private work(ids: number[]): HTMLElement[] {
    const editor = this.editor!;
    const input = h("input", { type: "text", maxlength: 200, list: "labels", "aria-label": t("labelSelection"), placeholder: t("labelSelection") });
    const apply = (): void => {
      if (input.value.trim()) void editor.send({ kind: "label", ids, label: input.value.trim() });
    };
    input.addEventListener("keydown", (event) => event.key === "Enter" && apply());
    const known = h("datalist", { id: "labels" }, ...this.model.edits.labels.map((name) => h("option", { value: name })));
    const marks = MARKS.map((mark) =>
      h(
        "div",
        { class: "buttons" },
        button(`${t("mark")}: ${t(mark)}`, () => void editor.send({ kind: "mark", ids, mark, on: true }), { "data-mark": mark }),
        button(t("unmark"), () => void editor.send({ kind: "mark", ids, mark, on: false }), { "aria-label": `${t("unmark")}: ${t(mark)}` }),
      ),
    );
    return [
      h("div", { class: "buttons label-form" }, input, known, button(t("apply"), apply), button(t("removeLabel"), () => void editor.send({ kind: "label", ids, label: "" }))),
      ...marks,
    ];
  }

  private exports(ids: number[]): HTMLElement[] {
    const { source } = this.model;
    if (!(source instanceof Server) || !this.editor) return [];
    const what = ids.length ? t("selected", { n: ids.length }) : t("all");
    const one = (kind: string): HTMLElement =>
      button(kind, () => void this.export(source, kind, ids), { "aria-label": t("exportAs", { kind }), "data-export": kind });
    const spread = this.model.edits.labels.length
      ? [h("div", { class: "buttons" }, button(t("spread"), () => void this.spread(source), { class: "spread" }))]
      : [];
    return [...spread, h("h3", { text: `${t("export")} (${what})` }), h("div", { class: "buttons" }, one("csv"), one("parquet"), one("folder"))];
  }

  private async export(server: Server, kind: string, ids: number[]): Promise<void> {
    try {
      const response = await server.post("/api/export", ids.length ? { kind, ids } : { kind });
      if (kind === "folder") {
        const { folder, n } = (await response.json()) as { folder: string; n: number };
        this.say(t("exportedFolder", { n, folder }));
      } else {
        const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? `selection.${kind}`;
        download(await response.blob(), name);
      }
    } catch (error) {
      this.say(sentence(error));
    }
  }

  private async spread(server: Server): Promise<void> {
    try {
      const found = (await (await server.post("/api/spread", {})).json()) as { labels: string[]; counts: number[]; codes: number[] };
      const name = t("spreadLabel");
      this.model.addColumn({ name, kind: "category", categories: found.labels }, Int32Array.from(found.codes));
      this.colorBy(name);
      this.say(t("spreadDone", { counts: found.labels.map((label, i) => `${label}: ${found.counts[i].toLocaleString()}`).join(", ") }));
    } catch (error) {
      this.say(sentence(error));
    }
  }
}
