"""Text from data in figures: without mathematics, on one line, of limited length, in fonts that have its characters.

matplotlib renders text between two dollar signs as mathematics, draws a box and warns for each character that a font
lacks, and does not limit the length of a name.
"""

import unicodedata
from functools import cache
from typing import Any

from matplotlib.font_manager import FontProperties, fontManager, get_font

MAX_DRAWN_LENGTH = 24  # characters
MAX_TITLE_LENGTH = 60  # characters
NO_GLYPH = "□"  # drawn for characters that no installed font has
# Fonts to try, in this order: matplotlib's own, fonts with many scripts, fonts of the operating systems.
FONT_FAMILIES = (
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
    """Keyword arguments for a matplotlib text from data: no mathematics, and fonts for many scripts."""
    return {"parse_math": False, "fontfamily": list(_installed_families()), **style}


def short_text(value: object, max_length: int = MAX_DRAWN_LENGTH) -> str:
    """Convert a value to text on one line, cut to a maximum length, with a box for characters that no font has.

    Parameters
    ----------
    value : object
    max_length : int, default=24
        Maximum number of characters.

    Returns
    -------
    str

    Examples
    --------
    >>> short_text("two\\nlines\\t of  text"), short_text("a name that is far too long", 12)
    ('two lines of text', 'a name that…')
    """
    characters = (c for c in str(value) if unicodedata.category(c) not in ("Cf", "Mn") or _has_glyph(c))
    text = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in characters).split())
    if len(text) > max_length:
        text = f"{text[: max_length - 1].rstrip()}…"
    return "".join(c if _has_glyph(c) else NO_GLYPH for c in text)


@cache
def _installed_families() -> tuple[str, ...]:
    """Font families of ``FONT_FAMILIES`` that are installed."""
    installed = set(fontManager.get_font_names())
    return tuple(name for name in FONT_FAMILIES if name in installed)


@cache
def _has_glyph(character: str) -> bool:
    code = ord(character)
    if 0xD800 <= code < 0xE000:  # unpaired surrogate, from a file name that is not valid text
        return False
    fonts = (fontManager.findfont(FontProperties(family=[name])) for name in _installed_families())
    return character.isspace() or any(get_font(path).get_char_index(code) for path in fonts)
