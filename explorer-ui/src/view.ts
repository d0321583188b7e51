// A view has an address, so that it can be shared and comes back.

import { PICTURE_SIZES, type Camera, type PictureSize } from "./camera";
import type { Inspector } from "./inspector";
import { asFilter, GROUP, type Filter, type Model } from "./model";
import { systemLanguage, systemTheme } from "./remembered";
import type { Search } from "./search";

const SAVED_AFTER = 300; // milliseconds without a change

export interface View {
  x?: number;
  y?: number;
  zoom?: number;
  color?: string;
  image?: number;
  search?: string;
  filters?: { [name: string]: Filter };
  pictures?: PictureSize;
  theme?: string;
  language?: string;
}

/** The view in the part of the address after "#". */
export function readView(hash: string): View {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name: string): number | undefined => {
    const value = parseFloat(values.get(name) ?? "");
    return Number.isFinite(value) ? value : undefined;
  };
  const view: View = {};
  const [x, y, zoom, image] = ["x", "y", "z", "image"].map(number);
  if (x !== undefined && y !== undefined && zoom !== undefined) Object.assign(view, { x, y, zoom });
  if (image !== undefined) view.image = image;
  for (const [name, key] of [["color", "color"], ["q", "search"], ["theme", "theme"], ["lang", "language"]] as const) {
    const value = values.get(name);
    if (value) view[key] = value;
  }
  const pictures = PICTURE_SIZES.find((size) => size === values.get("pictures"));
  if (pictures) view.pictures = pictures;
  const filters = readFilters(values.get("filters") ?? "{}");
  if (Object.keys(filters).length) view.filters = filters;
  return view;
}

/** What is no filter is left out. */
function readFilters(text: string): { [name: string]: Filter } {
  let given: unknown = null;
  try {
    given = JSON.parse(text);
  } catch {
    // an address that was cut or typed
  }
  const filters: { [name: string]: Filter } = {};
  for (const [name, one] of Object.entries((given ?? {}) as { [name: string]: any })) {
    const filter = asFilter(one);
    if (filter) filters[name] = filter;
  }
  return filters;
}

export function writeView(view: View): string {
  const values = new URLSearchParams();
  if (view.x !== undefined) values.set("x", view.x.toPrecision(6));
  if (view.y !== undefined) values.set("y", view.y.toPrecision(6));
  if (view.zoom !== undefined) values.set("z", view.zoom.toFixed(3));
  if (view.color) values.set("color", view.color);
  if (view.image !== undefined) values.set("image", String(view.image));
  if (view.search) values.set("q", view.search);
  if (view.filters && Object.keys(view.filters).length) values.set("filters", JSON.stringify(view.filters));
  if (view.pictures) values.set("pictures", view.pictures);
  if (view.theme) values.set("theme", view.theme);
  if (view.language) values.set("lang", view.language);
  return `#${values}`;
}

/** The view that is seen, in the address bar. */
export class Address {
  private timer = 0;

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly inspector: Inspector,
    private readonly search: Search,
  ) {}

  /** Soon, since a browser takes few changes a second. */
  saveSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVED_AFTER);
  }

  save(): void {
    history.replaceState(null, "", `${location.pathname}${location.search}${writeView(this.view())}`);
  }

  private view(): View {
    const { model, camera, inspector, search } = this;
    const { theme } = document.documentElement.dataset;
    const language = document.documentElement.lang;
    return {
      x: camera.x,
      y: camera.y,
      zoom: camera.zoom,
      search: search.text,
      filters: Object.fromEntries(model.filters),
      ...(model.colorBy !== GROUP ? { color: model.colorBy } : {}),
      ...(inspector.pinned ? { image: model.points.id[inspector.row] } : {}),
      ...(camera.pictureSize !== "auto" ? { pictures: camera.pictureSize } : {}),
      // what the system would choose anyway is left to whoever opens the address
      ...(theme && theme !== systemTheme() ? { theme } : {}),
      ...(language !== systemLanguage() ? { language } : {}),
    };
  }
}
