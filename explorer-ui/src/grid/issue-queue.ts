// Images with an issue that the audit found, of one kind at a time, until the issue is accepted or dismissed.

import type { Server } from "../data/server";
import type { Edit, Issue, Verdict } from "../data/types";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";

export class IssueQueue {
  /** Rows whose issue was accepted. */
  accepted: number[] = [];
  /** The kind whose issues are loaded; "" for none. */
  private kind = "";
  private loadedFor = "";
  private asked = "";
  /** The open issues by row, the worst first: not all if there are many. */
  private readonly open = new Map<number, Issue>();

  constructor(
    private readonly model: Model,
    private readonly server: Pick<Server, "issues">,
  ) {}

  /** Kinds of issues that were found, with their numbers of images on which nothing was decided yet. */
  get counts(): { [kind: string]: number } {
    return this.model.edits.openIssues ?? {};
  }

  /** Load the issues of a kind, unless those of this revision are loaded. */
  async load(kind: string): Promise<void> {
    const wanted = `${kind} ${this.model.edits.revision}`;
    this.asked = wanted;
    if (wanted === this.loadedFor) return;
    const { open, accepted } = await this.server.issues(kind);
    if (wanted !== this.asked) return; // a later answer may have come before this one
    this.open.clear();
    for (const issue of open) this.open.set(this.model.rowOf[issue.id], issue);
    this.accepted = accepted.map((id) => this.model.rowOf[id]);
    [this.kind, this.loadedFor] = [kind, wanted];
  }

  /** Rows with an open issue, the worst first. */
  get rows(): number[] {
    return [...this.open.keys()];
  }

  has(row: number): boolean {
    return this.open.has(row);
  }

  /** What is known about the issue of a row: a note, or the image that it is about, or its score. */
  textOf(row: number): string {
    const issue = this.open.get(row);
    if (!issue) return "";
    return issue.note ?? (issue.related === null ? issue.score.toPrecision(2) : t("issueRelated", { id: issue.related }));
  }

  /** The edit that decides on the issue of a row. */
  edit(row: number, verdict: Verdict): Edit {
    return { kind: "review", ids: [this.model.points.id[row]], issue: this.kind, verdict };
  }
}
