// Images with an issue that the audit found, of one kind at a time, until the issue is accepted or dismissed.

import type { Server } from "../data/server";
import type { Issue } from "../data/types";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";

export class IssueQueue {
  /** The kind whose issues are loaded; "" for none. */
  private kind = "";
  private loadedFor = "";
  private readonly issues = new Map<number, Issue>();

  constructor(
    private readonly model: Model,
    private readonly server: Server,
  ) {}

  /** Kinds of issues that were found, with their numbers of images without a decision. */
  get kinds(): [string, number][] {
    const { facts, edits } = this.model;
    return Object.entries(facts.issues ?? {}).map(([kind, n]) => [kind, Math.max(0, n - (edits.reviewed?.[kind] ?? 0))]);
  }

  /** Load the issues of a kind, and what was decided by now. */
  async load(kind: string): Promise<void> {
    const wanted = `${kind} ${this.model.edits.revision}`;
    if (wanted === this.loadedFor) return;
    const found = await this.server.issues(kind);
    this.issues.clear();
    for (const issue of found) {
      const row = this.model.rowOf[issue.id];
      if (row !== undefined && !this.issues.has(row)) this.issues.set(row, issue);
    }
    [this.kind, this.loadedFor] = [kind, wanted];
  }

  /** Rows whose issue has some verdict, the worst first. */
  rowsOf(verdict: Issue["verdict"]): number[] {
    return [...this.issues].filter(([, issue]) => issue.verdict === verdict).map(([row]) => row);
  }

  /** What is known about the issue of a row: a note, or the image that it is about. */
  textOf(row: number): string {
    const issue = this.issues.get(row);
    if (!issue) return "";
    return issue.note ?? (issue.related === null ? round(issue.score) : t("issueRelated", { id: issue.related }));
  }

  /** The edit that decides on the issue of a row. */
  edit(row: number, verdict: Issue["verdict"]): { kind: "review"; ids: number[]; issue: string; verdict: Issue["verdict"] } {
    return { kind: "review", ids: [this.model.points.id[row]], issue: this.kind, verdict };
  }
}

const round = (score: number): string => score.toPrecision(2);
