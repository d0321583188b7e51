// Texts in the language of the page, with placeholders filled in.

import { ENGLISH, type Key } from "./english";
import { KOREAN } from "./korean";

export type { Key };
type Language = "en" | "ko";

const PLACEHOLDER = /\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}/g;
const FIRST_SYLLABLE = 0xac00; // "가"
const N_SYLLABLES = 11172;
const N_FINALS = 28; // final consonants of a syllable, including none
const FINAL_RIEUL = 8; // index of ㄹ

let language: Language = "en";

export function setLanguage(chosen: Language): void {
  language = chosen;
  document.documentElement.lang = chosen;
}

/** The text of a key in the language of the page. */
export function t(key: Key, values: { [name: string]: string | number } = {}): string {
  return formatText((language === "ko" ? KOREAN : ENGLISH)[key], values, language);
}

/** Whether a text is the key of one, such as the name of a kind of features. */
export const isKey = (text: string): text is Key => Object.hasOwn(ENGLISH, text);

/** Fill in the placeholders of a text. */
export function formatText(text: string, values: { [name: string]: string | number }, language: Language): string {
  return text.replace(PLACEHOLDER, (_, name: string, first?: string, second?: string) => {
    const value = values[name];
    if (first === undefined) return typeof value === "number" ? value.toLocaleString(language) : String(value);
    const isFirst = language === "ko" ? takesConsonantForm(String(value), second!) : Number(value) === 1;
    return isFirst ? first : second!;
  });
}

/** Whether a Korean particle after a text has the form for a final consonant. */
function takesConsonantForm(text: string, vowelForm: string): boolean {
  const last = text.trim().at(-1) ?? "";
  const isRo = vowelForm === "로"; // (으)로 is 로 after ㄹ as well
  const syllable = last.charCodeAt(0) - FIRST_SYLLABLE;
  if (syllable >= 0 && syllable < N_SYLLABLES) {
    const final = syllable % N_FINALS;
    return final !== 0 && !(isRo && final === FINAL_RIEUL);
  }
  if (/[0-9]/.test(last)) return /[013678]/.test(last) && !(isRo && /[178]/.test(last)); // as read aloud: 영, 일, 삼, …
  return /[lmnr]/i.test(last) && !(isRo && /[lr]/i.test(last));
}
