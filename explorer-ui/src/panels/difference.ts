// The kinds of features in words, and what makes an image different from its neighbour.

import type { Neighbor } from "../data/types";
import { isKey, t } from "../i18n/translate";

const MIN_FRACTION = 0.005; // smaller ones would be shown as 0 %

/** Name of a kind of features in the language of the page. */
export const kindName = (kind: string): string => (isKey(kind) ? t(kind) : kind);

export const percentText = (fraction: number): string => `${Math.round(100 * fraction)} %`;

/** Kinds with their fractions, the largest first, such as "shape 60 %, colour 40 %"; empty if there are none. */
export function fractionsText(fractions: { [kind: string]: number }): string {
  const known = Object.keys(fractions).filter((kind) => fractions[kind] >= MIN_FRACTION);
  known.sort((a, b) => fractions[b] - fractions[a]);
  return known.map((kind) => `${kindName(kind)} ${percentText(fractions[kind])}`).join(", ");
}

/** The fractions of the kinds of features in the distance; empty where the run has none. */
export function differenceText({ fractions }: Neighbor): string {
  const text = fractionsText(fractions ?? {});
  return text && t("differsBy", { fractions: text });
}
