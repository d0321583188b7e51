// Sends edits to the server, one at a time, and takes over edits that are made elsewhere.

import { t } from "../i18n/translate";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { recall, remember } from "../page/storage";
import { describeEdit, userName } from "./edit-text";
import { errorMessage } from "./error-message";
import { LiveUpdates, type RunState } from "./live-updates";
import { HttpError, type Server } from "./server";
import type { Edit, PastEdit, SharedEdits } from "./types";

const POLL_INTERVAL = 4000; // milliseconds
const OWN_SPREAD_TIME = 2000; // milliseconds in which news of spread labels are about those spread here
const USER = "user"; // in storage

export class Editor {
  /** A message about an edit for the user. */
  readonly notified = new Signal<string>();
  /** An edit was refused because something else was edited first; it can be repeated. */
  readonly conflicted = new Signal<{ text: string; repeat: () => void }>();
  /** The run on disk was replaced by another version. */
  readonly runReplaced = new Signal();
  /** Other edits are the last ones, or another user is the author. */
  readonly historyChanged = new Signal();
  /** The last edits, the latest first. */
  history: PastEdit[] = [];
  /** The name by which edits are recorded; "" until the server has said which one it uses. */
  user = "";
  private queue: Promise<void> = Promise.resolve();
  private readonly live: LiveUpdates;
  private labels: string | null | undefined = undefined;
  private spreadUntil = 0;

  constructor(
    private readonly model: Model,
    private readonly server: Server,
  ) {
    this.live = new LiveUpdates(server);
    this.live.changed.on((state) => this.take(state));
    this.live.ended.on(() => void this.refresh()); // says whether the server answers
    setInterval(() => {
      if (document.visibilityState === "visible" && !this.live.isLive) void this.refresh();
    }, POLL_INTERVAL);
    void this.refresh();
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

  /** Record further edits by another name; "" for that of the server. */
  rename(user: string): Promise<void> {
    remember(USER, user);
    return this.refresh();
  }

  /** Spread the labels to all images. */
  async spread(): Promise<Response> {
    this.spreadUntil = Infinity;
    try {
      return await this.server.post("/api/spread", {});
    } finally {
      this.spreadUntil = Date.now() + OWN_SPREAD_TIME;
    }
  }

  private enqueue(act: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(act);
    return this.queue;
  }

  private take(state: RunState): void {
    if (state.version !== this.model.facts.version) return this.runReplaced.emit();
    if (state.revision !== this.model.edits.revision) void this.refresh();
    if (this.labels !== undefined && state.labels !== this.labels && Date.now() > this.spreadUntil) this.notified.emit(t("spreadElsewhere"));
    this.labels = state.labels;
    this.server.jobsChanged.emit();
  }

  private async sendNow(edit: Edit): Promise<void> {
    const user = recall(USER);
    try {
      const request = { revision: this.model.edits.revision, edit, ...(user ? { user } : {}) };
      const response = await this.server.post("/api/edits", request);
      await this.update((await response.json()) as SharedEdits);
      this.notified.emit(t("saved"));
    } catch (error) {
      if (!(error instanceof HttpError) || error.status !== 409) {
        this.notified.emit(t("notSaved", { why: errorMessage(error) }));
        return;
      }
      await this.poll();
      const by = error.answer.by as PastEdit | undefined;
      if (!by) return this.notified.emit(t("notSaved", { why: errorMessage(error) }));
      const values = { who: userName(by.user), what: describeEdit(by), mine: describeEdit(edit) };
      this.conflicted.emit({ text: t("conflict", values), repeat: () => void this.send(edit) });
    }
  }

  private async poll(): Promise<void> {
    try {
      const user = recall(USER);
      const edits = (await this.server.json(`/api/edits${user ? `?user=${encodeURIComponent(user)}` : ""}`)) as SharedEdits;
      if (edits.version !== this.model.facts.version) this.runReplaced.emit();
      else await this.update(edits);
    } catch {
      // the connection banner or the next edit reports the error
    }
  }

  private async update(edits: SharedEdits): Promise<void> {
    const { canUndo, canRedo, revision } = this.model.edits;
    const isChanged = this.user !== edits.user || this.history[0]?.revision !== edits.history[0]?.revision;
    [this.history, this.user] = [edits.history, edits.user];
    if (edits.revision !== revision || edits.canUndo !== canUndo || edits.canRedo !== canRedo) await this.model.updateEdits(edits);
    if (isChanged) this.historyChanged.emit();
  }
}
