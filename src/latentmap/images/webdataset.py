"""WebDataset: tar archives in which files of one stem belong together, such as 0001.jpg, 0001.json and 0001.cls."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentmap.images.file_columns import as_column
from latentmap.images.image_table import escape_undecodable
from latentmap.images.tar_members import TarMembers

SIDECAR_SUFFIXES = ("json", "cls", "txt")
SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MIN_FRACTION = 0.5  # of the images that have a file beside them, so that notes in an archive do not count
MAX_SIDECAR_BYTES = 2**16
MAX_CHARACTERS = 10_000  # of a cell
MAX_COLUMNS = 100  # from the keys of JSON, the most frequent ones
MAX_NAME_CHARACTERS = 100


def is_shard_name(name: str) -> bool:
    """Whether a file name is that of a tar archive.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return name.lower().endswith(SHARD_SUFFIXES)


def sidecar_suffix(name: str) -> str | None:
    """Return the suffix of a file that describes an image of the same stem.

    Parameters
    ----------
    name : str

    Returns
    -------
    str or None
        "json", "cls" or "txt"; None for any other file.
    """
    suffix = name.rpartition("/")[2].partition(".")[2].lower()
    return suffix if suffix in SIDECAR_SUFFIXES else None


def read_sidecars(archive: TarMembers, images: list[str], others: list[tuple[str, int]]) -> tuple[pa.Table | None, int]:
    """Read the files beside images as columns.

    Parameters
    ----------
    archive : TarMembers
    images : list of str
        Names of the images, (n,).
    others : list of (str, int)
        Names and numbers of the other files for which :func:`sidecar_suffix` returns a suffix.

    Returns
    -------
    columns : pyarrow.Table or None
        n rows: ``label`` from .cls, ``txt`` from .txt, and the keys of .json. None if the archive is no WebDataset.
    n_read : int
        Number of files that were read.
    """
    stems = {_stem(name) for name in images}
    beside = sorted(
        (number, name) for name, number in others if _stem(name) in stems and archive.sizes[number] <= MAX_SIDECAR_BYTES
    )
    if len({_stem(name) for _, name in beside}) < MIN_FRACTION * len(stems) or not beside:
        return None, 0
    cells: dict[str, dict[str, Any]] = defaultdict(dict)
    items = archive.read(np.array([number for number, _ in beside], np.intp))
    for (_, name), item in zip(beside, items, strict=True):
        if isinstance(item.source, bytes):
            suffix, known = sidecar_suffix(name) or "", cells[_stem(name)]
            found = _parse(suffix, item.source)
            cells[_stem(name)] = known | found if suffix == "cls" else found | known  # a class before other labels
    counts = Counter(key for one in cells.values() for key in one)
    rows = [cells.get(_stem(name), {}) for name in images]
    kept = {key for key, _ in counts.most_common(MAX_COLUMNS)}
    names = [key for key in counts if key in kept]
    return pa.table({name: as_column([row.get(name) for row in rows]) for name in names}), len(beside)


def _stem(name: str) -> str:
    """The name up to the first dot of its last part, which is the key of a sample."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]


def _parse(suffix: str, data: bytes) -> dict[str, Any]:
    """Cells by the name of their column. A damaged file has none."""
    text = data.decode("utf-8", "backslashreplace").strip()
    if suffix == "txt":
        return {"txt": text[:MAX_CHARACTERS]}
    if suffix == "cls":
        return {"label": int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else text[:MAX_CHARACTERS]}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    items = found.items() if isinstance(found, dict) else [("json", found)]
    return {_column_name(key): _cell(value) for key, value in list(items)[:MAX_COLUMNS]}


def _column_name(key: str) -> str:
    return escape_undecodable(key.encode("utf-8", "replace").decode())[:MAX_NAME_CHARACTERS] or "json"


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()[:MAX_CHARACTERS]
    return value


def find_shards(folder: Path, names: list[str]) -> list[Path]:
    """The tar archives among the files of a folder, in the order of their names.

    Parameters
    ----------
    folder : Path
    names : list of str

    Returns
    -------
    list of Path
    """
    return [folder / name for name in sorted(names) if is_shard_name(name)]
