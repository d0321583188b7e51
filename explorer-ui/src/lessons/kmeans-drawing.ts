// Draws the points and centres of K-means.

import { categoryColor, css } from "../model/colors";

const RADIUS = 9; // pixels, of a centre
const POINT_RADIUS = 5; // pixels
const MIN_MOVE = 3; // pixels that a centre moves for a line to be drawn

export type Position = [number, number];

/** All steps of a run of K-means. */
export interface KMeansSteps {
  n: number;
  centers: Position[][];
  inertias: number[];
  labels: ArrayLike<number>[];
}

/** Draw centres as diamonds, with lines from their positions a step before. */
export function drawCenters(context: CanvasRenderingContext2D, now: Position[], before: Position[]): void {
  now.forEach(([x, y], i) => {
    const [bx, by] = before[i];
    context.strokeStyle = "#fff";
    context.fillStyle = css(categoryColor(i));
    context.lineWidth = 2;
    if (Math.hypot(x - bx, y - by) > MIN_MOVE) {
      context.beginPath();
      context.moveTo(bx, by);
      context.lineTo(x, y);
      context.stroke();
    }
    context.beginPath();
    for (const [dx, dy] of [[0, -RADIUS], [RADIUS, 0], [0, RADIUS], [-RADIUS, 0]]) context.lineTo(x + dx, y + dy);
    context.closePath();
    context.fill();
    context.stroke();
  });
}

/** Draw points in the colours of their clusters, and the centres. */
export function drawBlobs(canvas: HTMLCanvasElement, x: Float32Array, y: Float32Array, steps: KMeansSteps, step: number): void {
  const context = canvas.getContext("2d")!;
  context.clearRect(0, 0, canvas.width, canvas.height);
  const [left, right] = [Math.min(...x), Math.max(...x)];
  const [bottom, top] = [Math.min(...y), Math.max(...y)];
  const side = 1.1 * Math.max(right - left, top - bottom);
  const onCanvas = (px: number, py: number): Position => [
    canvas.width * (0.5 + (px - (left + right) / 2) / side),
    canvas.height * (0.5 - (py - (bottom + top) / 2) / side),
  ];
  for (let row = 0; row < x.length; row++) {
    const [px, py] = onCanvas(x[row], y[row]);
    context.fillStyle = css(categoryColor(steps.labels[step][row]));
    context.beginPath();
    context.arc(px, py, POINT_RADIUS, 0, 2 * Math.PI);
    context.fill();
  }
  const centers = (t: number): Position[] => steps.centers[t].map((center) => onCanvas(...center));
  drawCenters(context, centers(step), centers(Math.max(0, step - 1)));
}
