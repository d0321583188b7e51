// Saves the view as a PNG or SVG file, and the page as one HTML file.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import { t } from "../i18n/translate";
import type { Camera } from "../map/camera";
import type { MapView } from "../map/map-view";
import type { Model } from "../model/model";
import { download } from "../page/dom";
import type { Message } from "../page/message";
import { imageLegend } from "./image-legend";
import { viewAsPng } from "./view-png";
import { viewAsSvg, type ViewColors } from "./view-svg";

const MAX_SIDE = 8192; // pixels of a saved image, within the limits of graphics processors
const HTML_TIME = 600_000; // milliseconds that saving a page may take
const ERROR_TIME = 10_000; // milliseconds

export class ViewSaver {
  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly view: MapView,
    private readonly message: Message,
  ) {}

  async saveHtml(server: Server): Promise<void> {
    const name = `${this.model.facts.name}.html`;
    this.message.show(t("savingHtml"), HTML_TIME);
    try {
      download(await server.blob("page.html"), name);
      this.message.show(t("savedFile", { name }));
    } catch (error) {
      this.message.show(errorMessage(error), ERROR_TIME);
    }
  }

  /** Save the view with `scale` times the resolution of the screen. */
  async savePng(scale: number): Promise<void> {
    this.message.show(t("savingImage"));
    const legend = await imageLegend(this.model);
    const { camera, view } = this;
    const ratio = Math.min(scale * devicePixelRatio, MAX_SIDE / Math.max(camera.width, camera.height));
    const png = view.drawAt(ratio, (map, overlay) => viewAsPng(map, overlay, view.labels, camera, this.colors, legend));
    download(await png, `${this.model.facts.name}.png`);
  }

  async saveSvg(): Promise<void> {
    const { model, camera, view } = this;
    const legend = await imageLegend(model);
    download(await viewAsSvg(model, camera, view.sprites, view.labels, this.colors, legend), `${model.facts.name}.svg`);
  }

  private get colors(): ViewColors {
    const { backgroundColor, color } = getComputedStyle(document.body);
    return { ground: backgroundColor, ink: color };
  }
}
