// Compiles WebGL programs. Their uniform `view` is (x, y) of the middle of the view and clip units per unit of the map.

export interface Program {
  program: WebGLProgram;
  uniforms: { [name: string]: WebGLUniformLocation | null };
}

export interface ProgramSource {
  vertex: string;
  fragment: string;
  uniforms: string[];
}

/** Middle of the view on the map, and clip units per unit of the map. */
export type ViewUniform = [number, number, number, number];

const HEADER = `#version 300 es
precision highp float;
precision highp sampler2DArray;
`;

export function compile(gl: WebGL2RenderingContext, source: ProgramSource): Program {
  const program = gl.createProgram()!;
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, source.vertex],
    [gl.FRAGMENT_SHADER, source.fragment],
  ] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, HEADER + text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader) ?? "shader");
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "program");
  const uniforms = Object.fromEntries(source.uniforms.map((name) => [name, gl.getUniformLocation(program, name)]));
  return { program, uniforms };
}
