// Colours for groups and other categories, and for numbers.

// Twenty colours, the first ten far from each other on dark and on light ground; further ones are made of them.
const CATEGORIES = [
  "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#ff9da7", "#9c755f", "#c8d85f",
  "#d37295", "#86bcb6", "#b6992d", "#499894", "#f1ce63", "#a0cbe8", "#d4a6c8", "#fabfd2", "#7f9f3f", "#c26a3d",
];
// Viridis at equal steps (matplotlib's).
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const NONE: Rgb = [128, 128, 128];

export type Rgb = [number, number, number];

const parse = (hex: string): Rgb => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) as Rgb;
const categories = CATEGORIES.map(parse);
const ramp = VIRIDIS.map(parse);

/** The colour of the i-th category; grey below 0. */
export function categoryColor(i: number): Rgb {
  if (i < 0) return NONE;
  const base = categories[i % categories.length];
  const round = Math.floor(i / categories.length);
  const factor = [1, 0.72, 1.25, 0.55][round % 4];
  return base.map((value) => Math.min(255, Math.round(value * factor))) as Rgb;
}

/** The colour of a share from 0 to 1; grey for what is not a number. */
export function rampColor(share: number): Rgb {
  if (!(share >= 0)) return NONE;
  const at = Math.min(1, share) * (ramp.length - 1);
  const i = Math.min(ramp.length - 2, Math.floor(at));
  return [0, 1, 2].map((c) => Math.round(ramp[i][c] + (at - i) * (ramp[i + 1][c] - ramp[i][c]))) as Rgb;
}

export const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;
