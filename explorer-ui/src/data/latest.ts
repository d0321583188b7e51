// Requests of which only the latest counts.

/** Sends requests, and takes only the response to the latest one, however late earlier responses come. */
export class Latest<T> {
  private request = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly take: (value: T) => void,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** Ignore the responses to all requests so far, and send none that waits. */
  drop(): void {
    this.request += 1;
    clearTimeout(this.timer);
  }

  async ask(send: () => Promise<T>): Promise<void> {
    this.drop();
    const { request } = this;
    try {
      const value = await send();
      if (request === this.request) this.take(value);
    } catch (error) {
      if (request === this.request) this.fail(error);
    }
  }

  /** Send a request after a delay in milliseconds, unless another one follows before that. */
  askSoon(send: () => Promise<T>, delay: number): void {
    this.drop();
    this.timer = setTimeout(() => void this.ask(send), delay);
  }
}
