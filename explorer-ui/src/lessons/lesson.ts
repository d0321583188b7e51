// A lesson is a tab of the panel "Learn".

import type { Server } from "../data/server";
import type { Model } from "../model/model";

export interface LessonContext {
  model: Model;
  server: Server;
  /** Register a function that is called when the tab is left. */
  onLeave(act: () => void): void;
  /** Register a function that is called when a job has begun or ended, until the tab is left. */
  onJobs(act: () => void): void;
}

/** Fills the body of a tab. The body is disconnected once the tab is left: late responses are then ignored. */
export type Lesson = (body: HTMLElement, context: LessonContext) => Promise<void>;
