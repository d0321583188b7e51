"""A run as the source of another: its decoded images, their table and their labels."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import OptionError
from latentmap.images import ImageCollection, ShapeOptions
from latentmap.images.arrays import ArrayScaling
from latentmap.images.column_types import unify_types
from latentmap.images.decode_options import DecodeOptions
from latentmap.images.deferred import DeferredSource
from latentmap.images.image_table import replace_columns
from latentmap.images.listing import Listing
from latentmap.images.remote.downloads import Downloads
from latentmap.images.sources import find_source
from latentmap.run import layout, tables
from latentmap.run.run import Run, sources_of
from latentmap.run.state import STATE_FILE, added_folders


def find_images(
    source: Any, decoding: DecodeOptions, scaling: ArrayScaling, downloads: Downloads
) -> Listing | ImageCollection | DeferredSource:
    """Find the images of a source, which may be a run.

    Parameters
    ----------
    source : str, path or ndarray, or a list of them
        See :func:`latentmap.open_images`; or the folder of a run, whose images are not decoded again.
    decoding : DecodeOptions
    scaling : ArrayScaling
        Conversion of arrays to pixels.
    downloads : Downloads
        Where files at an address are downloaded to.

    Returns
    -------
    Listing, ImageCollection or DeferredSource

    Raises
    ------
    SourceError, IdxError
        See :func:`latentmap.images.sources.find_source`.
    RunError
        If the source is a run that is damaged or has no images yet.
    OptionError
        If another size or colour is asked for than a run has.
    """
    only = source[0] if isinstance(source, list) and len(source) == 1 else source
    if isinstance(only, str | os.PathLike):
        folder = user_path(only)
        if os.path.isfile(folder / STATE_FILE):  # noqa: PTH113 - False for names that no file can have
            if decoding.shape != ShapeOptions() or decoding.frames:
                raise OptionError(
                    f"{folder}: is a run, whose images keep their size and colour: leave out the options of decoding, "
                    "or pass its source"
                )
            return images_of_run(folder)
    return find_source(source, scaling, downloads)


def images_of_run(folder: Path) -> ImageCollection:
    """The images of a run and of its additions, with their table and labels.

    Those of a run without additions are mapped from its cache; with additions they are joined in memory.

    Raises
    ------
    RunError
        If the run is damaged or has no images yet.
    """
    run = Run.open(folder)
    images = run.images()
    parts = added_folders(run.path, run.state)
    if not parts:
        return images
    own_tables, sources = [images.table], images.sources
    for part, entry in zip(parts, run.state["added"], strict=True):
        table = tables.read(part / layout.IMAGES).drop_columns(["id"])
        own_tables.append(numbered_on(table, len(sources)))
        sources += sources_of(entry)
    return replace(
        images,
        images=np.concatenate([images.images, *run.added_images()]),
        table=pa.concat_tables(unify_types(own_tables), promote_options="default"),
        sources=sources,
    )


def numbered_on(table: pa.Table, n_sources: int) -> pa.Table:
    """The table of the images of an addition, with their sources numbered after those that the run had before."""
    if "source" not in table.column_names:  # added by an earlier version
        return table
    return replace_columns(table, source=pa.array(table["source"].to_numpy() + np.int16(n_sources)))
