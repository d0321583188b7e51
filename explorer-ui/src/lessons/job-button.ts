// A button that starts a job of the server, with its progress below.

import { errorMessage } from "../data/error-message";
import { t, type Key } from "../i18n/translate";
import { button, h } from "../page/dom";
import type { LessonContext } from "./lesson";

const POLL_INTERVAL = 1000; // milliseconds

interface LessonJob {
  running: boolean;
  failed: boolean;
  said: string | null;
}

/** Make a button for a job; `done` is called when the job has succeeded. */
export function jobButton(name: string, label: Key, { server, onLeave }: LessonContext, done: () => void): HTMLElement {
  const status = h("p", { class: "hint", "aria-live": "polite" });
  let timer = 0;
  const request = (): Promise<LessonJob | null> =>
    server.json(`/api/learn/${name}`).catch((error) => {
      status.textContent = errorMessage(error);
      return null;
    });
  const poll = async (): Promise<void> => {
    const job = await request();
    if (!job) return;
    if (job.running) status.textContent = t("making", { said: job.said ?? "" });
    else if (job.failed) status.textContent = t("failed", { said: job.said ?? "" });
    start.disabled = job.running;
    if (!job.running) {
      clearInterval(timer);
      if (!job.failed) done();
    }
  };
  const watch = (): void => {
    timer = setInterval(() => void poll(), POLL_INTERVAL);
    onLeave(() => clearInterval(timer));
  };
  const start = button(t(label), () => {
    start.disabled = true;
    server.post(`/api/learn/${name}`, {}).then(watch, (error) => (status.textContent = errorMessage(error)));
  }, { "data-job": name });
  void request().then((job) => job?.running && watch());
  return h("div", {}, start, status);
}
