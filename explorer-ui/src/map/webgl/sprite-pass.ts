// Draws thumbnails on the map, cut from sprite sheets in a texture array.

import type { Model } from "../../model/model";
import { frameWidth, type Sprite } from "../sprites";
import { compile, type Program, type ProgramSource, type ViewUniform } from "./program";
import { SheetTexture } from "./sheet-texture";
import type { Theme } from "./theme";

const FLOATS = 9; // of a sprite: position, corner in the sheet and layer, colour, state of the selection
const ATTRIBUTES = [[0, 2, 0], [1, 3, 8], [2, 3, 20], [3, 1, 32]]; // index, size, offset in bytes
const [NO_SELECTION, SELECTED, NOT_SELECTED] = [0, 1, 2];

const SHADERS: ProgramSource = {
  vertex: `
layout(location = 0) in vec2 position;
layout(location = 1) in vec3 corner;
layout(location = 2) in vec3 frame;
layout(location = 3) in float state;
uniform vec4 view;
uniform vec4 size;
uniform vec2 cell;
out vec3 texel;
out vec2 inside;
out vec3 tint;
flat out float kind;
void main() {
  vec2 unit = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 middle = (position - view.xy) * view.zw;
  // whole pixels keep small thumbnails sharp
  vec2 pixel = round((middle * 0.5 + 0.5) * size.zw - 0.5 * size.xy) + unit * round(size.xy);
  gl_Position = vec4(pixel / size.zw * 2.0 - 1.0, 0.0, 1.0);
  texel = vec3(corner.xy + cell * vec2(unit.x, 1.0 - unit.y), corner.z);
  inside = unit * round(size.xy);
  tint = frame;
  kind = state;
}`,
  fragment: `
in vec3 texel;
in vec2 inside;
in vec3 tint;
flat in float kind; // 0: no selection, 1: selected, 2: not selected
uniform sampler2DArray sheets;
uniform vec4 size;
uniform vec2 cell;
uniform float grey;
uniform float line;
uniform vec3 ground;
uniform vec3 ink;
out vec4 color;
void main() {
  vec2 toEdge = min(inside, round(size.xy) - inside);
  float edge = min(toEdge.x, toEdge.y);
  vec3 found = texture(sheets, vec3(texel.xy / 1024.0, texel.z)).rgb;
  vec3 shown = grey > 0.5 ? found.rrr : found;
  if (kind == 1.0) shown = edge < line ? ink : edge < 2.0 * line ? tint : shown;
  else if (edge < line) shown = tint;
  color = vec4(kind == 2.0 ? mix(shown, ground, 0.55) : shown, 1.0);
}`,
  uniforms: ["view", "size", "cell", "grey", "line", "ground", "ink"],
};

export class SpritePass {
  private readonly program: Program;
  private readonly sheets: SheetTexture;
  private readonly instances: WebGLBuffer;
  private readonly vertices: WebGLVertexArrayObject;
  private data = new Float32Array(FLOATS * 4096);
  /** Number of sprites on the map, without those whose sheet is still loading. */
  nSprites = 0;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly model: Model,
    sheetLoaded: () => void,
  ) {
    this.program = compile(gl, SHADERS);
    this.instances = gl.createBuffer()!;
    this.vertices = this.makeVertexArray();
    this.sheets = new SheetTexture(gl, model.source, model.facts, sheetLoaded);
  }

  private makeVertexArray(): WebGLVertexArrayObject {
    const { gl } = this;
    const vertices = gl.createVertexArray()!;
    gl.bindVertexArray(vertices);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    for (const [index, size, offset] of ATTRIBUTES) {
      gl.enableVertexAttribArray(index);
      gl.vertexAttribPointer(index, size, gl.FLOAT, false, 4 * FLOATS, offset);
      gl.vertexAttribDivisor(index, 1);
    }
    return vertices;
  }

  /** Set the sprites to draw, the last on top. Sheets that are not here are requested. */
  setSprites(sprites: Sprite[]): void {
    const { gl, model, sheets } = this;
    const { pages } = model.facts;
    if (FLOATS * sprites.length > this.data.length) this.data = new Float32Array(2 * FLOATS * sprites.length);
    sheets.require(new Set(sprites.map(({ sheet }) => sheet)));
    const { data } = this;
    let at = 0;
    for (const { row, sheet, cell } of sprites) {
      const layer = sheets.layerOf(sheet);
      if (layer === undefined) continue;
      data[at] = model.x[row];
      data[at + 1] = model.y[row];
      data[at + 2] = (cell % pages.columns) * pages.width;
      data[at + 3] = Math.floor(cell / pages.columns) * pages.height;
      data[at + 4] = layer;
      for (let c = 0; c < 3; c++) data[at + 5 + c] = model.colors[4 * row + c] / 255;
      data[at + 8] = !model.nSelected ? NO_SELECTION : model.selected[row] ? SELECTED : NOT_SELECTED;
      at += FLOATS;
    }
    this.nSprites = at / FLOATS;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    gl.bufferData(gl.ARRAY_BUFFER, data.subarray(0, at), gl.DYNAMIC_DRAW);
  }

  /** Draw the sprites with their longer side in pixels of the page. */
  draw(view: ViewUniform, side: number, ratio: number, theme: Theme): void {
    if (!this.nSprites) return;
    const { gl, model } = this;
    const { program, uniforms } = this.program;
    const { width, height } = model.facts.pages;
    const scale = (side * ratio) / Math.max(width, height);
    gl.useProgram(program);
    gl.uniform4f(uniforms.view, ...view);
    gl.uniform4f(uniforms.size, scale * width, scale * height, gl.canvas.width, gl.canvas.height);
    gl.uniform2f(uniforms.cell, width, height);
    gl.uniform1f(uniforms.line, frameWidth(side) * ratio);
    gl.uniform3f(uniforms.ground, ...theme.ground);
    gl.uniform3f(uniforms.ink, ...theme.ink);
    gl.uniform1f(uniforms.grey, model.facts.imageShape.length === 2 ? 1 : 0);
    this.sheets.bind();
    gl.bindVertexArray(this.vertices);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, this.nSprites);
  }
}
