// Colours of the map in the dark and the light theme.

import type { Rgb } from "../../model/colors";

/** Colours with components from 0 to 1. */
export interface Theme {
  ground: Rgb;
  ink: Rgb;
}

export const THEMES: { [name: string]: Theme } = {
  dark: { ground: [0.055, 0.067, 0.086], ink: [1, 1, 1] },
  light: { ground: [0.98, 0.98, 0.99], ink: [0.07, 0.08, 0.1] },
};
