// Positions between those of two maps.

/** Write values between `from` (fraction 0) and `to` (fraction 1). */
export function interpolate(out: Float32Array, from: Float32Array, to: Float32Array, fraction: number): void {
  for (let i = 0; i < out.length; i++) out[i] = from[i] + fraction * (to[i] - from[i]);
}
