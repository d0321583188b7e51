import { afterEach, describe, expect, it } from "vitest";
import { ENGLISH } from "../src/i18n/english";
import { KOREAN } from "../src/i18n/korean";
import { formatText, pointText, setLanguage, t } from "../src/i18n/translate";

afterEach(() => setLanguage("en"));

const placeholders = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)/g)].map(([, name]) => name))].sort();

describe("texts", () => {
  it("have the same placeholders in both languages", () => {
    for (const key of Object.keys(ENGLISH) as (keyof typeof ENGLISH)[]) {
      const [english, korean] = [ENGLISH[key], KOREAN[key]].map(placeholders);
      expect(korean, key).toEqual(english);
    }
  });

  it("are filled in with values, and numbers are grouped", () => {
    expect(t("images", { n: 70000 })).toBe("70,000 images");
    expect(t("images", { n: 1 })).toBe("1 image");
    expect(t("images", { n: 0 })).toBe("0 images");
    expect(t("searchNone", { text: "{n}" })).toBe("No file name contains “{n}”.");
  });

  it("say point where the points have no pictures", () => {
    expect(pointText("Point at an image to inspect it. All images: {n:image|images}. Image {id}", "en")).toBe(
      "Point at a point to inspect it. All points: {n:point|points}. Point {id}",
    );
    expect(pointText("이미지를 클릭하면 이미지와 이웃이 보이고 이미지 {n}개", "ko")).toBe("점을 클릭하면 점과 이웃이 보이고 점 {n}개");
    for (const text of Object.values(KOREAN)) expect(pointText(text, "ko")).not.toMatch(/undefined|점(를|가|는|와|로)( |$)/);
  });

  it("follow the language of the page", () => {
    setLanguage("ko");
    expect(document.documentElement.lang).toBe("ko");
    expect(t("images", { n: 3 })).toBe("이미지 3개");
  });
});

describe("Korean particles", () => {
  const particle = (text: string, forms: string): string => formatText(`{text:${forms}}`, { text }, "ko");

  it.each([
    ["사과", "이|가", "가"],
    ["연필", "이|가", "이"],
    ["사과", "을|를", "를"],
    ["책", "을|를", "을"],
    ["책", "과|와", "과"],
    ["사과", "과|와", "와"],
  ])("after %s (%s): %s", (text, forms, wanted) => expect(particle(text, forms)).toBe(wanted));

  it.each([
    ["사과", "로"],
    ["책", "으로"],
    ["연필", "로"], // a final ㄹ
    ["7", "로"], // 칠
    ["3", "으로"], // 삼
    ["CSV", "로"],
    ["film", "으로"],
  ])("(으)로 after %s: %s", (text, wanted) => expect(particle(text, "으로|로")).toBe(wanted));

  it("go by the digit as it is read aloud", () => {
    const after = (forms: string): string => [..."0123456789"].map((digit) => particle(digit, forms)).join("");
    expect(after("이|가")).toBe("이이가이가가이이이가");
  });

  it("ignore spaces at the end, and treat other characters as vowels", () => {
    expect(particle("책 ", "이|가")).toBe("이");
    expect(particle("a", "이|가")).toBe("가");
    expect(particle("", "이|가")).toBe("가");
  });
});
