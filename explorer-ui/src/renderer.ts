// The map in WebGL 2: a density picture from afar, dots, and pictures from pages in a texture array.

import type { Camera } from "./camera";
import type { Rgb } from "./colors";
import { weighHeaps } from "./heaps";
import type { Model } from "./model";
import { compile, DENSITY, DOTS, PICTURES, type Program } from "./shaders";

export interface Picture {
  row: number;
  page: number;
  cell: number;
}

const PAGE_SIDE = 1024;
const DENSITY_SIDE = 512;
/** Dots that are drawn while the map moves; all of them once it rests. */
export const MOST_MOVING = 120_000;
const FLOATS = 9; // of a picture: place, cell and layer, colour, whether it or another is selected
const MANY = 20_000; // points from which dots are small
const LARGEST_DOT = 9; // side in pixels
const LARGEST_ALONE = 14; // where there are no pictures
const LARGEST_HEAP = 16;
const HEAP = 1.5; // sides of a dot within which dots are one heap
const FRAME = 0.1; // fraction of a picture's side
const [THINNEST, THICKEST] = [2, 6]; // pixels of a frame

/** Colours of the page, from 0 to 1. */
export interface Theme {
  ground: Rgb;
  ink: Rgb;
}

export const THEMES: { [name: string]: Theme } = {
  dark: { ground: [0.055, 0.067, 0.086], ink: [1, 1, 1] },
  light: { ground: [0.98, 0.98, 0.99], ink: [0.07, 0.08, 0.1] },
};

/** Width of the frame of a picture. */
export const frameOf = (side: number): number => Math.min(THICKEST, Math.max(THINNEST, Math.round(FRAME * side)));

