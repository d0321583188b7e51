// Draws the map with WebGL 2: an image of density from afar, dots, and thumbnails.

import type { Model } from "../../model/model";
import type { Camera } from "../camera";
import { spriteSide, type Sprite } from "../sprites";
import { DensityPass } from "./density-pass";
import { DotPass, MAX_MOVING_DOTS } from "./dot-pass";
import type { ViewUniform } from "./program";
import { SpritePass } from "./sprite-pass";
import type { Theme } from "./theme";

/** This browser has no WebGL 2. */
export class NoWebglError extends Error {}

export class Renderer {
  private readonly gl: WebGL2RenderingContext;
  private readonly density: DensityPass;
  private readonly dots: DotPass;
  private readonly sprites: SpritePass;

  constructor(
    canvas: HTMLCanvasElement,
    private readonly model: Model,
    sheetLoaded: () => void,
  ) {
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, preserveDrawingBuffer: false });
    if (!gl) throw new NoWebglError();
    this.gl = gl;
    this.density = new DensityPass(gl, model);
    this.dots = new DotPass(gl, model);
    this.sprites = new SpritePass(gl, model, sheetLoaded);
    this.updatePositions();
    this.updateColors();
  }

  updatePositions(): void {
    this.dots.updatePositions();
    this.density.markStale();
  }

  updateColors(): void {
    this.dots.updateColors();
    this.density.markStale();
  }

  setSprites(sprites: Sprite[]): void {
    this.sprites.setSprites(sprites);
  }

  get nSprites(): number {
    return this.sprites.nSprites;
  }

  /** Draw a view with `ratio` pixels of the canvas for one of the page. */
  draw(camera: Camera, ratio: number, isMoving: boolean, theme: Theme): void {
    const { gl } = this;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    gl.clearColor(...theme.ground, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE);
    const side = spriteSide(camera);
    const opacity = densityOpacity(this.model.n, camera.zoom);
    const view: ViewUniform = [camera.x, camera.y, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height];
    if (opacity > 0) this.density.draw(view, opacity);
    if (opacity < 1) this.dots.draw(view, camera, ratio, isMoving, side === 0);
    if (side) this.sprites.draw(view, side, ratio, theme);
  }
}

/** Opacity of the density: on a map of very many points single dots are not legible from afar. */
function densityOpacity(n: number, zoom: number): number {
  if (n <= MAX_MOVING_DOTS) return 0;
  const zoomOfDots = Math.log2(n / MAX_MOVING_DOTS) / 2;
  return Math.min(1, Math.max(0, zoomOfDots + 1 - zoom));
}
