// Images by a part of their file name, or like one that is dropped on the page.

import type { Camera } from "./camera";
import { sentence } from "./edits";
import { t } from "./i18n";
import type { Message } from "./message";
import type { Model } from "./model";
import { Server } from "./source";

const NEAREST_ZOOM = 3; // from which one looks at what is like an image

export class Search {
  /** What is searched for now. */
  text = "";

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly message: Message,
    private readonly show: (row: number) => void,
  ) {}

  async byName(text: string): Promise<void> {
    const wanted = text.trim();
    this.text = wanted;
    const { model, message } = this;
    if (!wanted) return model.setSearched(null);
    try {
      const rows = await this.rowsNamed(wanted);
      if (wanted !== this.text) return; // another was asked for meanwhile
      if (!rows.length) {
        model.setSearched(null);
        return message.say(t("searchNone", { text: wanted }));
      }
      model.setSearched(rows);
      message.say(t("searchFound", { n: rows.length }));
      if (rows.length === 1) this.show(rows[0]);
    } catch (error) {
      message.say(sentence(error));
    }
  }

  private async rowsNamed(part: string): Promise<number[]> {
    const { model } = this;
    if (model.source instanceof Server) {
      const found = (await model.source.json(`/api/search?q=${encodeURIComponent(part)}`)) as { ids: number[] };
      return found.ids.map((id) => model.rowOf[id]);
    }
    const paths = (await model.column("path")) as string[];
    const rows: number[] = [];
    for (let row = 0; row < model.n; row++) {
      if (String(paths[row]).toLowerCase().includes(part.toLowerCase())) rows.push(row);
    }
    return rows;
  }

  async byImage(file: File): Promise<void> {
    const { model, camera, message } = this;
    if (!(model.source instanceof Server)) return;
    try {
      const response = await model.source.post("/api/similar", file);
      const found = (await response.json()) as { neighbors: { id: number }[]; x: number; y: number };
      model.select(found.neighbors.map(({ id }) => model.rowOf[id]));
      message.say(t("like"));
      camera.flyTo(found.x, found.y, Math.max(NEAREST_ZOOM, camera.zoom));
    } catch (error) {
      message.say(sentence(error));
    }
  }
}