export class Renderer {
  private readonly gl: WebGL2RenderingContext;
  private readonly dots: Program;
  private readonly pictures: Program;
  private readonly density: Program;
  private readonly places: WebGLBuffer;
  private readonly colors: WebGLBuffer;
  private readonly heaps: WebGLBuffer;
  private readonly instances: WebGLBuffer;
  private readonly dotArray: WebGLVertexArrayObject;
  private readonly pictureArray: WebGLVertexArrayObject;
  private readonly pageTexture: WebGLTexture;
  private readonly densityTexture: WebGLTexture;
  private readonly layerOf = new Map<number, number>();
  private readonly loading = new Set<number>();
  private readonly nLayers: number;
  private instanceData = new Float32Array(FLOATS * 4096);
  private nInstances = 0;
  private densityStale = true;
  /** Size of the cells that heaps were counted in; NaN: anew. */
  private heapCell = NaN;
  private placesData: Float32Array;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly model: Model,
    private readonly pageLoaded: () => void,
  ) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, preserveDrawingBuffer: false });
    if (!gl) throw new Error("WebGL 2");
    this.gl = gl;
    this.dots = compile(gl, DOTS);
    this.pictures = compile(gl, PICTURES);
    this.density = compile(gl, DENSITY);
    this.placesData = new Float32Array(2 * model.n);
    this.places = gl.createBuffer()!;
    this.colors = gl.createBuffer()!;
    this.heaps = gl.createBuffer()!;
    this.instances = gl.createBuffer()!;
    this.dotArray = this.makeDotArray();
    this.pictureArray = this.makePictureArray();
    const isGrey = model.facts.imageShape.length === 2;
    this.nLayers = Math.min(isGrey ? 48 : 24, model.facts.pages.n, gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS));
    this.pageTexture = this.makePageTexture(isGrey);
    this.densityTexture = gl.createTexture()!;
    this.takePlaces();
    this.takeColors();
  }

  private makeDotArray(): WebGLVertexArrayObject {
    const { gl } = this;
    const array = gl.createVertexArray()!;
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.colors);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.heaps);
    gl.bufferData(gl.ARRAY_BUFFER, this.model.n, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(2);
    gl.vertexAttribPointer(2, 1, gl.UNSIGNED_BYTE, false, 0, 0);
    return array;
  }

  private makePictureArray(): WebGLVertexArrayObject {
    const { gl } = this;
    const array = gl.createVertexArray()!;
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    const stride = 4 * FLOATS;
    for (const [index, size, offset] of [[0, 2, 0], [1, 3, 8], [2, 3, 20], [3, 1, 32]]) {
      gl.enableVertexAttribArray(index);
      gl.vertexAttribPointer(index, size, gl.FLOAT, false, stride, offset);
      gl.vertexAttribDivisor(index, 1);
    }
    return array;
  }

  private makePageTexture(isGrey: boolean): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture()!;
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, texture);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, isGrey ? gl.R8 : gl.RGBA8, PAGE_SIDE, PAGE_SIDE, Math.max(1, this.nLayers));
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    const { pages, imageShape } = this.model.facts;
    const isWhole = pages.width === imageShape[1]; // small images are shown to the pixel
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MAG_FILTER, isWhole ? gl.NEAREST : gl.LINEAR);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D_ARRAY, side, gl.CLAMP_TO_EDGE);
    }
    return texture;
  }

  // ------------------------------------------------------------ data

  takePlaces(): void {
    const { gl, model } = this;
    for (let row = 0; row < model.n; row++) {
      this.placesData[2 * row] = model.x[row];
      this.placesData[2 * row + 1] = model.y[row];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.bufferData(gl.ARRAY_BUFFER, this.placesData, gl.DYNAMIC_DRAW);
    this.densityStale = true;
    this.heapCell = NaN;
  }

  takeColors(): void {
    const { gl, model } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.colors);
    gl.bufferData(gl.ARRAY_BUFFER, model.colors, gl.DYNAMIC_DRAW);
    this.densityStale = true;
    this.heapCell = NaN; // others may be visible
  }

  /** The pictures to draw, the last on top. Pages that are missing are asked for. */
  takePictures(chosen: Picture[]): void {
    const { pages } = this.model.facts;
    if (FLOATS * chosen.length > this.instanceData.length) this.instanceData = new Float32Array(2 * FLOATS * chosen.length);
    const wanted = new Set(chosen.map((one) => one.page));
    this.load(wanted);
    const data = this.instanceData;
    let at = 0;
    for (const { row, page, cell } of chosen) {
      const layer = this.layerOf.get(page);
      if (layer === undefined) continue;
      data[at] = this.model.x[row];
      data[at + 1] = this.model.y[row];
      data[at + 2] = (cell % pages.columns) * pages.width;
      data[at + 3] = Math.floor(cell / pages.columns) * pages.height;
      data[at + 4] = layer;
      for (let c = 0; c < 3; c++) data[at + 5 + c] = this.model.colors[4 * row + c] / 255;
      data[at + 8] = !this.model.nSelected ? 0 : this.model.selected[row] ? 1 : 2;
      at += FLOATS;
    }
    this.nInstances = at / FLOATS;
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    gl.bufferData(gl.ARRAY_BUFFER, data.subarray(0, at), gl.DYNAMIC_DRAW);
  }

  private load(wanted: Set<number>): void {
    for (const page of wanted) {
      const layer = this.layerOf.get(page);
      if (layer !== undefined) {
        this.layerOf.delete(page); // to the end: used last
        this.layerOf.set(page, layer);
      } else if (!this.loading.has(page) && this.loading.size < 6) {
        this.loading.add(page);
        this.model.source
          .page(page)
          .then((bitmap) => this.keep(page, bitmap, wanted))
          .catch(() => undefined) // asked for again when it is next seen
          .finally(() => this.loading.delete(page))
          .then(() => this.pageLoaded());
      }
    }
  }

  /** Put a page into a layer that is free, or that of the page used longest ago. */
  private keep(page: number, bitmap: ImageBitmap, wanted: Set<number>): void {
    let layer = this.layerOf.size;
    if (layer >= this.nLayers) {
      const oldest = [...this.layerOf.keys()].find((one) => !wanted.has(one)) ?? this.layerOf.keys().next().value!;
      layer = this.layerOf.get(oldest)!;
      this.layerOf.delete(oldest);
    }
    this.layerOf.set(page, layer);
    const { gl } = this;
    const format = this.model.facts.imageShape.length === 2 ? gl.RED : gl.RGBA;
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.pageTexture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const { width, height } = bitmap;
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, layer, width, height, 1, format, gl.UNSIGNED_BYTE, bitmap);
    bitmap.close();
  }

  /** The mean colour of the points in each cell of a grid, the more opaque the more there are. */
  private makeDensity(): void {
    const { gl, model } = this;
    const side = DENSITY_SIDE;
    const [left, bottom, size] = model.facts.square;
    const sums = new Float32Array(4 * side * side);
    const factor = side / (size * 1.02);
    const offset = side * 0.01;
    for (let row = 0; row < model.n; row++) {
      const alpha = model.colors[4 * row + 3];
      if (!alpha) continue;
      const column = Math.floor((model.x[row] - left) * factor + offset);
      const line = Math.floor((model.y[row] - bottom) * factor + offset);
      if (!(column >= 0 && column < side && line >= 0 && line < side)) continue;
      const at = 4 * (line * side + column);
      sums[at] += alpha * model.colors[4 * row];
      sums[at + 1] += alpha * model.colors[4 * row + 1];
      sums[at + 2] += alpha * model.colors[4 * row + 2];
      sums[at + 3] += alpha;
    }
    const most = Math.max(4 * 255, quantile(sums, 0.98));
    const pixels = new Uint8Array(4 * side * side);
    for (let at = 0; at < sums.length; at += 4) {
      const weight = sums[at + 3];
      if (!weight) continue;
      for (let c = 0; c < 3; c++) pixels[at + c] = sums[at + c] / weight;
      pixels[at + 3] = 255 * Math.min(1, 0.25 + (0.75 * Math.log1p(weight / 255)) / Math.log1p(most / 255));
    }
    gl.bindTexture(gl.TEXTURE_2D, this.densityTexture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, side, side, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    this.densityStale = false;
  }

  // ------------------------------------------------------------ drawing

  draw(camera: Camera, ratio: number, moving: boolean, pictureSide: number, theme: Theme): void {
    const { gl, model } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(...theme.ground, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE);
    // on a map of a million points single dots say nothing from afar
    const crowd = Math.log2(model.n / MOST_MOVING) / 2;
    const densityOpacity = model.n > MOST_MOVING ? Math.min(1, Math.max(0, crowd + 1 - camera.zoom)) : 0;
    const view: [number, number, number, number] = [
      camera.x,
      camera.y,
      (2 * camera.scale) / camera.width,
      (2 * camera.scale) / camera.height,
    ];
    if (densityOpacity > 0) this.drawDensity(view, densityOpacity);
    if (densityOpacity < 1) this.drawDots(view, camera, ratio, moving, pictureSide === 0);
    if (pictureSide) this.drawPictures(view, pictureSide * ratio, frameOf(pictureSide) * ratio, theme);
  }

  private drawDensity(view: [number, number, number, number], opacity: number): void {
    const { gl, model, density } = this;
    if (this.densityStale) this.makeDensity();
    const [left, bottom, size] = model.facts.square;
    gl.useProgram(density.program);
    gl.bindVertexArray(null);
    gl.uniform4f(density.uniforms.view, ...view);
    gl.uniform4f(density.uniforms.box, left - 0.01 * size, bottom - 0.01 * size, 1.02 * size, 1.02 * size);
    gl.uniform1f(density.uniforms.opacity, opacity);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.densityTexture);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  private drawDots(view: [number, number, number, number], camera: Camera, ratio: number, moving: boolean, alone: boolean): void {
    const { gl, model, dots } = this;
    const count = moving ? Math.min(model.n, MOST_MOVING) : model.n;
    const [few, many, growth, largest] = alone ? [5, 2.2, 0.5, LARGEST_ALONE] : [3, 1.6, 0.3, LARGEST_DOT];
    const side = Math.min(largest, (model.n > MANY ? many : few) * 2 ** (growth * Math.max(0, camera.zoom)));
    if (!moving || model.n <= MOST_MOVING) this.countHeaps(camera, HEAP * side);
    gl.useProgram(dots.program);
    gl.uniform4f(dots.uniforms.view, ...view);
    gl.uniform1f(dots.uniforms.side, side * ratio);
    gl.uniform1f(dots.uniforms.largest, LARGEST_HEAP * ratio);
    gl.bindVertexArray(this.dotArray);
    gl.drawArrays(gl.POINTS, 0, count); // any beginning of the order is an even sample
  }

  /** Weigh dots that lie together; anew for each doubling of the map only. */
  private countHeaps(camera: Camera, near: number): void {
    const { gl, model } = this;
    const cell = 2 ** Math.round(Math.log2(near / camera.scale));
    if (cell === this.heapCell) return;
    this.heapCell = cell;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.heaps);
    gl.bufferData(gl.ARRAY_BUFFER, weighHeaps(model, cell), gl.DYNAMIC_DRAW);
  }

  private drawPictures(view: [number, number, number, number], side: number, line: number, theme: Theme): void {
    if (!this.nInstances) return;
    const { gl, pictures, model } = this;
    const { width, height } = model.facts.pages;
    const larger = Math.max(width, height);
    gl.useProgram(pictures.program);
    gl.uniform4f(pictures.uniforms.view, ...view);
    gl.uniform4f(
      pictures.uniforms.size,
      (side * width) / larger,
      (side * height) / larger,
      this.canvas.width,
      this.canvas.height,
    );
    gl.uniform2f(pictures.uniforms.cell, width, height);
    gl.uniform1f(pictures.uniforms.line, line);
    gl.uniform3f(pictures.uniforms.ground, ...theme.ground);
    gl.uniform3f(pictures.uniforms.ink, ...theme.ink);
    gl.uniform1f(pictures.uniforms.grey, model.facts.imageShape.length === 2 ? 1 : 0);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.pageTexture);
    gl.bindVertexArray(this.pictureArray);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.nInstances);
  }

  /** How many pictures are on the map now. */
  get nPictures(): number {
    return this.nInstances;
  }
}

function quantile(sums: Float32Array, share: number): number {
  const weights: number[] = [];
  for (let at = 3; at < sums.length; at += 4) if (sums[at]) weights.push(sums[at]);
  weights.sort((a, b) => a - b);
  return weights[Math.floor(share * (weights.length - 1))] ?? 0;
}
