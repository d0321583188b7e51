"""Points that have vectors and no pictures, as a collection of images."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from latentmap.images import ImageCollection
from latentmap.images.column_types import digest_column
from latentmap.images.image_table import make_image_table
from latentmap.images.listing import Source
from latentmap.images.table import rename_other_columns
from latentmap.run.given.floats import float_blocks
from latentmap.run.given.value_files import GivenValues


def collection_of_points(given: GivenValues) -> ImageCollection:
    """Make a collection of points without pictures: each has one black pixel, and its vector as its content.

    Parameters
    ----------
    given : GivenValues
        Vectors. The paths of the points are those in its table, or its ids, or its name and the number of the row;
        the other columns of the table are kept.

    Returns
    -------
    ImageCollection
        With the column ``sha256``, of the vectors.
    """
    n, name = len(given.values), Path(given.name.rpartition("/")[2]).name.partition(".")[0] or "points"
    keys = given.keys
    paths = keys if keys is not None and len(set(keys)) == n else [f"{name}[{i}]" for i in range(n)]
    others = pa.table({}) if given.others is None else rename_other_columns(given.others())
    digests = bytearray()
    for block in float_blocks(given.values, given.name):
        digests += b"".join(hashlib.sha256(row.data).digest() for row in block.astype("<f4", copy=False))
    table = make_image_table(paths, others).append_column("sha256", digest_column(digests))
    return ImageCollection(np.zeros((n, 1, 1), np.uint8), table, name=name, sources=(Source(name),), has_pictures=False)
