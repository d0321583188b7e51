"""The kind of a file in a folder or an archive, by its name, or by its first bytes where the name does not say."""

import os
import re
from collections.abc import Callable
from enum import Enum
from functools import cache

from PIL import Image

N_FIRST_BYTES = 32
# Endings of pictures that Pillow reads although it does not list them.
UNLISTED = {".pam", ".spi", ".spider", ".jpeg2000", ".bigtif", ".btf", ".tf8"}
# Pictures that Pillow does not read, or of which it reads only the preview: listed as skipped, not passed over.
UNREAD = {".ai", ".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".heic", ".heif", ".jxl", ".nef", ".orf", ".psb"}
UNREAD |= {".raf", ".rw2", ".svg", ".svgz", ".xcf", ".3fr", ".czi", ".dcm", ".dicom", ".djvu", ".iiq", ".jxr", ".kra"}
UNREAD |= {".lif", ".nd2", ".nii", ".oib", ".oir", ".ora", ".pef", ".rwl", ".srw", ".vsi", ".wdp", ".x3f"}
UNREAD_REASON = "a format that Pillow does not read"
ARCHIVES = {".7z", ".cbr", ".cbz", ".rar", ".tar", ".tbz", ".tbz2", ".tgz", ".txz", ".zip"}
ARCHIVE_REASON = "an archive inside another source: unpack it, or pass it as a source of its own"
PACKED_TAR = re.compile(r"\.tar\.(gz|bz2|xz|zst|lzma|z)$")
# Beginnings of files that can be nothing but a picture of a format that Pillow reads.
PICTURE_STARTS = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|II[*+]\0|MM\0[*+]|RIFF....WEBP|BM....\0\0\0\0|8BPS\0\x01|qoif|icns\0|"
    rb"DDS \x7c\0\0\0|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\0|....ftyp(avif|avis|mif1)|SIMPLE  =|"
    rb"P[1-6]\s+[\d#]|P7\n",
    re.DOTALL,
)
UNREAD_STARTS = re.compile(rb"....ftyp(heic|heix|heim|heis|hevc|crx )|\0\0\0\x0cJXL \r\n|\x76\x2f\x31\x01", re.DOTALL)
ARCHIVE_STARTS = re.compile(rb"PK\x03\x04|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07")


class Kind(Enum):
    """The kind of a file."""

    PICTURE = "picture"
    UNREAD = "unread"
    ARCHIVE = "archive"
    OTHER = "other"


def kind_of(name: str, first_bytes: Callable[[], bytes]) -> Kind:
    """The kind of a file; its first bytes are only asked for when its name does not tell."""
    known = kind_of_name(name)
    if known is not None:
        return known
    start = first_bytes()
    if PICTURE_STARTS.match(start):
        return Kind.PICTURE
    if UNREAD_STARTS.match(start):
        return Kind.UNREAD
    # documents of many kinds are archives of their own
    return Kind.ARCHIVE if "." not in name.rpartition("/")[2] and ARCHIVE_STARTS.match(start) else Kind.OTHER


def kind_of_name(name: str) -> Kind | None:
    """The kind of a file whose ending tells."""
    base = name.rpartition("/")[2].lower()
    ending = os.path.splitext(base)[1]  # noqa: PTH122
    if ending in UNREAD:
        return Kind.UNREAD
    if ending in UNLISTED or ending in _extensions():
        return Kind.PICTURE
    return Kind.ARCHIVE if ending in ARCHIVES or PACKED_TAR.search(base) else None


@cache
def _extensions() -> frozenset[str]:
    return frozenset(Image.registered_extensions())
