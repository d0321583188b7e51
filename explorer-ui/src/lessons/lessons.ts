// The panel "Learn": perplexity, K-means step by step, the training, and ReLU beside ELU.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import { t, type Key } from "../i18n/translate";
import type { Camera } from "../map/camera";
import type { Model } from "../model/model";
import { button, h } from "../page/dom";
import { activationsLesson } from "./activations";
import { KMeansLesson } from "./kmeans";
import type { Lesson } from "./lesson";
import { perplexityLesson } from "./perplexity";
import { trainingLesson } from "./training";

export class Lessons {
  readonly element = h("section", { class: "learn", "aria-label": t("learn"), hidden: true });
  readonly kmeans: KMeansLesson;
  private readonly tabs: HTMLButtonElement[];
  private body = makeBody();
  private leaveActs: (() => void)[] = [];
  private jobActs: (() => void)[] = [];

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    camera: Camera,
    redraw: () => void,
  ) {
    server.jobsChanged.on(() => this.jobActs.forEach((act) => act()));
    this.kmeans = new KMeansLesson(model, camera, redraw);
    const lessons: [Key, Lesson][] = [
      ["perplexity", perplexityLesson],
      ["kmeans", (body, context) => this.kmeans.open(body, context)],
      ...(model.facts.hasDecoder ? ([["training", trainingLesson]] as [Key, Lesson][]) : []),
      ...(model.facts.hasPictures ? ([["activations", activationsLesson]] as [Key, Lesson][]) : []),
    ];
    this.tabs = lessons.map(([name, lesson]) =>
      button(t(name), () => this.openTab(name, lesson), { role: "tab", "data-tab": name, "aria-selected": "false" }),
    );
    const close = button("×", () => this.close(), { class: "small", "aria-label": t("closeLearn") });
    this.element.append(h("div", { class: "tabs" }, h("div", { class: "buttons", role: "tablist" }, ...this.tabs), close), this.body);
  }

  toggle(): void {
    if (!this.element.hidden) return this.close();
    this.element.hidden = false;
    this.tabs[0].click();
  }

  close(): void {
    this.leave();
    this.element.hidden = true;
  }

  private openTab(name: Key, lesson: Lesson): void {
    for (const tab of this.tabs) tab.setAttribute("aria-selected", String(tab.dataset.tab === name));
    this.leave();
    const { model, server, body, leaveActs, jobActs } = this;
    lesson(body, { model, server, onLeave: (act) => leaveActs.push(act), onJobs: (act) => jobActs.push(act) }).catch((error) =>
      body.replaceChildren(h("p", { class: "hint", text: errorMessage(error) })),
    );
  }

  /** Leave the current tab, and start with an empty body. */
  private leave(): void {
    for (const act of this.leaveActs) act();
    this.leaveActs = [];
    this.jobActs = [];
    const body = makeBody();
    this.body.replaceWith(body);
    this.body = body;
  }
}

const makeBody = (): HTMLElement => h("div", { class: "learn-body", role: "tabpanel" });
