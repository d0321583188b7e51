"""The stage "find": duplicates, outliers, and measures of the pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from latentmap.audit.quality import measure_quality
from latentmap.run import tables
from latentmap.run.finding import N_NEAREST, duplicates, outliers
from latentmap.run.layout import DUPLICATES, IMAGES, LATENTS, OUTLIERS, QUALITY
from latentmap.run.work import Work


def find(work: Work) -> list[str]:
    """Look for duplicates and outliers, and measure pictures: duplicates.parquet, outliers.parquet, quality.parquet."""
    folder = work.folder
    n = len(work.pixels)
    with work.show("find"):
        graph = work.neighbors.for_groups(work.points)
        pixels = work.pixels if work.has_pictures else None
        tables.write_table(folder / DUPLICATES, duplicates(pixels, graph.indices, graph.distances, _contents(folder)))
        errors = None
        if "error" in tables.column_names(folder / LATENTS):
            errors = tables.read_column(folder / LATENTS, "error")
        tables.write_table(
            folder / OUTLIERS, {"id": np.arange(n)} | outliers(errors, graph.nearest(N_NEAREST).distances)
        )
        if work.has_pictures:
            write_quality(folder, work.pixels)
    work.neighbors.forget()
    return [DUPLICATES, OUTLIERS, *[QUALITY] * work.has_pictures]


def write_quality(folder: Path, pixels: NDArray[Any]) -> None:
    """Write quality.parquet: the measures of each picture, null where one is not defined."""
    measured = measure_quality(pixels)
    columns = {name: pa.array(values, from_pandas=True) for name, values in measured.items()}
    tables.write_table(folder / QUALITY, {"id": np.arange(len(pixels))} | columns)


def _contents(folder: Path) -> NDArray[np.void] | None:
    """Digests (n,) of what the images were made from: all pixels in their own size where known, else the file."""
    names = pq.read_schema(folder / IMAGES).names
    if "sha256" not in names:
        return None
    table = pq.read_table(folder / IMAGES, columns=[name for name in ("pixels_sha256", "sha256") if name in names])
    digests: Any = pc.coalesce(*table.columns).combine_chunks()
    return np.frombuffer(digests.buffers()[1], "V32")[digests.offset : digests.offset + len(digests)]
