// What a browser remembers of its user: theme, language, size of pictures; and for a tab what was selected in a run.

/** A frame in a notebook may have no storage: then nothing is remembered. */
function attempt<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}

const PREFIX = "latentmap.";

export function remember(name: string, value: string): void {
  attempt(() => localStorage.setItem(PREFIX + name, value));
}

export const recall = (name: string): string | null => attempt(() => localStorage.getItem(PREFIX + name));

/** The theme and the language when nobody chose one. */
export const systemTheme = (): "light" | "dark" => (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
export const systemLanguage = (): "en" | "ko" => (navigator.language.startsWith("ko") ? "ko" : "en");

/** The theme and the language to begin with: that of the address, that of the last time, or the system's. */
export function firstTheme(given: string | undefined): "light" | "dark" {
  const found = [given, recall("theme")].find((one) => one === "light" || one === "dark");
  return (found as "light" | "dark" | undefined) ?? systemTheme();
}

export function firstLanguage(given: string | undefined): "en" | "ko" {
  const found = [given, recall("language")].find((one) => one === "en" || one === "ko");
  return (found as "en" | "ko" | undefined) ?? systemLanguage();
}

/** Keep the ids that are selected in a version of a run, as ranges. */
export function rememberSelection(version: string, ids: number[]): void {
  attempt(() => sessionStorage.setItem(`${PREFIX}selection`, JSON.stringify({ version, ranges: rangesOf(ids) })));
}

/** The ids that were selected in this version of the run; of another version none, since its ids may mean other images. */
export function recallSelection(version: string): number[] {
  const kept = attempt(() => JSON.parse(sessionStorage.getItem(`${PREFIX}selection`) ?? "null")) as { version?: unknown; ranges?: unknown } | null;
  if (kept?.version !== version || typeof kept.ranges !== "string" || !kept.ranges) return [];
  return kept.ranges.split(",").flatMap((range) => {
    const [first, last] = range.split("-").map(Number);
    return Array.from({ length: (last ?? first) - first + 1 }, (_, i) => first + i);
  });
}

/** Whole numbers in order, such as "1-4,7". */
function rangesOf(ids: number[]): string {
  const ranges: string[] = [];
  for (let i = 0; i < ids.length; i++) {
    const first = ids[i];
    while (ids[i + 1] === ids[i] + 1) i += 1;
    ranges.push(ids[i] === first ? `${first}` : `${first}-${ids[i]}`);
  }
  return ranges.join();
}
