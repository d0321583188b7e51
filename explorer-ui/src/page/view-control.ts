// Applies a view from the address, and changes colours, thumbnails, theme and language.

import { errorMessage } from "../data/error-message";
import { setLanguage, t } from "../i18n/translate";
import { THUMBNAIL_SIZES, type Camera, type ThumbnailSize } from "../map/camera";
import type { MapView } from "../map/map-view";
import { GROUP } from "../model/columns";
import type { Model } from "../model/model";
import type { Filters } from "../panels/filters";
import type { Header } from "../panels/header";
import type { Inspector } from "../panels/inspector";
import type { Search } from "../panels/search";
import { reloadPage } from "../widget/notebook";
import { readView, type Address, type View } from "./address";
import type { Message } from "./message";
import { recall, remember } from "./storage";

const LINK_TIME = 20_000; // milliseconds that a link is shown for copying by hand

interface ViewParts {
  model: Model;
  camera: Camera;
  view: MapView;
  header: Header;
  inspector: Inspector;
  filters: Filters;
  search: Search;
  address: Address;
  message: Message;
}

export class ViewControl {
  constructor(private readonly parts: ViewParts) {
    window.addEventListener("hashchange", () => void this.apply(readView(location.hash)));
  }

  async apply(view: View): Promise<void> {
    const { model, camera, header, inspector, filters, search } = this.parts;
    if (view.theme) document.documentElement.dataset.theme = view.theme === "light" ? "light" : "dark";
    if ((view.color ?? GROUP) !== model.colorBy) await this.colorBy(view.color ?? GROUP);
    const chosen = view.thumbnails ?? THUMBNAIL_SIZES.find((one) => one === recall("pictures")) ?? "auto";
    const size = model.facts.hasPictures ? chosen : "none";
    camera.thumbnailSize = size;
    header.showThumbnailSize(size);
    model.weights.apply(view.weights ?? "");
    if (view.x !== undefined) camera.set(view.x, view.y!, view.zoom!);
    const isFaint = view.faint ?? false;
    if (isFaint !== model.showFaint) {
      model.keepFaint(isFaint);
      filters.rebuild();
    }
    if (view.filters || model.filters.size) {
      await model.setFilters(view.filters ?? {});
      filters.rebuild();
    }
    if ((view.search ?? "") !== search.text) {
      header.search.value = view.search ?? "";
      await search.submit(header.search.value);
    }
    const row = view.image === undefined ? -1 : await model.find(view.image);
    if (row >= 0) inspector.pin(row);
    else inspector.clear();
  }

  async colorBy(name: string): Promise<void> {
    const { model, header, address, message } = this.parts;
    try {
      await model.colorByColumn(name);
      header.updateColorChoices();
      address.saveSoon();
    } catch (error) {
      message.show(errorMessage(error));
    }
  }

  setThumbnailSize(size: ThumbnailSize): void {
    const { camera, header, address, view } = this.parts;
    camera.thumbnailSize = size;
    remember("pictures", size);
    header.showThumbnailSize(size);
    address.saveSoon();
    view.update();
  }

  async copyLink(): Promise<void> {
    const { address, message } = this.parts;
    address.save();
    try {
      await navigator.clipboard.writeText(location.href);
      message.show(t("copied"));
    } catch {
      message.show(location.href, LINK_TIME);
    }
  }

  toggleTheme(): void {
    const { address, view } = this.parts;
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
    remember("theme", root.dataset.theme);
    address.saveSoon();
    view.minimap.repaint();
    view.invalidate();
  }

  toggleLanguage(): void {
    const language = document.documentElement.lang === "ko" ? "en" : "ko";
    setLanguage(language);
    remember("language", language);
    this.parts.address.save();
    reloadPage(); // the address keeps the view, and session storage the selection
  }
}
