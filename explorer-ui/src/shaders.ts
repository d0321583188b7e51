// Programs of the graphics processor. A view is (x, y) of its middle and clip units for a unit of the map.

import { PER_DOUBLING } from "./heaps";

export interface Program {
  program: WebGLProgram;
  uniforms: { [name: string]: WebGLUniformLocation | null };
}

interface Source {
  vertex: string;
  fragment: string;
  uniforms: string[];
}

const HEAD = `#version 300 es
precision highp float;
precision highp sampler2DArray;
`;

export const DOTS: Source = {
  vertex: `
layout(location = 0) in vec2 place;
layout(location = 1) in vec4 color;
layout(location = 2) in float heap;
uniform vec4 view;
uniform float side;
uniform float largest;
out vec4 tint;
flat out float isRound;
void main() {
  vec2 at = (place - view.xy) * view.zw;
  // what is filtered out, or has no place, lies outside of what is drawn
  gl_Position = color.a == 0.0 || isnan(place.x) ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(at, 0.0, 1.0);
  float size = side * (color.a == 1.0 ? 1.6 : 1.0);
  gl_PointSize = min(max(size, largest), size * (1.0 + 0.4 * heap / ${PER_DOUBLING.toFixed(1)}));
  isRound = gl_PointSize > 4.0 ? 1.0 : 0.0;
  tint = vec4(color.rgb, color.a > 0.5 ? 1.0 : max(color.a, 0.3));
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

export const PICTURES: Source = {
  vertex: `
layout(location = 0) in vec2 place;
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
  vec2 middle = (place - view.xy) * view.zw;
  // whole pixels keep small pictures sharp
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
flat in float kind; // 1: selected, 2: another is
uniform sampler2DArray pages;
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
  vec3 found = texture(pages, vec3(texel.xy / 1024.0, texel.z)).rgb;
  vec3 shown = grey > 0.5 ? found.rrr : found;
  if (kind == 1.0) shown = edge < line ? ink : edge < 2.0 * line ? tint : shown;
  else if (edge < line) shown = tint;
  color = vec4(kind == 2.0 ? mix(shown, ground, 0.55) : shown, 1.0);
}`,
  uniforms: ["view", "size", "cell", "grey", "line", "ground", "ink"],
};

export const DENSITY: Source = {
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

export function compile(gl: WebGL2RenderingContext, source: Source): Program {
  const program = gl.createProgram()!;
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, source.vertex],
    [gl.FRAGMENT_SHADER, source.fragment],
  ] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, HEAD + text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "shader");
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "program");
  const uniforms = Object.fromEntries(source.uniforms.map((name) => [name, gl.getUniformLocation(program, name)]));
  return { program, uniforms };
}
