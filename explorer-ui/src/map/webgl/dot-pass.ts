// Draws each point of the map as a dot; dots that stand for several overplotted points are larger.

import { FAINT } from "../../model/colors";
import type { Model } from "../../model/model";
import type { Camera } from "../camera";
import { overplotWeights, STEPS_PER_DOUBLING } from "./overplotting";
import { compile, type Program, type ProgramSource, type ViewUniform } from "./program";

/** Number of dots drawn while the map moves. */
export const MAX_MOVING_DOTS = 120_000;
const SMALL_DOTS_FROM = 20_000; // points
const MAX_SIDE = 9; // pixels
const MAX_SIDE_ALONE = 14; // pixels, on a map without thumbnails
const MAX_OVERPLOT_SIDE = 16; // pixels
const OVERPLOT_DISTANCE = 1.5; // sides of a dot

const SHADERS: ProgramSource = {
  vertex: `
layout(location = 0) in vec2 position;
layout(location = 1) in vec4 color;
layout(location = 2) in float weight;
uniform vec4 view;
uniform float side;
uniform float largest;
out vec4 tint;
flat out float isRound;
void main() {
  vec2 clip = (position - view.xy) * view.zw;
  // hidden points, and points without a position, lie outside of the clip space
  gl_Position = color.a == 0.0 || isnan(position.x) ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(clip, 0.0, 1.0);
  bool isFaint = color.a < ${((FAINT + 1) / 255).toFixed(4)}; // hidden by a filter
  float size = side * (color.a == 1.0 ? 1.6 : isFaint ? 0.7 : 1.0);
  gl_PointSize = min(max(size, largest), size * (1.0 + 0.4 * weight / ${STEPS_PER_DOUBLING.toFixed(1)}));
  isRound = gl_PointSize > 4.0 ? 1.0 : 0.0;
  tint = isFaint ? vec4(vec3(0.5), 0.3) : vec4(color.rgb, color.a > 0.5 ? 1.0 : max(color.a, 0.3));
}`,
  fragment: `
in vec4 tint;
flat in float isRound;
out vec4 color;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  if (isRound > 0.5 && dot(off, off) > 0.25) discard;
  color = tint;
}`,
  uniforms: ["view", "side", "largest"],
};

export class DotPass {
  private readonly program: Program;
  private readonly positions: WebGLBuffer;
  private readonly colors: WebGLBuffer;
  private readonly weights: WebGLBuffer;
  private readonly vertices: WebGLVertexArrayObject;
  private readonly positionData: Float32Array;
  /** Side of the cells that overplotting was counted in; NaN if it must be counted again. */
  private weightCell = NaN;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly model: Model,
  ) {
    this.program = compile(gl, SHADERS);
    this.positionData = new Float32Array(2 * model.n);
    this.positions = gl.createBuffer()!;
    this.colors = gl.createBuffer()!;
    this.weights = gl.createBuffer()!;
    this.vertices = this.makeVertexArray();
  }

  private makeVertexArray(): WebGLVertexArrayObject {
    const { gl } = this;
    const vertices = gl.createVertexArray()!;
    gl.bindVertexArray(vertices);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.positions);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.colors);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.weights);
    gl.bufferData(gl.ARRAY_BUFFER, this.model.n, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(2);
    gl.vertexAttribPointer(2, 1, gl.UNSIGNED_BYTE, false, 0, 0);
    return vertices;
  }

  updatePositions(): void {
    const { gl, model, positionData } = this;
    for (let row = 0; row < model.n; row++) {
      positionData[2 * row] = model.x[row];
      positionData[2 * row + 1] = model.y[row];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.positions);
    gl.bufferData(gl.ARRAY_BUFFER, positionData, gl.DYNAMIC_DRAW);
    this.weightCell = NaN;
  }

  updateColors(): void {
    const { gl, model } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.colors);
    gl.bufferData(gl.ARRAY_BUFFER, model.colors, gl.DYNAMIC_DRAW);
    this.weightCell = NaN; // the visible rows may have changed
  }

  /** Draw the dots, on a map without thumbnails if `isAlone`. */
  draw(view: ViewUniform, camera: Camera, ratio: number, isMoving: boolean, isAlone: boolean): void {
    const { gl, model } = this;
    const { program, uniforms } = this.program;
    const count = isMoving ? Math.min(model.n, MAX_MOVING_DOTS) : model.n;
    const [few, many, growth, maxSide] = isAlone ? [5, 2.2, 0.5, MAX_SIDE_ALONE] : [3, 1.6, 0.3, MAX_SIDE];
    const side = Math.min(maxSide, (model.n > SMALL_DOTS_FROM ? many : few) * 2 ** (growth * Math.max(0, camera.zoom)));
    if (!isMoving || model.n <= MAX_MOVING_DOTS) this.updateWeights(camera, OVERPLOT_DISTANCE * side);
    gl.useProgram(program);
    gl.uniform4f(uniforms.view, ...view);
    gl.uniform1f(uniforms.side, side * ratio);
    gl.uniform1f(uniforms.largest, MAX_OVERPLOT_SIDE * ratio);
    gl.bindVertexArray(this.vertices);
    gl.drawArrays(gl.POINTS, 0, count); // every prefix of the rows is an even sample
  }

  /** Weigh overplotted dots. Cells double with the zoom, so that weights are computed once per doubling. */
  private updateWeights(camera: Camera, distance: number): void {
    const { gl, model } = this;
    const cell = 2 ** Math.round(Math.log2(distance / camera.scale));
    if (cell === this.weightCell) return;
    this.weightCell = cell;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.weights);
    gl.bufferData(gl.ARRAY_BUFFER, overplotWeights(model, cell), gl.DYNAMIC_DRAW);
  }
}
