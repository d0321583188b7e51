// From a place of the map to a latent vector, as the server computes it.

const N_INTERPOLATED = 6; // nearest points whose latent vectors give that of a place
const CLOSE = 1e-9; // fraction of the side of the map within which a point stands for itself

export interface NearRow {
  row: number;
  distance: number;
}

/** The rows nearest to a place, nearest first; positions of rows that are not loaded are NaN. */
export function nearestRows(xs: ArrayLike<number>, ys: ArrayLike<number>, x: number, y: number): NearRow[] {
  const found: NearRow[] = []; // with squared distances
  let largest = Infinity;
  for (let row = 0; row < xs.length; row++) {
    const distance = (xs[row] - x) ** 2 + (ys[row] - y) ** 2;
    if (!(distance < largest)) continue;
    let at = found.length;
    while (at && found[at - 1].distance > distance) at -= 1;
    found.splice(at, 0, { row, distance });
    if (found.length > N_INTERPOLATED) found.pop();
    if (found.length === N_INTERPOLATED) largest = found[N_INTERPOLATED - 1].distance;
  }
  return found.map((one) => ({ row: one.row, distance: Math.sqrt(one.distance) }));
}

/** Weights of the nearest points by inverse square distance, with the sum 1. */
export function nearWeights(near: NearRow[], side: number): number[] {
  const first = near[0].distance / 2 + CLOSE * side;
  const weights = near.map(({ distance }) => 1 / (distance ** 2 + first ** 2));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** The weighted sum of vectors. */
export function weightedMean(vectors: ArrayLike<number>[], weights: number[]): Float32Array {
  return Float32Array.from(vectors[0], (_, k) => vectors.reduce((sum, vector, i) => sum + weights[i] * vector[k], 0));
}
