"""Sources that are an array in an HDF5 file or a Zarr folder, by default or by name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.images.decoding import EncodedImage
from latentmap.images.folder import list_files
from latentmap.images.image_table import replace_columns
from latentmap.images.listing import Listing
from latentmap.images.optional_formats import HDF5, ZARR, format_of_file
from latentmap.images.zarr_folders import is_zarr


def split_array_name(path: Path) -> tuple[Path, str] | None:
    """Split ``file.h5:name`` into the file and the name of an array.

    Parameters
    ----------
    path : Path
        A path that does not exist.

    Returns
    -------
    (Path, str) or None
        None if no such file or folder has arrays.
    """
    before, colon, name = str(path).rpartition(":")
    file = Path(before)
    if not colon or not name:
        return None
    if is_zarr(before) or (file.is_file() and format_of_file(file) is HDF5):
        return file, name
    return None


def list_array(path: Path, name: str | None) -> Listing:
    """List an array as a source.

    Parameters
    ----------
    path : Path
        HDF5 file or Zarr folder.
    name : str or None
        Name of the array; None for the array of the images.

    Returns
    -------
    Listing
        With one row, which is expanded to one per image when the file is opened.

    Raises
    ------
    MissingPackageError
        If the package that reads it is not installed.
    """
    (ZARR if path.is_dir() else HDF5).require(path)
    listing = list_files(path.stem, str(path.parent), [path.name])
    if name is None:
        return listing

    def read(rows: NDArray[np.intp]) -> Iterator[EncodedImage]:
        for image in listing.read(rows):
            yield image._replace(part=name)

    table = replace_columns(listing.table, path=pa.array([f"{path.name}:{name}"], pa.string()))
    # without a root: the file alone does not tell which array an image is from
    return replace(listing, table=table, read=read, stamp=f"{listing.stamp}:{name}", root=None)
