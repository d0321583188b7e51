// Texts in the language of the page, with placeholders filled in.

import { ENGLISH, type Key } from "./english";
import { KOREAN } from "./korean";

export type { Key };
type Language = "en" | "ko";

const PLACEHOLDER = /\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}/g;
/** Particles of "점", by those of "이미지". */
const AFTER_CONSONANT: { [particle: string]: string } = { 를: "을", 가: "이", 는: "은", 와: "과", 로: "으로", 라: "이라", 나: "이나" };
const FIRST_SYLLABLE = 0xac00; // "가"
const N_SYLLABLES = 11172;
const N_FINALS = 28; // final consonants of a syllable, including none
const FINAL_RIEUL = 8; // index of ㄹ

/** Texts about files of images, also in a run whose points have no pictures. */
const ABOUT_FILES = /^(drop|saving|picture|find|choosePicture|original|activations|training)/;

let language: Language = "en";
let isOfPoints = false;

export function setLanguage(chosen: Language): void {
  language = chosen;
  document.documentElement.lang = chosen;
}

/** Say "point" instead of "image": the points of the run have no pictures. */
export function sayPoints(): void {
  isOfPoints = true;
}

/** The text of a key in the language of the page. */
export function t(key: Key, values: { [name: string]: string | number } = {}): string {
  const text = (language === "ko" ? KOREAN : ENGLISH)[key];
  return formatText(isOfPoints && !ABOUT_FILES.test(key) ? pointText(text, language) : text, values, language);
}

/** A text about images as one about points. */
export function pointText(text: string, language: Language): string {
  if (language === "en") return text.replace(/\b(an )?image(s?)\b/g, (_, an, s) => `${an ? "a " : ""}point${s}`).replace(/\b(An )?Image(s?)\b/g, (_, an, s) => `${an ? "A point" : "Point"}${s}`);
  return text.replace(/이미지(를|가|는|와|로|라|나)?/g, (_, particle?: string) => `점${particle ? AFTER_CONSONANT[particle] : ""}`);
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
