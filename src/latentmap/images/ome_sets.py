"""Sets of OME-TIFF files: one description names several files, whose pages are the planes of the same images."""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO
from xml.etree import ElementTree

from latentmap.core.errors import DecodingError

ENTITY = re.compile(r"<!(DOCTYPE|ENTITY)")  # entities could grow without bound
ONE_BY_ONE = "--axes images reads its pages one by one"


def reads_other_files(file: IO[bytes], xml: str) -> bool:
    """Whether other files have to be opened to read the images of a file.

    Parameters
    ----------
    file : file object
    xml : str
        OME-XML of the file.

    Returns
    -------
    bool
        True for the first file of a set, with which the images of the whole set are read.

    Raises
    ------
    DecodingError
        If the images are those of another file, or a file of the set is missing or cannot be opened from here.
    """
    names = file_names(xml)
    if len(names) < 2:
        return False
    path = getattr(file, "name", None)
    if not isinstance(path, str):
        raise DecodingError(
            f"one of a set of {len(names):,} OME-TIFF files, which are read together from a folder: unpack them; "
            f"{ONE_BY_ONE}"
        )
    folder, own = Path(path).parent, Path(path).name
    missing = next((name for name in names if not _is_plain(name) or not (folder / name).is_file()), None)
    if missing is not None:
        raise DecodingError(
            f"one of a set of {len(names):,} OME-TIFF files, of which {missing[:100]!r} is not beside it; {ONE_BY_ONE}"
        )
    if own.lower() not in [name.lower() for name in names]:
        raise DecodingError(
            f"named otherwise than the OME-TIFF files that it describes, such as {names[0][:100]!r}; {ONE_BY_ONE}"
        )
    if own.lower() != names[0].lower():
        raise DecodingError(f"read with {names[0][:100]!r}, the first OME-TIFF file of its set; {ONE_BY_ONE}")
    return True


def file_names(xml: str) -> list[str]:
    """Names of the files that hold the planes, in the order of the planes.

    Parameters
    ----------
    xml : str
        OME-XML.

    Returns
    -------
    list of str
        Each once; empty if the description is damaged or names none.

    Raises
    ------
    DecodingError
        If the description is in another file.
    """
    if ENTITY.search(xml):
        return []
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return []
    binary_only = next((one for one in root.iter() if one.tag.endswith("BinaryOnly")), None)
    if binary_only is not None:
        where = binary_only.get("MetadataFile", "")[:100]
        raise DecodingError(f"described by OME-XML in another file, {where!r}, which is not read; {ONE_BY_ONE}")
    named = (one.get("FileName") for one in root.iter() if one.tag.endswith("}UUID") or one.tag == "UUID")
    return list(dict.fromkeys(name for name in named if name))


def _is_plain(name: str) -> bool:
    """Whether a name is that of a file in the same folder: a description may not name files elsewhere."""
    return name == PurePosixPath(name).name == PureWindowsPath(name).name
