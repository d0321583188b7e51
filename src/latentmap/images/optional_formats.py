"""File formats that optional packages read: their suffixes, first bytes, and the extra that installs each package."""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from latentmap.core.errors import MissingPackageError


@dataclass(frozen=True)
class OptionalFormat:
    """A file format that an optional package reads.

    Attributes
    ----------
    name : str
        Name of the format in messages, with an article.
    package : str
        Name of the package that is imported.
    extra : str
        Extra of latentmap that installs it.
    suffixes : tuple of str
        Suffixes of file names, in lower case.
    signature : re.Pattern
        Matches the first ``N_SIGNATURE_BYTES`` bytes of a file.
    is_found_by_signature : bool
        Whether a file in a folder is recognised without a known suffix.
    has_several : bool
        Whether a file may contain several images, such as frames.
    """

    name: str
    package: str
    extra: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    is_found_by_signature: bool = True
    has_several: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether the package is installed."""
        return _is_installed(self.package)

    @property
    def missing_reason(self) -> str:
        """Why a file cannot be read without the package."""
        return f"{self.name}, which is read by the package {self.package}: pip install 'latentmap[{self.extra}]'"

    def require(self, path: object = None) -> None:
        """Require the package.

        Parameters
        ----------
        path : object, optional
            File that the message names.

        Raises
        ------
        MissingPackageError
            If it is not installed.
        """
        if not self.is_installed:
            raise MissingPackageError(self.missing_reason if path is None else f"{path}: {self.missing_reason}")


HEIF = OptionalFormat(
    "a HEIC picture",
    "pillow_heif",
    "heif",
    (".heic", ".heif", ".hif"),
    # mif1 and msf1 are the brands of any such container, those of AVIF included
    re.compile(rb"....ftyp(?:hei[cxms]|hev[cx]|(?:mif1|msf1)(?!.{0,16}avi[fs]))", re.DOTALL),
)
DICOM = OptionalFormat(
    "a DICOM file",
    "pydicom",
    "dicom",
    (".dcm", ".dicom", ".dic"),
    re.compile(rb".{128}DICM", re.DOTALL),
    has_several=True,
)
FITS = OptionalFormat(
    "a FITS file",
    "astropy",
    "fits",
    (".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz", ".fts.gz"),
    re.compile(rb"SIMPLE  ="),
    has_several=True,
)
AUDIO = OptionalFormat(
    "a sound",
    "soundfile",
    "audio",
    (".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64"),
    re.compile(
        rb"(?:RIFF|RF64|RIFX)....WAVE|riff\x2e\x91\xcf\x11|fLaC|OggS(?!.{24}\x80theora)|FORM....AIF[FC]|caff\0|\.snd\0|"
        # MPEG layer 3, of a valid bit rate and sample rate
        rb"ID3[\2-\4]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xeb]",
        re.DOTALL,
    ),
    is_found_by_signature=False,
    has_several=True,
)
VIDEO = OptionalFormat(
    "a video",
    "av",
    "video",
    # neither .ts nor .mts, which are TypeScript more often
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts", ".3gp", ".wmv", ".flv", ".ogv"),
    re.compile(
        rb"....ftyp(?!avi[fs]|mif1|msf1|hei|hev|crx |jp2|jpx|jpm|M4[AB] )|....(?:moov|mdat|wide)|\x1aE\xdf\xa3|"
        rb"RIFF....AVI |OggS.{24}\x80theora|\0\0\x01[\xba\xb3]|FLV\x01|0&\xb2u\x8ef\xcf\x11|(?:.{4})?G.{187}(?:.{4})?G",
        re.DOTALL,
    ),
    is_found_by_signature=False,
    has_several=True,
)
HDF5 = OptionalFormat(
    "an HDF5 file",
    "h5py",
    "hdf5",
    (".h5", ".hdf5", ".he5"),
    re.compile(rb"\x89HDF\r\n\x1a\n"),
    is_found_by_signature=False,
    has_several=True,
)
# A folder, which has no first bytes.
ZARR = OptionalFormat("a Zarr folder", "zarr", "zarr", (".zarr",), re.compile(rb"(?!)"), False, True)
OPTIONAL_FORMATS = (HEIF, DICOM, FITS, AUDIO, VIDEO, HDF5, ZARR)
N_SIGNATURE_BYTES = 256  # that identify any of these formats


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def format_by_suffix(name: str) -> OptionalFormat | None:
    """Return the optional format of a file name.

    Parameters
    ----------
    name : str

    Returns
    -------
    OptionalFormat or None
        None for any other suffix.
    """
    stem, suffix = os.path.splitext(name.lower())  # noqa: PTH122 - names need not be valid paths
    if suffix == ".gz":
        suffix = os.path.splitext(stem)[1] + suffix  # noqa: PTH122
    return _formats_by_suffix().get(suffix)


@cache
def _formats_by_suffix() -> dict[str, OptionalFormat]:
    return {suffix: one for one in OPTIONAL_FORMATS for suffix in one.suffixes}


def format_by_signature(start: bytes, *, in_folder: bool = False) -> OptionalFormat | None:
    """Return the optional format of a file by its first bytes.

    Parameters
    ----------
    start : bytes
        First ``N_SIGNATURE_BYTES`` bytes.
    in_folder : bool, default=False
        Consider only formats that are recognised in folders without a suffix.

    Returns
    -------
    OptionalFormat or None
        None if no signature matches.
    """
    for one in OPTIONAL_FORMATS:
        if (one.is_found_by_signature or not in_folder) and one.signature.match(start):
            return one
    return None


def format_of_file(path: Path) -> OptionalFormat | None:
    """Return the optional format of a file by its first bytes, or else by its suffix.

    Parameters
    ----------
    path : Path

    Returns
    -------
    OptionalFormat or None
        None if it is of another format.
    """
    with path.open("rb") as file:
        return format_by_signature(file.read(N_SIGNATURE_BYTES)) or format_by_suffix(path.name)


def missing_reason(name: str, first_bytes: Callable[[], bytes]) -> str | None:
    """Return why a file cannot be read, if this is for want of a package.

    Parameters
    ----------
    name : str
    first_bytes : callable
        Returns the first bytes. It is only called if the suffix is none of those of an optional format.

    Returns
    -------
    str or None
        None if it is of no optional format, or the package is installed.
    """
    found = format_by_suffix(name) or format_by_signature(first_bytes(), in_folder=True)
    return None if found is None or found.is_installed else found.missing_reason


def missing_reasons(names: Iterable[str]) -> dict[int, str]:
    """Return why files cannot be read, if their suffixes are those of a format whose package is not installed.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    dict of int to str
        Reasons by the position of the file.
    """
    if all(one.is_installed for one in OPTIONAL_FORMATS):
        return {}
    found = ((i, format_by_suffix(name)) for i, name in enumerate(names))
    return {i: one.missing_reason for i, one in found if one is not None and not one.is_installed}


def suffixes_of_several() -> tuple[str, ...]:
    """Suffixes of files that may contain several images."""
    return tuple(suffix for one in OPTIONAL_FORMATS if one.has_several for suffix in one.suffixes)


def missing_packages(reasons: Iterable[str]) -> list[str]:
    """Return the packages for want of which files cannot be read.

    Parameters
    ----------
    reasons : iterable of str
        Why files cannot be read.

    Returns
    -------
    list of str
        Names in the order of the alphabet, each once.
    """
    wanted = {one.missing_reason: one.package for one in OPTIONAL_FORMATS}
    return sorted({wanted[reason] for reason in set(reasons) if reason in wanted})
