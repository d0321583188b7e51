// Sends the selection to the server, where Python reads it; one request at a time, always the current selection.

import { HttpError, type Server } from "./server";

const RETRY_DELAY = 3000; // milliseconds after a request that failed

export class SelectionSync {
  private isStale = false;
  private isSending = false;

  constructor(
    private readonly server: Server,
    private readonly ids: () => number[],
  ) {
    window.addEventListener("focus", () => this.send()); // another tab may have sent its own selection
  }

  /** Send the selection, after the request in progress if there is one. */
  send(): void {
    this.isStale = true;
    if (!this.isSending) void this.sendUntilCurrent();
  }

  private async sendUntilCurrent(): Promise<void> {
    this.isSending = true;
    while (this.isStale) {
      this.isStale = false;
      try {
        await this.server.post("api/selection", { ids: this.ids() });
      } catch (error) {
        if (!(error instanceof HttpError)) setTimeout(() => this.send(), RETRY_DELAY);
        break;
      }
    }
    this.isSending = false;
  }
}
