// Colours for groups and other categories, and for numbers.

// Twenty colours that can be told apart on dark and light ground, also with a red-green colour vision deficiency: the
// CIEDE2000 distance of any two is at least 9, and of any two of the first ten at least 17 (tests/explorer/test_palette.py).
export const CATEGORIES = [
  "#0088ff", "#ffbb22", "#007755", "#773300", "#00ddff", "#cc88aa", "#888811", "#554466", "#bbccaa", "#1111ff",
  "#66aa88", "#007799", "#334499", "#22aadd", "#776622", "#dd9955", "#3366dd", "#445533", "#ddcc88", "#668855",
];
/** Maximum number of categories with a colour of their own. */
export const N_COLORS = CATEGORIES.length;
// Viridis at equal steps (matplotlib's).
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const RAMP_STEPS = 256;

export type Rgb = [number, number, number];

/** Colour of missing values. */
export const MISSING: Rgb = [128, 128, 128];
/** Colour of categories that are too small for a colour of their own. */
export const OTHER: Rgb = [88, 92, 100];

/** Opacity of images that filters hide, where these are kept as faint dots; no other image has so little. */
export const FAINT = 12;

const parse = (hex: string): Rgb => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) as Rgb;
const categories = CATEGORIES.map(parse);
const ramp = Array.from({ length: RAMP_STEPS }, (_, step) => rampAt(step / (RAMP_STEPS - 1)));

function rampAt(fraction: number): Rgb {
  const stops = VIRIDIS.map(parse);
  const at = fraction * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  return [0, 1, 2].map((c) => Math.round(stops[i][c] + (at - i) * (stops[i + 1][c] - stops[i][c]))) as Rgb;
}

/** The colour of the i-th category; grey below 0. Colours repeat after N_COLORS. */
export function categoryColor(i: number): Rgb {
  return i >= 0 ? categories[i % N_COLORS] : MISSING;
}

/** The colour of a fraction, clipped to 0 and 1; grey for NaN. */
export function rampColor(fraction: number): Rgb {
  if (Number.isNaN(fraction)) return MISSING;
  return ramp[Math.round(Math.min(1, Math.max(0, fraction)) * (RAMP_STEPS - 1))];
}

/** Palette index of each number: the number itself modulo N_COLORS, or the next free index. Distinct for up to N_COLORS numbers. */
export function slotsOf(numbers: number[]): Map<number, number> {
  const slots = new Map<number, number>();
  const taken = new Set<number>();
  for (const number of [...numbers].sort((a, b) => a - b)) {
    let slot = number % N_COLORS;
    if (taken.size < N_COLORS) while (taken.has(slot)) slot = (slot + 1) % N_COLORS;
    slots.set(number, slot);
    taken.add(slot);
  }
  return slots;
}

export const css = ([r, g, b]: Rgb): string => `rgb(${r} ${g} ${b})`;
