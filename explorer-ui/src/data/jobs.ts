// Jobs of the server, which are asked for their state until they end.

const POLL_INTERVAL = 1000; // milliseconds

export interface Job {
  /** Whether it waits or runs. */
  running: boolean;
  queued: boolean;
  cancelled: boolean;
  failed: boolean;
  /** The last line that the job printed. */
  said: string | null;
}

/**
 * Show the state of a job each second until it has ended, at the latest when the returned function is called. `ask` gives null
 * when there is no answer, and is then called again.
 */
export function watchJob<T extends Job>(ask: () => Promise<T | null>, show: (job: T) => void): () => void {
  let isWatched = true;
  const stop = (): void => {
    isWatched = false;
    clearInterval(timer);
  };
  const timer = setInterval(async () => {
    const job = await ask();
    if (!job || !isWatched) return;
    if (!job.running) stop();
    show(job);
  }, POLL_INTERVAL);
  return stop;
}
