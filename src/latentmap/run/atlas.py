"""atlas.parquet: all columns of each image in one table that other tools can open."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.core.mapped_arrays import release
from latentmap.images import ImageCollection
from latentmap.images.boxes import WHOLE_DIGEST_COLUMN
from latentmap.images.column_types import unify_types
from latentmap.images.mixing import Mixing, as_picture
from latentmap.images.store import open_pixels
from latentmap.run import tables
from latentmap.run.auditing import FILE_FACTS
from latentmap.run.channel_records import CHANNEL_ERRORS, error_columns, mixing_of
from latentmap.run.layout import ATLAS, CACHE, DUPLICATES, FEATURES, GROUPS, IMAGES, LATENTS, MAP, OUTLIERS, PLACED
from latentmap.run.run import sources_of
from latentmap.run.run_source import numbered_on
from latentmap.run.state import added_folders, read_state

# Columns of images.parquet that only serve the run itself.
INNER = {"id", "path", "file", "label", "sha256", "pixels_sha256", WHOLE_DIGEST_COLUMN, *FILE_FACTS}


def write_atlas(
    folder: Path, images: ImageCollection, latents: NDArray[np.float32], audited: dict[str, pa.Array]
) -> None:
    """Write atlas.parquet: the joined tables of a run and of its additions, in chunks of rows.

    Parameters
    ----------
    folder : Path
        A run whose stages before the report are done.
    images : ImageCollection
    latents : array (n, latent_dim), float32
    audited : dict of pyarrow.Array
        Columns of the audit, of all images; see :mod:`latentmap.run.auditing`.
    """
    tables.write_batches(folder / ATLAS, _batches(folder, images, latents, audited))


def _batches(
    folder: Path, images: ImageCollection, latents: NDArray[np.float32], audited: dict[str, pa.Array]
) -> Iterator[pa.Table]:
    n = len(images)
    copies = tables.read_column(folder / DUPLICATES, "id"), tables.read_column(folder / DUPLICATES, "duplicate_of")
    known = tables.column_names(folder / LATENTS)  # errors are there if there is a decoder
    error = [name for name in known if name == "error"]
    columns: dict[str, Any] = {
        "latent": latents,
        **{name: tables.read_column(folder / LATENTS, name) for name in error},
        **{name: pq.read_table(folder / GROUPS, columns=[name])[name] for name in ("group", "confidence", "tree")},
        **{name: tables.read_column(folder / MAP, name) for name in "xy"},
        "outlier": tables.read_column(folder / OUTLIERS, "outlier"),
    }
    state = read_state(folder)
    source, has_features = state["source"], (folder / FEATURES).exists()
    mixing, has_channel_errors = mixing_of(source), CHANNEL_ERRORS in known
    if has_channel_errors:
        columns |= error_columns(source, tables.read_column(folder / LATENTS, CHANNEL_ERRORS))
    columns["duplicate_of"] = _first_of(copies, n)
    columns["added"] = pa.array(np.zeros(n, np.int16))
    columns |= {name: values[:n] for name, values in audited.items()}
    parts, tables_of_images, n_sources = added_folders(folder, state), [images.table], len(images.sources)
    for part, entry in zip(parts, state["added"], strict=True):
        tables_of_images.append(numbered_on(pq.read_table(part / IMAGES).drop_columns(["id"]), n_sources))
        n_sources += len(sources_of(entry))
    all_images = pa.concat_tables(unify_types(tables_of_images), promote_options="default")
    schema = None
    features = tables.read_batches(folder / FEATURES, ["features"], tables.N_GROUP_ROWS) if has_features else None
    for batch in _joined(images.images, all_images.slice(0, n), columns, 0, images.has_pictures, mixing, features):
        schema = batch.schema
        yield batch
    assert schema is not None
    first = n
    for part, own in zip(parts, tables_of_images[1:], strict=True):
        table = all_images.slice(first, len(own))
        placed = pq.read_table(part / PLACED)
        names = (*error, "group", "confidence", "tree", "x", "y", "outlier", "duplicate_of", "added")
        vectors = tables.VECTORS if has_features else ("latent",)
        columns = {name: tables.read_column(part / PLACED, name) for name in vectors}
        columns |= {name: placed[name] for name in names}
        columns |= {name: values[first : first + len(table)] for name, values in audited.items()}
        if has_channel_errors:
            columns |= error_columns(source, tables.read_column(part / PLACED, CHANNEL_ERRORS))
        pixels = open_pixels(part / CACHE, (len(table), *images.image_shape), images.images.dtype)
        for batch in _joined(pixels, table, columns, first, images.has_pictures, mixing):
            yield batch.select(schema.names).cast(schema)
        first += len(table)


def _joined(
    pixels: NDArray[Any],
    table: pa.Table,
    columns: dict[str, Any],
    first: int,
    has_pictures: bool,
    mixing: Mixing | None,
    features: Iterator[pa.RecordBatch] | None = None,
) -> Iterator[pa.Table]:
    others = {name: table[name] for name in table.column_names if name not in INNER}
    for begin in range(0, len(pixels), tables.N_GROUP_ROWS):
        rows = slice(begin, begin + tables.N_GROUP_ROWS)
        paths = table["path"].slice(begin, tables.N_GROUP_ROWS).combine_chunks()
        part: dict[str, Any] = {"id": first + np.arange(len(pixels))[rows], "path": paths}
        if has_pictures:
            own = np.asarray(pixels[rows])
            part["image"] = tables.pictures(as_picture(own, mixing), paths)
            if mixing is not None or own.dtype != np.uint8:
                part["planes"] = tables.planes(own)
        part |= {name: tables.vectors(columns[name][rows]) for name in tables.VECTORS if name in columns}
        if features is not None:
            part["features"] = next(features)["features"]
        part |= {name: values[rows] for name, values in columns.items() if name not in tables.VECTORS}
        if "label" in table.column_names:
            part["label"] = table["label"].slice(begin, tables.N_GROUP_ROWS)
        part |= {name: values.slice(begin, tables.N_GROUP_ROWS) for name, values in others.items() if name not in part}
        release(pixels)
        yield pa.table(part)


def _first_of(pairs: tuple[NDArray[Any], NDArray[Any]], n: int) -> pa.Array:
    """For each image, the image that it is a duplicate of, or null. The first pair, which is the nearest, counts."""
    found = np.full(n, -1, np.int64)
    found[pairs[0][::-1]] = pairs[1][::-1]
    return pa.array(found, mask=found < 0)
