// A button that starts a job of the server, with its progress below.

import { errorMessage } from "../data/error-message";
import { watchJob, type Job } from "../data/jobs";
import { t, type Key } from "../i18n/translate";
import { button, h } from "../page/dom";
import type { LessonContext } from "./lesson";

/** Make a button for a job; `done` is called when the job has succeeded. */
export function jobButton(name: string, label: Key, { server, onLeave, onJobs }: LessonContext, done: () => void): HTMLElement {
  const status = h("p", { class: "hint", "aria-live": "polite" });
  const request = (): Promise<Job | null> =>
    server.json(`/api/learn/${name}`).catch((error) => {
      status.textContent = errorMessage(error);
      return null;
    });
  const show = (job: Job): void => {
    if (job.running || job.failed) status.textContent = jobText(job);
    start.disabled = job.running;
    isWatched = job.running;
    if (!job.running && !job.failed) done();
  };
  let isWatched = false;
  const watch = (): void => {
    isWatched = true;
    onLeave(watchJob(request, show));
  };
  const start = button(t(label), () => {
    start.disabled = true;
    server.post(`/api/learn/${name}`, {}).then(watch, (error) => (status.textContent = errorMessage(error)));
  }, { "data-job": name });
  const watchIfRunning = (): void => {
    if (!isWatched) void request().then((job) => job?.running && !isWatched && watch());
  };
  watchIfRunning();
  onJobs(watchIfRunning); // started by another page
  return h("div", {}, start, status);
}

/** The progress of a job, or why it failed. */
export const jobText = ({ running, said }: Job): string => t(running ? "making" : "failed", { said: said ?? "" });
