// Loads the pictures of cells a few at a time, the latest first: those that were scrolled past are not loaded at all.

const MAX_LOADING = 6; // as many as browsers load from one host

export class PictureQueue {
  private readonly waiting: { element: Element; load: () => Promise<unknown> }[] = [];
  private nLoading = 0;

  /** Load a picture if its element is still on the page when its turn comes. */
  add(element: Element, load: () => Promise<unknown>): void {
    this.waiting.push({ element, load });
    if (this.waiting.length === 1) queueMicrotask(() => this.next()); // when all of a view are in the queue
  }

  private next(): void {
    while (this.nLoading < MAX_LOADING && this.waiting.length) {
      const { element, load } = this.waiting.pop()!;
      if (!element.isConnected) continue;
      this.nLoading += 1;
      load()
        .catch(() => undefined) // the picture says itself that it is missing
        .finally(() => {
          this.nLoading -= 1;
          this.next();
        });
    }
  }
}
