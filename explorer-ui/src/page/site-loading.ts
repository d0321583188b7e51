// Loads the rows of a folder of static files after the first picture, follows the view, and says how much is shown.

import { errorMessage } from "../data/error-message";
import type { StaticSite } from "../data/static-site";
import { t } from "../i18n/translate";
import type { Camera } from "../map/camera";
import type { MapView } from "../map/map-view";
import type { Model } from "../model/model";
import type { Inspector } from "../panels/inspector";
import { button, h } from "./dom";

const LOOK_DELAY = 200; // milliseconds without movement until the tiles in view are loaded
const MAX_WAIT = 4000; // milliseconds for the first picture until other rows are loaded

export class SiteLoading {
  readonly element = h("div", { class: "site-loading", role: "status" });
  private timer = 0;
  private isStarted = false;

  constructor(
    private readonly site: StaticSite,
    private readonly model: Model,
    private readonly camera: Camera,
    view: MapView,
    inspector: Inspector,
  ) {
    site.isHeld = ([first, end]) => inspector.row >= first && inspector.row < end;
    site.rowsLoaded.on((ranges) => {
      void model.takeRows(ranges);
      this.say();
    });
    view.frameDrawn.on(() => {
      if (view.nSprites || !model.facts.hasPictures) void this.start();
      if (!site.isWhole) this.lookSoon();
    });
    setTimeout(() => void this.start(), MAX_WAIT);
    this.say();
  }

  private async start(): Promise<void> {
    if (this.isStarted) return;
    this.isStarted = true;
    try {
      await this.site.loadAll();
      performance.mark("all-rows");
      this.say();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    const again = (): void => {
      this.isStarted = false;
      this.say();
      void this.start();
    };
    this.element.hidden = false;
    this.element.replaceChildren(`${errorMessage(error)} `, button(t("tryAgain"), again));
  }

  private lookSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.site.look(this.camera.bounds()).catch((error: unknown) => this.model.loadFailed.emit(error));
    }, LOOK_DELAY);
  }

  private say(): void {
    const { site, model } = this;
    const isLoading = site.progress < 1;
    this.element.hidden = !isLoading && site.isWhole;
    const percent = Math.floor(100 * site.progress);
    this.element.textContent = isLoading
      ? t("rowsLoading", { percent })
      : t("rowsShown", { n: model.nPresent, total: model.facts.nImages ?? model.n });
    this.element.title = isLoading ? "" : t("rowsShownHint");
  }
}
