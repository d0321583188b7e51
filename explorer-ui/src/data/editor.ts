// Sends edits to the server, one at a time, and polls for edits made in other tabs.

import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { errorMessage } from "./error-message";
import { HttpError, type Server } from "./server";
import type { Edit, Edits } from "./types";

const POLL_INTERVAL = 4000; // milliseconds

export class Editor {
  /** A message about an edit for the user. */
  readonly notified = new Signal<string>();
  /** The run on disk was replaced by another version. */
  readonly runReplaced = new Signal();
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly model: Model,
    private readonly server: Server,
  ) {
    setInterval(() => {
      if (document.visibilityState === "visible") void this.enqueue(() => this.poll());
    }, POLL_INTERVAL);
  }

  send(edit: Edit): Promise<void> {
    return this.enqueue(() => this.sendNow(edit));
  }

  /** The group of each row, from 0 (-1: none), if the tree were cut into a number of groups. */
  previewCut(n: number): Promise<ArrayLike<number>> {
    return this.server.cut(n);
  }

  /** Take over edits that were made elsewhere. */
  refresh(): Promise<void> {
    return this.enqueue(() => this.poll());
  }

  private enqueue(act: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(act);
    return this.queue;
  }

  private async sendNow(edit: Edit): Promise<void> {
    try {
      const response = await this.server.post("/api/edits", { revision: this.model.edits.revision, edit });
      await this.model.updateEdits((await response.json()) as Edits);
      this.notified.emit(t("saved"));
    } catch (error) {
      const isConflict = error instanceof HttpError && error.status === 409;
      if (isConflict) await this.poll();
      this.notified.emit(isConflict ? t("changedElsewhere") : t("notSaved", { why: errorMessage(error) }));
    }
  }

  private async poll(): Promise<void> {
    try {
      const edits = (await this.server.json("/api/edits")) as Edits & { version: string };
      if (edits.version !== this.model.facts.version) this.runReplaced.emit();
      else if (edits.revision !== this.model.edits.revision) await this.model.updateEdits(edits);
    } catch {
      // the connection banner or the next edit reports the error
    }
  }
}
