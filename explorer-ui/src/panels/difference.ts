// What makes an image different from its neighbour, in words.

import type { Neighbor } from "../data/types";
import { t } from "../i18n/translate";

const KINDS = ["shape", "texture", "parts", "color"] as const;
const MIN_FRACTION = 0.005; // smaller ones would be shown as 0 %

/** The fractions of the kinds of features in the distance, the largest first; empty where the run has none. */
export function differenceText({ fractions }: Neighbor): string {
  const known = KINDS.filter((kind) => (fractions?.[kind] ?? 0) >= MIN_FRACTION).sort((a, b) => fractions![b] - fractions![a]);
  if (!known.length) return "";
  return t("differsBy", { fractions: known.map((kind) => `${t(kind)} ${Math.round(100 * fractions![kind])} %`).join(", ") });
}
