// What is selected, told to Python: always what the page shows now, one message after the other.

import { Refusal, type Server } from "./source";

const AGAIN_AFTER = 3000; // milliseconds after a message that did not arrive

export class Told {
  private isStale = false;
  private isSending = false;

  constructor(
    private readonly server: Server,
    private readonly ids: () => number[],
  ) {
    window.addEventListener("focus", () => this.tell()); // another tab may have told of its own
  }

  tell(): void {
    this.isStale = true;
    if (!this.isSending) void this.send();
  }

  private async send(): Promise<void> {
    this.isSending = true;
    while (this.isStale) {
      this.isStale = false;
      try {
        await this.server.post("api/selection", { ids: this.ids() });
      } catch (error) {
        if (!(error instanceof Refusal)) setTimeout(() => this.tell(), AGAIN_AFTER);
        break;
      }
    }
    this.isSending = false;
  }
}
