// The issues that the audit found with what was decided on them, as files, and the images whose issues were accepted.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { button, h } from "../page/dom";

const KINDS = ["csv", "parquet"] as const;

export class IssueExports {
  readonly element = h("div", { class: "issue-exports" });

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    /** Download a table of all issues. */
    download: (kind: string) => void,
    private readonly report: (text: string) => void,
  ) {
    this.element.append(
      h("h4", { text: t("issues") }),
      h(
        "div",
        { class: "buttons" },
        ...KINDS.map((kind) =>
          button(t(kind), () => download(`issues-${kind}`), { "data-export": `issues-${kind}`, "aria-label": t("exportIssues", { kind: t(kind) }) }),
        ),
        button(t("selectAllAccepted"), () => void this.selectAccepted(), { class: "select-all-accepted" }),
      ),
    );
    model.editsChanged.on(() => this.refresh());
    this.refresh();
  }

  private refresh(): void {
    this.element.hidden = Object.keys(this.model.edits.openIssues ?? {}).length === 0;
  }

  private async selectAccepted(): Promise<void> {
    try {
      const { accepted } = (await this.server.json(this.server.versioned("/api/issues"))) as { accepted: number[] };
      this.model.select(accepted.map((id) => this.model.rowOf[id]));
      if (!accepted.length) this.report(t("noneAccepted"));
    } catch (error) {
      this.report(errorMessage(error));
    }
  }
}
