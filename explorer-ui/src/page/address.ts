// The view in the part of the address after "#", so that it can be shared and restored.

import { THUMBNAIL_SIZES, type Camera, type ThumbnailSize } from "../map/camera";
import { GROUP } from "../model/columns";
import { asFilter, type Filter } from "../model/filter-rules";
import type { Model } from "../model/model";
import type { Inspector } from "../panels/inspector";
import type { Search } from "../panels/search";
import { systemLanguage, systemTheme } from "./storage";

const SAVE_DELAY = 300; // milliseconds without a change

export interface View {
  x?: number;
  y?: number;
  zoom?: number;
  color?: string;
  image?: number;
  search?: string;
  filters?: { [name: string]: Filter };
  thumbnails?: ThumbnailSize;
  theme?: string;
  language?: string;
  /** Weights of the kinds of features, unless the data chose them. */
  weights?: string;
  /** Whether filtered images are kept as faint dots. */
  faint?: boolean;
}

/** Parse a view; invalid parts are left out. */
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
  for (const [name, key] of [["color", "color"], ["q", "search"], ["theme", "theme"], ["lang", "language"], ["weights", "weights"]] as const) {
    const value = values.get(name);
    if (value) view[key] = value;
  }
  if (values.get("faint") === "1") view.faint = true;
  const thumbnails = THUMBNAIL_SIZES.find((size) => size === values.get("thumbnails"));
  if (thumbnails) view.thumbnails = thumbnails;
  const filters = readFilters(values.get("filters") ?? "{}");
  if (Object.keys(filters).length) view.filters = filters;
  return view;
}

/** Parse filters; invalid ones are left out. */
function readFilters(text: string): { [name: string]: Filter } {
  let given: unknown = null;
  try {
    given = JSON.parse(text);
  } catch {
    // the address was truncated or mistyped
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
  if (view.thumbnails) values.set("thumbnails", view.thumbnails);
  if (view.theme) values.set("theme", view.theme);
  if (view.language) values.set("lang", view.language);
  if (view.weights) values.set("weights", view.weights);
  if (view.faint) values.set("faint", "1");
  return `#${values}`;
}

function keepInAddressBar(address: string): void {
  history.replaceState(null, "", `${location.pathname}${location.search}${address}`);
}

/** Keeps the current view, in the address bar unless it is given another place. */
export class Address {
  private timer = 0;

  constructor(
    private readonly model: Model,
    private readonly camera: Camera,
    private readonly inspector: Inspector,
    private readonly search: Search,
    private readonly keep: (address: string) => void = keepInAddressBar,
  ) {}

  /** Save the view when it rests: browsers limit the number of changes per second. */
  saveSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_DELAY);
  }

  save(): void {
    this.keep(writeView(this.view()));
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
      ...(model.showFaint ? { faint: true } : {}),
      ...(model.weights.text ? { weights: model.weights.text } : {}),
      ...(camera.thumbnailSize !== "auto" && model.facts.hasPictures ? { thumbnails: camera.thumbnailSize } : {}),
      // settings equal to those of the system are left to the system of the reader
      ...(theme && theme !== systemTheme() ? { theme } : {}),
      ...(language !== systemLanguage() ? { language } : {}),
    };
  }
}
