"""Inputs of the audit of a run: the tables of its images, its duplicates, groups and neighbours."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.audit.quality import measure_quality
from latentmap.core.errors import OptionError
from latentmap.groups.graph import default_neighbors
from latentmap.images.column_types import unify_types
from latentmap.neighbors import NeighborSearch, nearest_neighbors
from latentmap.run import layout, tables
from latentmap.run.run import Run
from latentmap.run.state import added_folders

MAX_PARTS = 100  # distinct values of a column that divides a collection into parts
FOLDER = "folder"  # the first folder of the paths, as if it were a column
# Columns of images.parquet that are no parts of a collection.
NO_PARTS = {"id", "path", "file", "sha256", "pixels_sha256", "whole_sha256", "width", "height", "file_bytes"}


@dataclass
class AuditInputs:
    """The images of a run and of its additions, in the order of their ids.

    Attributes
    ----------
    run : Run
        A run whose stages before the report are done.
    """

    run: Run

    @cached_property
    def _placed(self) -> list[pa.Table]:
        """What became of each addition."""
        return [tables.read(part / layout.PLACED) for part in self._parts]

    @property
    def _parts(self) -> list[Path]:
        return added_folders(self.run.path, self.run.state)

    @cached_property
    def images(self) -> pa.Table:
        """The table of all images."""
        folders = [self.run.path, *self._parts]
        found = [tables.read(folder / layout.IMAGES).drop_columns(["id"]) for folder in folders]
        return pa.concat_tables(unify_types(found), promote_options="default")

    @property
    def n(self) -> int:
        """Number of images."""
        return int(self.images.num_rows)

    @cached_property
    def quality(self) -> dict[str, NDArray[np.float32]]:
        """Measures of all pictures by name; none without pictures."""
        if not self.run.has_pictures:
            return {}
        path = self.run.path / layout.QUALITY
        if path.exists():
            names = [name for name in tables.column_names(path) if name != "id"]
            found = [{name: tables.read_column(path, name).astype(np.float32) for name in names}]
        else:  # of an earlier version
            found = [measure_quality(self.run.images().images)]
        found += [measure_quality(images) for images in self.run.added_images()] if self._parts else []
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    @cached_property
    def copies(self) -> NDArray[np.int64]:
        """For each image, the first one with equal pixels (n,); the image itself if it is the first."""
        pairs = self.run.duplicates()
        pairs = pairs.filter(pairs["exact"])
        found = np.arange(self.n)
        found[pairs["id"].to_numpy()] = pairs["duplicate_of"].to_numpy()
        if self._placed:
            of = np.concatenate([one["duplicate_of"].to_numpy(zero_copy_only=False) for one in self._placed])
            added = np.arange(self.n - len(of), self.n)
            known = np.isfinite(of.astype(float))
            found[added[known]] = found[of[known].astype(np.int64)]
        return found

    @cached_property
    def similar(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Pairs of near duplicates (m, 2), the later image first, and the difference of each (m,)."""
        pairs = self.run.duplicates()
        exact = pairs["exact"].to_numpy(zero_copy_only=False).astype(bool)
        ids = np.column_stack([pairs[name].to_numpy() for name in ("id", "duplicate_of")])
        return ids[~exact], pairs["difference"].to_numpy()[~exact]

    @property
    def outlier(self) -> NDArray[np.float64]:
        """Outlier score of each image (n,); NaN for added ones."""
        own = self.run.outliers()["outlier"].to_numpy().astype(float)
        return np.concatenate([own, np.full(self.n - len(own), np.nan)])

    @cached_property
    def groups(self) -> NDArray[np.int32]:
        """Group of each image (n,), -1 for none."""
        return np.concatenate([self.run.groups(), *(one["group"].to_numpy() for one in self._placed)]).astype(np.int32)

    @cached_property
    def neighbors(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Neighbours of each image among those of the map (n, k), and the distances to them."""
        run = self.run
        if (run.path / layout.NEIGHBORS).exists():
            graph = run.neighbors()
        else:  # groups by K-means
            points = run.points()
            graph = nearest_neighbors(points, default_neighbors(len(points)))
        if not self._placed:
            return graph.indices, graph.distances
        name = "features" if run.has_features else "latent"
        own, k = run.points(), graph.indices.shape[1]
        search = NeighborSearch(own, "euclidean", None)
        parts = [(graph.indices, graph.distances)]
        for part in self._parts:
            points = tables.read_column(part / layout.PLACED, name)
            points = points if run.has_features else run.as_points(points)
            parts.append(search.query(points, k, None))
        indices, distances = (np.concatenate(list(found)) for found in zip(*parts, strict=True))
        return indices, distances

    def labels(self) -> list[str | None]:
        """The label of each image as text, None where it is not known."""
        return self._texts("label") if "label" in self.images.column_names else [None] * self.n

    def parts(self, column: str) -> list[str | None]:
        """The part of the collection that each image is in, as text, None for none.

        Parameters
        ----------
        column : str
            Name of a column of the source, or "folder" for the first folder of the paths.

        Raises
        ------
        OptionError
            If there is no such column, or it has one value or too many.
        """
        is_known = column == FOLDER or (column in self.images.column_names and column not in NO_PARTS)
        found = self._values(column) if is_known else []
        n_parts = len(set(found) - {None})
        if 2 <= n_parts <= MAX_PARTS:
            return found
        problem = f"{n_parts:,} different values, not 2 to {MAX_PARTS}" if is_known else "no such column"
        choices = self._choices()
        advice = f"choose among {', '.join(choices)}" if choices else "no column divides these images into parts"
        raise OptionError(f"split={column!r}: {problem}: {advice}")

    def _values(self, column: str) -> list[str | None]:
        if column == FOLDER and FOLDER not in self.images.column_names:
            return [one.partition("/")[0] if one and "/" in one else None for one in self._texts("path")]
        return self._texts(column)

    def _choices(self) -> list[str]:
        """Names of the columns that ``parts`` takes."""
        names = [name for name in self.images.column_names if name not in NO_PARTS]
        return [name for name in [*names, FOLDER] if 2 <= len(set(self._values(name)) - {None}) <= MAX_PARTS]

    def _texts(self, column: str) -> list[str | None]:
        values = self.images[column].to_pylist()
        return [None if one is None or one != one or one == "" else str(one) for one in values]  # noqa: PLR0124 - NaN
