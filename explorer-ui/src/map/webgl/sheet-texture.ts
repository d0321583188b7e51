// Loads sprite sheets into the layers of a texture array.

import type { Source } from "../../data/source";
import type { Facts } from "../../data/types";
import { LayerCache } from "./layer-cache";

const SHEET_SIDE = 1024; // pixels
const [MAX_GREY_LAYERS, MAX_COLOR_LAYERS] = [48, 24];
const MAX_REQUESTS = 6; // at the same time

export class SheetTexture {
  private readonly texture: WebGLTexture;
  private readonly isGrey: boolean;
  private readonly layers: LayerCache;
  private readonly loading = new Set<number>();
  /** The colours of channels that each sheet was mixed by; sheets of other colours are shown until they are replaced. */
  private readonly mixes = new Map<number, string | undefined>();

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly source: Source,
    facts: Facts,
    private readonly loaded: () => void,
  ) {
    this.isGrey = facts.imageShape.length === 2;
    const limit = gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS) as number;
    const nLayers = Math.min(this.isGrey ? MAX_GREY_LAYERS : MAX_COLOR_LAYERS, facts.pages.n, limit);
    this.layers = new LayerCache(nLayers);
    this.texture = this.makeTexture(Math.max(1, nLayers), facts.pages.width === facts.imageShape[1]);
  }

  private makeTexture(nLayers: number, isOriginalSize: boolean): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, this.isGrey ? gl.R8 : gl.RGBA8, SHEET_SIDE, SHEET_SIDE, nLayers);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    // small images show their pixels
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MAG_FILTER, isOriginalSize ? gl.NEAREST : gl.LINEAR);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D_ARRAY, side, gl.CLAMP_TO_EDGE);
    return texture;
  }

  /** Layer of a sheet; undefined while it is not loaded. */
  layerOf(sheet: number): number | undefined {
    return this.layers.get(sheet);
  }

  /** Load the sheets that are missing, a few at a time. */
  require(sheets: Set<number>): void {
    for (const sheet of sheets) {
      const { mix } = this.source;
      const isHere = this.layers.touch(sheet) && this.mixes.get(sheet) === mix;
      if (isHere || this.loading.has(sheet) || this.loading.size >= MAX_REQUESTS) continue;
      this.loading.add(sheet);
      this.source
        .spriteSheet(sheet)
        .then((bitmap) => {
          this.upload(sheet, bitmap, sheets);
          this.mixes.set(sheet, mix);
        })
        .catch(() => undefined) // requested again when it is next needed
        .finally(() => this.loading.delete(sheet))
        .then(() => this.loaded());
    }
  }

  private upload(sheet: number, bitmap: ImageBitmap, inUse: Set<number>): void {
    const { gl } = this;
    const layer = this.layers.get(sheet) ?? this.layers.assign(sheet, inUse);
    const format = this.isGrey ? gl.RED : gl.RGBA;
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const { width, height } = bitmap;
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, layer, width, height, 1, format, gl.UNSIGNED_BYTE, bitmap);
    bitmap.close();
  }

  bind(): void {
    this.gl.activeTexture(this.gl.TEXTURE0);
    this.gl.bindTexture(this.gl.TEXTURE_2D_ARRAY, this.texture);
  }
}
