// K-means step by step, on the map or on two-dimensional blobs.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import { t } from "../i18n/translate";
import type { Camera } from "../map/camera";
import { categoryColor } from "../model/colors";
import type { Model } from "../model/model";
import { h } from "../page/dom";
import { drawBlobs, drawCenters, type KMeansSteps, type Position } from "./kmeans-drawing";
import type { LessonContext } from "./lesson";
import { StepPlayer } from "./step-player";

const BLOBS_SIDE = 260; // pixels
const MAX_CLUSTERS = 50;
const N_BLOBS = 3;

export class KMeansLesson {
  /** Centres on the map, now and a step before; null if K-means does not run on the map. */
  centers: { now: Position[]; before: Position[] } | null = null;
  private player: StepPlayer | null = null;

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly redraw: () => void,
  ) {}

  async open(body: HTMLElement, { server, onLeave }: LessonContext): Promise<void> {
    const nGroups = (): number => Math.max(2, this.model.edits.groups.length);
    const k = h("input", { type: "number", min: 2, max: MAX_CLUSTERS, value: nGroups(), "aria-label": t("clusters") });
    const seed = h("input", { type: "number", min: 0, max: 999, value: 0, "aria-label": t("seed") });
    const on = h("select", { "aria-label": t("kmeans") });
    on.append(h("option", { value: "map", text: t("onMap") }), h("option", { value: "blobs", text: t("onBlobs") }));
    const place = h("div");
    let request = 0;
    const load = async (): Promise<void> => {
      const current = ++request;
      place.replaceChildren(h("p", { class: "hint", text: "…" }));
      const isCurrent = (): boolean => body.isConnected && current === request;
      await this.load(server, `?k=${k.value}&seed=${seed.value}&on=${on.value}`, on.value === "map", place, isCurrent);
    };
    const reload = (): void => {
      this.reset();
      load().catch((error) => place.replaceChildren(h("p", { class: "hint", text: errorMessage(error) })));
    };
    on.addEventListener("change", () => {
      k.value = String(on.value === "blobs" ? N_BLOBS : nGroups());
      reload();
    });
    for (const input of [k, seed]) input.addEventListener("change", reload);
    onLeave(() => this.reset());
    body.replaceChildren(
      h("p", { text: t("kmeansText") }),
      h("div", { class: "buttons" }, on, h("label", {}, `${t("clusters")} `, k), h("label", {}, `${t("seed")} `, seed)),
      place,
    );
    await load();
  }

  /** Load all steps, and play them unless `isCurrent` says that other settings were chosen meanwhile. */
  private async load(server: Server, query: string, isOnMap: boolean, place: HTMLElement, isCurrent: () => boolean): Promise<void> {
    const [facts, column] = await Promise.all([
      server.json(`/api/learn/kmeans${query}`) as Promise<Omit<KMeansSteps, "labels">>,
      server.table(`/api/learn/kmeans/labels${query}`),
    ]);
    if (!isCurrent()) return;
    const steps: KMeansSteps = { ...facts, labels: facts.inertias.map((_, i) => column(`step${i}`) as ArrayLike<number>) };
    if (isOnMap) {
      this.player = new StepPlayer(steps.inertias, (step) => this.showOnMap(steps, step));
      return place.replaceChildren(this.player.element);
    }
    const points = await server.table(`/api/learn/kmeans/points${query}`);
    if (!isCurrent()) return;
    const canvas = h("canvas", { class: "blobs", width: 2 * BLOBS_SIDE, height: 2 * BLOBS_SIDE, role: "img", "aria-label": t("kmeans") });
    this.player = new StepPlayer(steps.inertias, (step) => drawBlobs(canvas, points("x"), points("y"), steps, step));
    place.replaceChildren(this.player.element, canvas);
  }

  private reset(): void {
    this.player?.pause();
    this.player = null;
    this.centers = null;
    void this.model.colorByFunction(null);
  }

  private showOnMap(steps: KMeansSteps, step: number): void {
    const labels = steps.labels[step];
    this.centers = { now: steps.centers[step], before: steps.centers[Math.max(0, step - 1)] };
    void this.model.colorByFunction((row) => categoryColor(row < steps.n ? labels[row] : -1));
    this.redraw();
  }

  /** Draw the centres on the overlay of the map. */
  draw(context: CanvasRenderingContext2D): void {
    if (!this.centers) return;
    const onScreen = (positions: Position[]): Position[] => positions.map((position) => this.camera.toScreen(...position));
    drawCenters(context, onScreen(this.centers.now), onScreen(this.centers.before));
  }
}
