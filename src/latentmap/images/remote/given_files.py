"""Files beside a source, such as those of labels and vectors, which may lie at an address."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from latentmap.core.addresses import is_address, name_of, public_address
from latentmap.core.atomic_files import user_path
from latentmap.core.errors import LatentmapError, SourceError, TransferError
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.remote.downloads import MAX_FILE_BYTES, Downloads

T = TypeVar("T")
# Suffixes of files behind whose address a colon may name an array or a column.
SUFFIXES_WITH_NAMES = (".npy", ".npz", ".parquet", ".arrow", ".feather", ".csv", ".tsv")


def read_given_file(given: Any, downloads: Downloads, read: Callable[[Any], T]) -> T:
    """Read values from a file or from memory. A file at an address is downloaded first.

    Parameters
    ----------
    given : str, path or values in memory
        An address may end in a colon and a name, as a path may.
    downloads : Downloads
    read : callable
        Reads a path or values in memory. Results with a ``name`` or a ``source`` have the address in it.

    Returns
    -------
    object
        What ``read`` returns.

    Raises
    ------
    SourceError
        If the file cannot be downloaded.
    LatentmapError
        What ``read`` raises, with the address in the place of the path.
    """
    if not is_address(given):
        return read(given)
    address, name = split_address(given)
    shown = public_address(address)
    try:
        file, _ = downloads.info(address)
    except TransferError as error:
        raise SourceError(f"{shown}: {error}: pass the address of a file") from None
    path = downloads.whole(file)
    try:
        found: Any = read(path if name is None else f"{path}:{name}")
    except LatentmapError as error:
        raise type(error)(str(error).replace(str(path), shown)) from None
    for field in ("name", "source"):
        text = getattr(found, field, None)
        if isinstance(text, str):
            found = replace(found, **{field: text.replace(str(path), shown)})
    return found  # type: ignore[no-any-return]


@contextmanager
def local_image(path: str | os.PathLike[str]) -> Iterator[EncodedImage]:
    """An image file, which is downloaded to a temporary folder if it lies at an address.

    Parameters
    ----------
    path : path
        The file, or its address as text.

    Yields
    ------
    EncodedImage
        The reason in it is that of a file that cannot be downloaded.
    """
    if not is_address(path):
        yield EncodedImage(str(user_path(path)))
        return
    with TemporaryDirectory(prefix="latentmap-") as folder:
        downloads = Downloads(Path(folder), MAX_FILE_BYTES)
        try:
            image = downloads.image(downloads.info(str(path))[0])
        except TransferError as error:
            image = EncodedImage(Failure(str(error)))
        yield image


def split_address(given: str) -> tuple[str, str | None]:
    """Split ``ADDRESS:NAME``.

    Parameters
    ----------
    given : str

    Returns
    -------
    (str, str or None)

    Examples
    --------
    >>> split_address("s3://bucket/clip.npz:vectors")
    ('s3://bucket/clip.npz', 'vectors')
    >>> split_address("https://host:8080/labels.csv")
    ('https://host:8080/labels.csv', None)
    """
    before, colon, name = given.rpartition(":")
    if colon and name and is_address(before) and Path(name_of(before)).suffix.lower() in SUFFIXES_WITH_NAMES:
        return before, name
    return given, None
