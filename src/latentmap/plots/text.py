"""Text from data as it can be drawn in a figure: literal, on one line, of a bounded length, in fonts that have it.

matplotlib takes what stands between two dollar signs for mathematics, draws a box and warns for each character that its
font lacks, and lets a long name push the picture off the page.
"""

import unicodedata
from functools import cache
from typing import Any

from matplotlib.font_manager import FontProperties, fontManager, get_font

LONGEST_NAME = 24  # in characters, of a name on a figure
LONGEST_TITLE = 60  # in characters
NO_GLYPH = "□"  # drawn for a character that no installed font has
# Fonts that are looked for, after matplotlib's own: with many scripts first, then those of the systems.
FAMILIES = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans Hebrew",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "NanumGothic",
    "WenQuanYi Micro Hei",
    "IPAGothic",
    "Malgun Gothic",
    "Microsoft YaHei",
    "Yu Gothic",
    "Segoe UI",
    "Segoe UI Symbol",
    "Apple SD Gothic Neo",
    "PingFang SC",
    "Hiragino Sans",
    "Arial Unicode MS",
    "Noto Emoji",
)


def literal(**style: Any) -> dict[str, Any]:
    """Keyword arguments of a matplotlib text that comes from data: no mathematics, and fonts for many scripts."""
    return {"parse_math": False, "fontfamily": list(_families()), **style}


def short_text(value: object, longest: int = LONGEST_NAME) -> str:
    """A value as text on one line, cut to ``longest`` characters, with a box for what no font has.

    Examples
    --------
    >>> short_text("two\\nlines\\t of  text"), short_text("a name that is far too long", 12)
    ('two lines of text', 'a name that…')
    """
    spaced = ("" if unicodedata.category(c) in ("Cf", "Mn") and not _has_glyph(c) else c for c in str(value))
    text = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in spaced).split())
    if len(text) > longest:
        text = f"{text[: longest - 1].rstrip()}…"
    return "".join(c if _has_glyph(c) else NO_GLYPH for c in text)


@cache
def _families() -> tuple[str, ...]:
    """The families of ``FAMILIES`` that are installed."""
    installed = set(fontManager.get_font_names())
    return tuple(name for name in FAMILIES if name in installed)


@cache
def _has_glyph(character: str) -> bool:
    code = ord(character)
    if 0xD800 <= code < 0xE000:  # half of a pair of UTF-16, from a file name that is no text
        return False
    fonts = (fontManager.findfont(FontProperties(family=[name])) for name in _families())
    return character.isspace() or any(get_font(path).get_char_index(code) for path in fonts)
