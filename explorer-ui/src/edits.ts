// Changes that are saved in the run: one request each, and a look now and then at what other tabs have done.

import { Signal } from "./dom";
import { t } from "./i18n";
import type { Model } from "./model";
import { Refusal, type Server } from "./source";
import type { Edit, Edits } from "./types";

const LOOK_EVERY = 4000; // milliseconds

export class Editor {
  readonly said = new Signal<string>();
  /** The run on disk is another one now. */
  readonly replaced = new Signal();
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly model: Model,
    private readonly server: Server,
  ) {
    setInterval(() => {
      if (document.visibilityState === "visible") void this.look();
    }, LOOK_EVERY);
  }

  /** Change something; one change after the other. */
  send(edit: Edit): Promise<void> {
    this.queue = this.queue.then(() => this.sendNow(edit));
    return this.queue;
  }

  private async sendNow(edit: Edit): Promise<void> {
    try {
      const response = await this.server.post("/api/edits", { revision: this.model.edits.revision, edit });
      await this.model.takeEdits((await response.json()) as Edits);
      this.said.tell(t("saved"));
    } catch (error) {
      const conflict = error instanceof Refusal && error.status === 409;
      if (conflict) await this.look();
      this.said.tell(conflict ? t("changedElsewhere") : t("notSaved", { why: sentence(error) }));
    }
  }

  private async look(): Promise<void> {
    try {
      const edits = (await this.server.json("/api/edits")) as Edits & { version: string };
      if (edits.version !== this.model.facts.version) this.replaced.tell();
      else if (edits.revision !== this.model.edits.revision) await this.model.takeEdits(edits);
    } catch {
      // the next change will say so
    }
  }
}

/** An error for people. */
export function sentence(error: unknown): string {
  if (error instanceof Refusal) return error.status === 401 ? t("noToken") : error.message;
  return t("noServer");
}
