// Keys that label or mark one image: digits give the labels that are used most, letters the marks.

import type { Editor } from "../data/editor";
import { MARKS, type Edit, type Mark } from "../data/types";
import { t } from "../i18n/translate";
import { LABEL } from "../model/columns";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";

const MAX_LABEL_KEYS = 9;
const MARK_KEYS: { [key: string]: Mark } = { o: "outlier", u: "duplicate", h: "hidden" };
const SKIP_KEY = "s";
const UNLABEL_KEY = "Delete";

/** A key and what it gives to an image. */
interface ReviewKey {
  key: string;
  name: string;
}

export class ReviewKeys {
  /** Other labels have a key. */
  readonly changed = new Signal();
  /** The label of each digit from 1; null if its label is no longer used. */
  private labels: (string | null)[] = [];

  constructor(
    private readonly model: Model,
    private readonly editor: Pick<Editor, "send">,
  ) {
    model.editsChanged.on(() => this.assign());
    this.assign();
  }

  /** Give digits to labels. A label keeps its digit while it is used, also if another one is used more by now. */
  private assign(): void {
    const { edits } = this.model;
    const counts = this.model.describe(LABEL)?.counts ?? [];
    const used = edits.labels.filter((_, code) => counts[code]).sort((a, b) => counts[edits.labels.indexOf(b)] - counts[edits.labels.indexOf(a)]);
    const before = JSON.stringify(this.labels);
    this.labels = this.labels.map((label) => (label !== null && used.includes(label) ? label : null));
    for (const label of used) {
      if (this.labels.includes(label)) continue;
      const free = this.labels.indexOf(null);
      if (free >= 0) this.labels[free] = label;
      else if (this.labels.length < MAX_LABEL_KEYS) this.labels.push(label);
    }
    if (JSON.stringify(this.labels) !== before) this.changed.emit();
  }

  /** All keys, labels first. */
  get keys(): ReviewKey[] {
    return [
      ...this.labels.flatMap((label, i) => (label === null ? [] : [{ key: String(i + 1), name: label }])),
      ...Object.entries(MARK_KEYS).map(([key, mark]) => ({ key, name: t(mark) })),
      { key: SKIP_KEY, name: t("skip") },
    ];
  }

  /** Do what a key says with an image; returns whether the next image follows. */
  press(key: string, row: number): boolean {
    const label = /^[1-9]$/.test(key) ? this.labels[Number(key) - 1] : key === UNLABEL_KEY ? "" : null;
    if (typeof label === "string") this.label(row, label);
    else if (MARK_KEYS[key]) this.mark(row, MARK_KEYS[key]);
    else return key === SKIP_KEY;
    return true;
  }

  /** Give an image a label, or none if it is "". */
  label(row: number, label: string): void {
    const { model } = this;
    const now = model.label[row] < 0 ? "" : model.edits.labels[model.label[row]];
    if (label !== now) this.send({ kind: "label", ids: [model.points.id[row]], label });
  }

  /** Mark an image, or unmark it if it has the mark. */
  private mark(row: number, mark: Mark): void {
    const isMarked = (this.model.marks[row] & (1 << MARKS.indexOf(mark))) > 0;
    this.send({ kind: "mark", ids: [this.model.points.id[row]], mark, on: !isMarked });
  }

  undo(): void {
    this.send({ kind: "undo" });
  }

  /** Record an edit. */
  send(edit: Edit): void {
    void this.editor.send(edit);
  }
}
