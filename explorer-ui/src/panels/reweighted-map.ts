// A map and groups by other weights of the kinds of features: a job makes them, and they replace the map of the run for a while.

import { errorMessage } from "../data/error-message";
import { watchJob, type Job } from "../data/jobs";
import type { Server } from "../data/server";
import { t } from "../i18n/translate";
import { jobText } from "../lessons/job-button";
import { GROUP } from "../model/columns";
import type { Model } from "../model/model";
import { Signal } from "../model/signal";
import { button, h } from "../page/dom";
import { fractionsText } from "./difference";

interface MapJob extends Job {
  ready: boolean;
}

export class ReweightedMap {
  /** The button that starts the job, and its progress. */
  readonly element: HTMLElement;
  /** What is shown, and the way back; it lies over the map. */
  readonly banner = h("section", { class: "other-map", "aria-label": t("otherMap"), hidden: true });
  /** The map of the run is about to be left. */
  readonly starting = new Signal();
  /** Another map is shown. */
  readonly changed = new Signal();
  private readonly status = h("p", { class: "hint", role: "status" });
  private readonly start = button(t("makeOtherMap"), () => void this.make(), { "data-act": "other-map" });
  private readonly cancel = button(t("cancel"), () => void this.end(), { "data-act": "cancel-map", hidden: true });
  private colorButton: HTMLButtonElement | null = null;
  /** Weights of the map that is being made; "" if none is. */
  private making = "";
  private colorBefore = GROUP;

  constructor(
    private readonly model: Model,
    private readonly server: Server,
    private readonly colorBy: (name: string) => void,
  ) {
    this.element = h("div", {}, h("div", { class: "buttons" }, this.start, this.cancel), this.status, h("p", { class: "hint", text: t("otherMapNote") }));
    model.weights.changed.on(() => this.update());
    model.colorsChanged.on(() => this.colorButton?.setAttribute("aria-pressed", String(this.isColored)));
    this.update();
  }

  get isShown(): boolean {
    return !this.banner.hidden;
  }

  private get isColored(): boolean {
    return this.model.colorBy === t("groupsByWeights");
  }

  private update(): void {
    this.cancel.hidden = this.making === "";
    this.start.disabled = this.making !== "" || this.model.weights.text === "";
  }

  private address(path: string, weights: string): string {
    return `/api/${path}?weights=${encodeURIComponent(weights)}`;
  }

  /** Follow a job that is running since before the page was loaded. */
  async resume(): Promise<void> {
    const weights = this.model.weights.text;
    const job = weights ? await this.ask(weights) : null;
    if (job?.running && !this.making) this.watch(weights, this.describe());
  }

  /** Start the job for the weights of the sliders; a map that is ready is shown at once. */
  private async make(): Promise<void> {
    const weights = this.model.weights.text;
    const description = this.describe();
    this.setMaking(weights);
    try {
      const job = (await (await this.server.post(this.address("reweighted", weights), {})).json()) as MapJob;
      if (job.ready) await this.finish(job, weights, description);
      else this.watch(weights, description);
    } catch (error) {
      this.setMaking("");
      this.status.textContent = errorMessage(error);
    }
  }

  private async end(): Promise<void> {
    try {
      await this.server.post(this.address("reweighted/cancel", this.making), {});
    } catch (error) {
      this.status.textContent = errorMessage(error);
    }
  }

  private watch(weights: string, description: string): void {
    this.setMaking(weights);
    this.status.textContent = t("making", { said: description });
    watchJob(
      () => this.ask(weights),
      (job) => {
        if (job.running) this.status.textContent = `${description}. ${jobText(job)}`;
        else void this.finish(job, weights, description);
      },
    );
  }

  private ask(weights: string): Promise<MapJob | null> {
    return this.server.json(this.address("reweighted", weights)).catch((error) => {
      this.status.textContent = errorMessage(error);
      return null;
    });
  }

  private async finish(job: MapJob, weights: string, description: string): Promise<void> {
    this.setMaking("");
    this.status.textContent = job.ready ? "" : jobText(job);
    if (!job.ready) return;
    try {
      await this.show(weights, description);
      this.status.textContent = t("otherMapShown", { weights: description });
    } catch (error) {
      this.status.textContent = errorMessage(error);
    }
  }

  private setMaking(weights: string): void {
    this.making = weights;
    this.update();
  }

  /** The weights of the sliders in words. */
  private describe(): string {
    const { weights } = this.model;
    return fractionsText(Object.fromEntries(weights.kinds.map((kind) => [kind, weights.fraction(kind)])));
  }

  private async show(weights: string, description: string): Promise<void> {
    const { model, server } = this;
    const column = await server.table(`${server.versioned("/api/reweighted/map")}&weights=${encodeURIComponent(weights)}`);
    this.starting.emit();
    const [x, y, group] = [column("x") as Float32Array, column("y") as Float32Array, column("group") as Int32Array];
    model.setPositions(x, y);
    const codes = new Int32Array(model.n).fill(-1);
    codes.set(group);
    const categories = Array.from({ length: Math.max(-1, ...new Set(group)) + 1 }, (_, number) => t("otherGroup", { n: number }));
    model.addColumn({ name: t("groupsByWeights"), kind: "category", categories }, codes);
    if (this.isColored) this.colorBy(t("groupsByWeights"));
    this.fillBanner(description, x.length);
    this.changed.emit();
  }

  private fillBanner(description: string, n: number): void {
    const text = t("otherMapBy", { weights: description });
    this.colorButton = button(t("colorByOther"), () => this.toggleColors(), { "data-act": "color-other", "aria-pressed": String(this.isColored) });
    this.banner.replaceChildren(
      h("p", { text: n < this.model.n ? `${text} (${t("images", { n })})` : text }),
      h("div", { class: "buttons" }, this.colorButton, button(t("ownMap"), () => this.back(), { "data-act": "own-map" })),
    );
    this.banner.hidden = false;
  }

  private toggleColors(): void {
    const { colorBy } = this.model;
    if (this.isColored) return this.colorBy(this.colorBefore);
    this.colorBefore = colorBy;
    this.colorBy(t("groupsByWeights"));
  }

  /** Return to the map of the run, and to the colours that it had. */
  back(): void {
    if (!this.isShown) return;
    const hadFocus = this.banner.contains(document.activeElement);
    this.banner.hidden = true;
    this.model.setPositions(null, null);
    this.status.textContent = "";
    if (this.isColored) this.colorBy(this.colorBefore);
    this.changed.emit();
    if (hadFocus) this.start.focus();
  }
}
