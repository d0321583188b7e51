// Settings in local storage (theme, language, thumbnail size), and the selection in session storage.

/** Call a function; null if storage is not available, as in a frame of a notebook. */
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

/** The preferences of the system. */
export const systemTheme = (): "light" | "dark" => (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
export const systemLanguage = (): "en" | "ko" => (navigator.language.startsWith("ko") ? "ko" : "en");

/** The initial theme and language: from the address, from the last visit, or from the system. */
export function initialTheme(given: string | undefined): "light" | "dark" {
  const found = [given, recall("theme")].find((one) => one === "light" || one === "dark");
  return (found as "light" | "dark" | undefined) ?? systemTheme();
}

export function initialLanguage(given: string | undefined): "en" | "ko" {
  const found = [given, recall("language")].find((one) => one === "en" || one === "ko");
  return (found as "en" | "ko" | undefined) ?? systemLanguage();
}

/** Store the selected ids of a version of a run. */
export function rememberSelection(version: string, ids: number[]): void {
  attempt(() => sessionStorage.setItem(`${PREFIX}selection`, JSON.stringify({ version, ranges: formatRanges(ids) })));
}

/** The ids that were selected in this version of the run. In another version, ids may stand for other images. */
export function recallSelection(version: string): number[] {
  const stored = attempt(() => JSON.parse(sessionStorage.getItem(`${PREFIX}selection`) ?? "null")) as { version?: unknown; ranges?: unknown } | null;
  if (stored?.version !== version || typeof stored.ranges !== "string" || !stored.ranges) return [];
  return parseRanges(stored.ranges);
}

/** Format ascending integers as ranges, such as "1-4,7". */
export function formatRanges(ids: number[]): string {
  const ranges: string[] = [];
  for (let i = 0; i < ids.length; i++) {
    const first = ids[i];
    while (ids[i + 1] === ids[i] + 1) i += 1;
    ranges.push(ids[i] === first ? `${first}` : `${first}-${ids[i]}`);
  }
  return ranges.join();
}

/** Parse ranges such as "1-4,7". */
export function parseRanges(text: string): number[] {
  return text.split(",").flatMap((range) => {
    const [first, last] = range.split("-").map(Number);
    return Array.from({ length: (last ?? first) - first + 1 }, (_, i) => first + i);
  });
}
