// Programs of the graphics processor. A view is (x, y) of its middle and clip units for a unit of the map.

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
uniform vec4 view;
uniform float side;
out vec4 tint;
void main() {
  vec2 at = (place - view.xy) * view.zw;
  // what is filtered out, or has no place, lies outside of what is drawn
  gl_Position = color.a == 0.0 || isnan(place.x) ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(at, 0.0, 1.0);
  gl_PointSize = side * (color.a == 1.0 ? 1.6 : 1.0);
  tint = color;
}`,
  fragment: `
in vec4 tint;
out vec4 color;
void main() {
  color = tint;
}`,
  uniforms: ["view", "side"],
};

export const PICTURES: Source = {
  vertex: `
layout(location = 0) in vec2 place;
layout(location = 1) in vec3 corner;
layout(location = 2) in vec3 frame;
uniform vec4 view;
uniform vec4 size;
uniform vec2 cell;
out vec3 texel;
out vec2 inside;
out vec3 tint;
void main() {
  vec2 unit = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 middle = (place - view.xy) * view.zw;
  // whole pixels keep small pictures sharp
  vec2 pixel = round((middle * 0.5 + 0.5) * size.zw - 0.5 * size.xy) + unit * round(size.xy);
  gl_Position = vec4(pixel / size.zw * 2.0 - 1.0, 0.0, 1.0);
  texel = vec3(corner.xy + cell * vec2(unit.x, 1.0 - unit.y), corner.z);
  inside = unit * round(size.xy);
  tint = frame;
}`,
  fragment: `
in vec3 texel;
in vec2 inside;
in vec3 tint;
uniform sampler2DArray pages;
uniform vec4 size;
uniform vec2 cell;
uniform float grey;
out vec4 color;
void main() {
  vec2 edge = min(inside, round(size.xy) - inside);
  float line = max(1.0, size.x / 32.0);
  if (min(edge.x, edge.y) < line) {
    color = vec4(tint, 1.0);
    return;
  }
  // half a texel from the edge of the cell, so that its neighbours do not shine in
  vec3 found = texture(pages, vec3(texel.xy / 1024.0, texel.z)).rgb;
  color = vec4(grey > 0.5 ? found.rrr : found, 1.0);
}`,
  uniforms: ["view", "size", "cell", "grey"],
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
