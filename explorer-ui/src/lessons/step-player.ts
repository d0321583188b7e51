// Plays the steps of K-means, with buttons to step, play and pause.

import { t } from "../i18n/translate";
import { button, h } from "../page/dom";

const STEP_TIME = 900; // milliseconds

export class StepPlayer {
  readonly element: HTMLElement;
  private step = 0;
  private timer = 0;
  private isPlaying = false;
  private readonly status = h("p", { "aria-live": "polite", class: "step" });
  private readonly backButton = button(t("back"), () => (this.pause(), this.goTo(this.step - 1)), { "data-kmeans": "back" });
  private readonly stepButton = button(t("step"), () => (this.pause(), this.goTo(this.step + 1)), { "data-kmeans": "step" });
  private readonly playButton = button(t("play"), () => this.toggle(), { "data-kmeans": "play" });

  constructor(
    private readonly inertias: number[],
    private readonly show: (step: number) => void,
  ) {
    this.element = h("div", {}, h("div", { class: "buttons" }, this.backButton, this.playButton, this.stepButton), this.status);
    this.goTo(0);
  }

  private get last(): number {
    return this.inertias.length - 1;
  }

  private goTo(step: number): void {
    this.step = Math.max(0, Math.min(this.last, step));
    const inertia = this.inertias[this.step].toPrecision(5);
    this.status.textContent = t("stepOf", { t: this.step + 1, n: this.last + 1, inertia });
    this.backButton.disabled = this.step === 0;
    this.stepButton.disabled = this.step === this.last;
    this.show(this.step);
  }

  private toggle(): void {
    if (this.isPlaying) return this.pause();
    this.setPlaying(true);
    if (this.step === this.last) this.goTo(0);
    this.timer = setInterval(() => {
      this.goTo(this.step + 1);
      if (this.step === this.last) this.pause();
    }, STEP_TIME);
  }

  pause(): void {
    clearInterval(this.timer);
    this.setPlaying(false);
  }

  private setPlaying(isPlaying: boolean): void {
    this.isPlaying = isPlaying;
    this.playButton.textContent = t(isPlaying ? "pause" : "play");
    this.playButton.dataset.playing = String(isPlaying);
  }
}
