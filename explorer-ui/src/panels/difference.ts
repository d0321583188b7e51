// What makes an image different from its neighbour, in words.

import type { Neighbor } from "../data/types";
import { t } from "../i18n/translate";

const KINDS = ["shape", "texture", "parts", "color"] as const;
const MIN_SHARE = 0.005; // smaller ones would be shown as 0 %

/** The shares of the kinds of features in the distance, the largest first; empty where the run has none. */
export function differenceText({ shares }: Neighbor): string {
  const known = KINDS.filter((kind) => (shares?.[kind] ?? 0) >= MIN_SHARE).sort((a, b) => shares![b] - shares![a]);
  if (!known.length) return "";
  return t("differsBy", { shares: known.map((kind) => `${t(kind)} ${Math.round(100 * shares![kind])} %`).join(", ") });
}
