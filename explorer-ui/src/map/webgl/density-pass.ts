// Draws a large map from afar as an image of density: the mean colour of the points in each cell of a grid.

import { FAINT, MISSING } from "../../model/colors";
import type { Model } from "../../model/model";
import { compile, type Program, type ProgramSource, type ViewUniform } from "./program";

const SIDE = 512; // cells
const MARGIN = 0.01; // of the side of the map
const OPAQUE = 255;
const MIN_OPACITY = 0.25; // of a cell that is not empty
const QUANTILE = 0.98; // cells with more points than this quantile have full opacity

const SHADERS: ProgramSource = {
  vertex: `
uniform vec4 view;
uniform vec4 box;
out vec2 at;
void main() {
  at = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4((box.xy + at * box.zw - view.xy) * view.zw, 0.0, 1.0);
}`,
  fragment: `
in vec2 at;
uniform sampler2D density;
uniform float opacity;
out vec4 color;
void main() {
  color = texture(density, at) * vec4(1.0, 1.0, 1.0, opacity);
}`,
  uniforms: ["view", "box", "opacity"],
};

export class DensityPass {
  private readonly program: Program;
  private readonly texture: WebGLTexture;
  private isStale = true;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly model: Model,
  ) {
    this.program = compile(gl, SHADERS);
    this.texture = gl.createTexture()!;
  }

  /** Compute the density again before it is next drawn. */
  markStale(): void {
    this.isStale = true;
  }

  draw(view: ViewUniform, opacity: number): void {
    const { gl, model } = this;
    const { program, uniforms } = this.program;
    if (this.isStale) this.updateTexture();
    const [left, bottom, size] = model.facts.square;
    const side = (1 + 2 * MARGIN) * size;
    gl.useProgram(program);
    gl.bindVertexArray(null);
    gl.uniform4f(uniforms.view, ...view);
    gl.uniform4f(uniforms.box, left - MARGIN * size, bottom - MARGIN * size, side, side);
    gl.uniform1f(uniforms.opacity, opacity);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  private updateTexture(): void {
    const { gl, model } = this;
    const { x, y, colors, n, facts } = model;
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    const pixels = densityPixels(x, y, colors, n, facts.square);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, SIDE, SIDE, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    this.isStale = false;
  }
}

/** Mean colour of the points in each cell, weighted by opacity; the more points, the more opaque. */
function densityPixels(x: Float32Array, y: Float32Array, colors: Uint8Array, n: number, square: [number, number, number]): Uint8Array {
  const [left, bottom, size] = square;
  const sums = new Float32Array(4 * SIDE * SIDE);
  const factor = SIDE / (size * 1.02);
  const offset = SIDE * MARGIN;
  for (let row = 0; row < n; row++) {
    const alpha = colors[4 * row + 3];
    if (!alpha) continue;
    const column = Math.floor((x[row] - left) * factor + offset);
    const line = Math.floor((y[row] - bottom) * factor + offset);
    if (!(column >= 0 && column < SIDE && line >= 0 && line < SIDE)) continue;
    const at = 4 * (line * SIDE + column);
    for (let c = 0; c < 3; c++) sums[at + c] += alpha * (alpha === FAINT ? MISSING[c] : colors[4 * row + c]);
    sums[at + 3] += alpha;
  }
  const full = Math.max(4 * OPAQUE, weightQuantile(sums, QUANTILE));
  const pixels = new Uint8Array(4 * SIDE * SIDE);
  for (let at = 0; at < sums.length; at += 4) {
    const weight = sums[at + 3];
    if (!weight) continue;
    for (let c = 0; c < 3; c++) pixels[at + c] = sums[at + c] / weight;
    const fraction = Math.log1p(weight / OPAQUE) / Math.log1p(full / OPAQUE);
    pixels[at + 3] = OPAQUE * Math.min(1, MIN_OPACITY + (1 - MIN_OPACITY) * fraction);
  }
  return pixels;
}

/** Quantile of the weights of the cells that are not empty. */
function weightQuantile(sums: Float32Array, fraction: number): number {
  const weights: number[] = [];
  for (let at = 3; at < sums.length; at += 4) if (sums[at]) weights.push(sums[at]);
  weights.sort((a, b) => a - b);
  return weights[Math.floor(fraction * (weights.length - 1))] ?? 0;
}
