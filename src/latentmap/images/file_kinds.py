"""Kind of a file in a folder or an archive, by its suffix, or by its first bytes for an unknown suffix."""

import os
import re
from collections.abc import Callable
from enum import Enum
from functools import cache

from PIL import Image

from latentmap.images.optional_formats import N_SIGNATURE_BYTES, format_by_signature, format_by_suffix, missing_reason

N_FIRST_BYTES = N_SIGNATURE_BYTES
# Suffixes of images that Pillow reads but does not register.
UNREGISTERED_SUFFIXES = {".pam", ".spi", ".spider", ".jpeg2000", ".bigtif", ".btf", ".tf8"}
# Suffixes of images that Pillow does not read, or whose preview alone it reads. They are listed as skipped.
UNREAD_SUFFIXES = {
    ".ai",
    ".arw",
    ".cr2",
    ".cr3",
    ".dng",
    ".exr",
    ".hdr",
    ".jxl",
    ".nef",
    ".orf",
    ".psb",
}
UNREAD_SUFFIXES |= {
    ".raf",
    ".rw2",
    ".svg",
    ".svgz",
    ".xcf",
    ".3fr",
    ".czi",
    ".djvu",
    ".iiq",
    ".jxr",
    ".kra",
}
UNREAD_SUFFIXES |= {".lif", ".nd2", ".nii", ".oib", ".oir", ".ora", ".pef", ".rwl", ".srw", ".vsi", ".wdp", ".x3f"}
UNREAD_REASON = "a format that Pillow does not read"
ARCHIVE_SUFFIXES = {".7z", ".cbr", ".cbz", ".rar", ".tar", ".tbz", ".tbz2", ".tgz", ".txz", ".zip"}
ARCHIVE_REASON = "an archive inside another source: unpack it, or pass it as a separate source"
COMPRESSED_TAR = re.compile(r"\.tar\.(gz|bz2|xz|zst|lzma|z)$")
# First bytes that identify formats that Pillow reads.
IMAGE_SIGNATURES = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|II[*+]\0|MM\0[*+]|RIFF....WEBP|BM....\0\0\0\0|8BPS\0\x01|qoif|icns\0|"
    rb"DDS \x7c\0\0\0|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\0|....ftyp(avif|avis|mif1)|"
    rb"P[1-6]\s+[\d#]|P7\n",
    re.DOTALL,
)
UNREAD_SIGNATURES = re.compile(rb"....ftypcrx |\0\0\0\x0cJXL \r\n|\x76\x2f\x31\x01", re.DOTALL)
ARCHIVE_SIGNATURES = re.compile(rb"PK\x03\x04|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07")


class FileKind(Enum):
    """Kind of a file: an image that is read, an image or archive that is not, or another file."""

    IMAGE = "image"
    UNREAD = "unread"
    ARCHIVE = "archive"
    OTHER = "other"


def detect_file_kind(name: str, first_bytes: Callable[[], bytes]) -> FileKind:
    """Detect the kind of a file.

    Parameters
    ----------
    name : str
    first_bytes : callable
        Returns the first ``N_FIRST_BYTES`` bytes. It is only called if the suffix is unknown.

    Returns
    -------
    FileKind
    """
    known = file_kind_by_name(name)
    if known is not None:
        return known
    start = first_bytes()
    optional = format_by_signature(start, in_folder=True)
    if optional is not None:
        return FileKind.IMAGE if optional.is_installed else FileKind.UNREAD
    if IMAGE_SIGNATURES.match(start):
        return FileKind.IMAGE
    if UNREAD_SIGNATURES.match(start):
        return FileKind.UNREAD
    # documents of many formats are zip archives
    return (
        FileKind.ARCHIVE if "." not in name.rpartition("/")[2] and ARCHIVE_SIGNATURES.match(start) else FileKind.OTHER
    )


def file_kind_by_name(name: str) -> FileKind | None:
    """Determine the kind of a file by its suffix.

    Parameters
    ----------
    name : str

    Returns
    -------
    FileKind or None
        None if the suffix is unknown.
    """
    base = name.rpartition("/")[2].lower()
    suffix = os.path.splitext(base)[1]  # noqa: PTH122
    optional = format_by_suffix(base)
    if optional is not None:
        return FileKind.IMAGE if optional.is_installed else FileKind.UNREAD
    if suffix in UNREAD_SUFFIXES:
        return FileKind.UNREAD
    if suffix in UNREGISTERED_SUFFIXES or suffix in _pillow_suffixes():
        return FileKind.IMAGE
    return FileKind.ARCHIVE if suffix in ARCHIVE_SUFFIXES or COMPRESSED_TAR.search(base) else None


def unread_reason(name: str, first_bytes: Callable[[], bytes]) -> str:
    """Describe why a file of the kind UNREAD is not read.

    Parameters
    ----------
    name : str
    first_bytes : callable
        Returns the first ``N_FIRST_BYTES`` bytes. It is only called if the suffix does not tell.

    Returns
    -------
    str
    """
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    return UNREAD_REASON if suffix in UNREAD_SUFFIXES else missing_reason(name, first_bytes) or UNREAD_REASON


@cache
def _pillow_suffixes() -> frozenset[str]:
    return frozenset(Image.registered_extensions())
