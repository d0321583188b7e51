"""Letters of many fonts and of many scripts."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from benchmarks.labelled.packages import debian
from benchmarks.labelled.pictures import LabelledCollection, Pixels, collected

SIDE = 32
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Files of fonts in the Debian packages before them.
FONTS = {
    "fonts-adf-accanthis": ("AccanthisADFStd-Italic.otf",),
    "fonts-adf-gillius": ("GilliusADF-Cond.otf",),
    "fonts-adf-oldania": ("OldaniaADFStd-Bold.otf",),
    "fonts-averia-serif-gwf": ("AveriaSerifGWF-Regular.ttf",),
    "fonts-breip": ("Breip.ttf",),
    "fonts-cabinsketch": ("CabinSketch-Bold.ttf",),
    "fonts-cantarell": ("Cantarell-Thin.otf", "Cantarell-ExtraBold.otf"),
    "fonts-comfortaa": ("Comfortaa-Regular.ttf",),
    "fonts-comic-neue": ("ComicNeue-Bold.otf",),
    "fonts-courier-prime": ("Courier Prime.otf",),
    "fonts-dancingscript": ("DancingScript-Regular.otf",),
    "fonts-dejavu-core": ("DejaVuSans.ttf", "DejaVuSerif-Bold.ttf"),
    "fonts-dkg-handwriting": ("dkg.ttf",),
    "fonts-dosis": ("Dosis-Medium.otf",),
    "fonts-dustin": ("Domestic_Manners.ttf", "It_wasn_t_me.ttf"),
    "fonts-ebgaramond": ("EBGaramond12-Italic.otf",),
    "fonts-fantasque-sans": ("FantasqueSansMono-Regular.ttf",),
    "fonts-freefont-ttf": ("FreeMono.ttf",),
    "fonts-georgewilliams": ("Caliban.ttf", "Caslon-Black.ttf"),
    "fonts-gnutypewriter": ("GNUTypewriter.ttf",),
    "fonts-humor-sans": ("Humor-Sans.ttf",),
    "fonts-inconsolata": ("Inconsolata.otf",),
    "fonts-isabella": ("Isabella.ttf",),
    "fonts-junicode": ("JunicodeTwoBeta-Expanded.otf",),
    "fonts-kaushanscript": ("KaushanScript-Regular.otf",),
    "fonts-kristi": ("Kristi.ttf",),
    "fonts-lato": ("Lato-Black.ttf", "Lato-LightItalic.ttf"),
    "fonts-leckerli-one": ("LeckerliOne-Regular.ttf",),
    "fonts-liberation": ("LiberationSerif-Regular.ttf", "LiberationSans-BoldItalic.ttf"),
    "fonts-linuxlibertine": ("LinLibertine_R.otf",),
    "fonts-lobstertwo": ("LobsterTwo-Regular.otf",),
    "fonts-ocr-a": ("OCRA.ttf",),
    "fonts-opendyslexic": ("OpenDyslexic-Regular.otf",),
    "fonts-play": ("Play-Bold.ttf",),
    "fonts-quattrocento": ("Quattrocento-Regular.otf",),
    "fonts-roboto-slab": ("RobotoSlab-Thin.otf",),
    "fonts-rufscript": ("Rufscript010.ttf",),
}
SCRIPTS = (
    *("Arabic", "Armenian", "Bengali", "Cherokee", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Greek"),
    *("Hangul", "Hebrew", "Khmer", "Latin", "Tamil", "Thai"),
)
# Greek and Cyrillic letters that look like Latin ones.
SHARED = set("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονυАВЕЅІЈКМНОРСТУХаеорсухѕіј")


def letters() -> LabelledCollection:
    """The letters A to z in fonts with and without serifs, wide, narrow, typed and written by hand."""
    paths = [next(debian(package).rglob(name)) for package, names in FONTS.items() for name in names]
    return collected("letters", (picture for path in paths for picture in _alphabet(path)))


def scripts() -> LabelledCollection:
    """A hundred letters of each of fifteen scripts, in the Noto fonts and, for Hangul, Nanum's."""
    random = np.random.default_rng(0)
    return collected("scripts", (picture for script in SCRIPTS for picture in _some_of(script, 100, random)))


def _alphabet(path: Path) -> Iterator[tuple[str, Pixels]]:
    """All letters on one line and in one size, in which the tallest and the widest just fit."""
    left, top, right, bottom = ImageFont.truetype(str(path), 100).getbbox("AbdfghjlpqyQ", anchor="ls")
    widest = max(_width(path, letter) for letter in "MWmw")
    size = 100 * (SIDE - 2) / max(bottom - top, widest)
    font = ImageFont.truetype(str(path), size)
    line = SIDE / 2 - (top + bottom) / 2 * size / 100
    for letter in LETTERS:
        left, _, right, _ = font.getbbox(letter, anchor="ls")
        yield letter, _drawn(letter, font, (SIDE / 2 - (left + right) / 2, line))


def _width(path: Path, letter: str) -> float:
    left, _, right, _ = ImageFont.truetype(str(path), 100).getbbox(letter, anchor="ls")
    return right - left


def _some_of(script: str, n: int, random: np.random.Generator) -> Iterator[tuple[str, Pixels]]:
    """Letters of a script at random, each in a font and a size at random, in the middle."""
    fonts = _fonts_of(script)
    known = [(path, letter) for path in fonts for letter in _letters_of(script, path)]
    for place in random.choice(len(known), n, replace=False):
        path, letter = known[place]
        left, top, right, bottom = ImageFont.truetype(str(path), 100).getbbox(letter, anchor="ls")
        size = min(random.uniform(20, 28), 100 * (SIDE - 2) / max(right - left, bottom - top))
        middle = tuple(SIDE / 2 - length * size / 200 for length in (left + right, top + bottom))
        yield script, _drawn(letter, ImageFont.truetype(str(path), size), middle)


def _fonts_of(script: str) -> list[Path]:
    if script == "Hangul":
        return [next(debian("fonts-nanum").rglob(f"Nanum{name}.ttf")) for name in ("Gothic", "Myeongjo", "SquareB")]
    name = "" if script in {"Latin", "Greek", "Cyrillic"} else script
    folder = debian("fonts-noto-core")
    kinds = [f"Noto{serifs}{name}-{weight}.ttf" for serifs in ("Sans", "Serif") for weight in ("Regular", "Bold")]
    return [path for kind in kinds for path in folder.rglob(kind)]


def _letters_of(script: str, path: Path) -> list[str]:
    """The letters of a script that a font has, by their names in Unicode; of the Latin ones those of Europe."""
    end = 0x180 if script == "Latin" else 0x10000
    characters = [chr(code) for code in sorted(TTFont(path, lazy=True).getBestCmap()) if code < end]
    return [
        one
        for one in characters
        if unicodedata.name(one, "").startswith(f"{script.upper()} ")
        and unicodedata.category(one) in {"Lu", "Ll", "Lo"}
        and one not in SHARED
    ]


def _drawn(text: str, font: ImageFont.FreeTypeFont, place: tuple[float, ...]) -> Pixels:
    picture = Image.new("L", (SIDE, SIDE), 255)
    ImageDraw.Draw(picture).text(place, text, fill=0, font=font, anchor="ls")
    return np.asarray(picture)
