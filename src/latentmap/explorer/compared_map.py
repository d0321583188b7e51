"""Another run beside the one that is explored: places of the images on its map, and their groups in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import LatentmapError, RunError
from latentmap.core.progress import Show, silent
from latentmap.explorer.atlas_view import AtlasView, run_version
from latentmap.explorer.columns import ERRORS
from latentmap.explorer.lessons import align
from latentmap.run import Comparison, compare_runs
from latentmap.run.state import key_of
from latentmap.run.tables import free_names

ABSENT = -1  # group and change of an image that the other run does not have
UNSURE = -1  # number of the group of images that are in none
OF_THE_PAGE = {"group", "given label", "mark"}  # columns that derive from the edits
MEASURES = {
    "nCommon": "n_common",
    "nOnlyOther": "n_only_b",
    "nChanged": "n_changed",
    "ari": "ari",
    "nmi": "nmi",
    "sharedNeighbors": "shared_neighbors",
    "sharedOnMap": "shared_on_map",
}


@dataclass(frozen=True)
class ComparedMap:
    """Places and groups that images of the explored run have in another run.

    It stays as it was when it was made, also if a run is edited or added to.

    Attributes
    ----------
    name : str
        Name of the folder of the other run.
    key : str
        Hash of the versions of both runs and of their edits.
    matched_by : {"content", "path", "vector", "id"}
        How the images were matched.
    measures : dict
        Numbers of images, and how well the runs agree.
    groups : list of dict
        ``number``, ``name`` and ``partner`` of each group of the other run: the group of this one that it stands for,
        or None. The last has the number -1 if images of the other run are in no group.
    arrays : dict of str to array
        ``x`` and ``y`` on the other map, moved onto this one, ``group``, a position in ``groups``, and ``changed``, in
        the order of the ids; NaN and -1 for images that the other run does not have.
    images_key : str
        Hash of what the images of the explored run were made of.
    """

    name: str
    key: str
    matched_by: str
    measures: dict[str, Any]
    groups: list[dict[str, Any]]
    arrays: dict[str, NDArray[Any]]
    images_key: str

    @classmethod
    def of(cls, data: AtlasView, other: str | Path, show: Show = silent) -> "ComparedMap":
        """Compare another run with the one that is explored. Nothing is written into either.

        Parameters
        ----------
        data : AtlasView
            The run that is explored.
        other : path
            Folder of the other run.
        show : callable, optional
            From the name of the work to a context with a progress callback.

        Raises
        ------
        RunError
            If the other folder is no finished run or damaged, the same folder, or has no image of this run.
        """
        try:
            comparison = compare_runs(data.run, user_path(other), show=show)
            return cls._from(comparison, data)
        except LatentmapError:
            raise
        except (*ERRORS, OSError, AttributeError, IndexError) as error:
            raise RunError(f"{other}: cannot be compared: a file of it is damaged or missing ({error})") from error

    @classmethod
    def _from(cls, comparison: Comparison, data: AtlasView) -> "ComparedMap":
        a, b, groups = comparison.a, comparison.b, comparison.groups
        ids_a, ids_b = comparison.common.ids_a, comparison.common.ids_b
        numbers = [one for one in groups.numbers_b.tolist() if one != UNSURE]
        numbers += [UNSURE] * (len(groups.numbers_b) - len(numbers))
        position = {number: i for i, number in enumerate(numbers)}
        names, partners = b.names(), {theirs: ours for ours, theirs in groups.partners.items()}
        xy = _fitted(align(b.places[ids_b].astype(np.float64), a.places[ids_a].astype(np.float64)), data.square)
        columns: dict[str, NDArray[Any]] = {
            "x": xy[:, 0],
            "y": xy[:, 1],
            "group": np.array([position[number] for number in b.group[ids_b].tolist()], np.int32),
            "changed": comparison.is_changed.astype(np.int8),
        }
        versions = [(run_version(one.run.path), one.edited.revision) for one in (a, b)]
        return cls(
            name=_name_beside(a.run.path.resolve(), b.run.path.resolve()),
            key=key_of([str(b.run.path.resolve()), *versions])[:16],
            matched_by=comparison.common.matched_by,
            measures={name: comparison.measures[one] for name, one in MEASURES.items()},
            groups=[{"number": one, "name": names.get(one, ""), "partner": partners.get(one)} for one in numbers],
            arrays={name: _spread(values, ids_a, len(a.group)) for name, values in columns.items()},
            images_key=_images_key(data),
        )

    def fits(self, data: AtlasView) -> bool:
        """Whether the run still has the images that were compared; it may have more."""
        return _images_key(data) == self.images_key

    def stream(self, data: AtlasView) -> bytes:
        """x, y, group and changed as an Arrow stream in the order of the points; images added later are absent."""
        return data.in_point_order({name: _padded(values, data.n) for name, values in self.arrays.items()})

    def column_names(self, data: AtlasView) -> dict[str, str]:
        """The names of the columns that the page makes of ``changed`` and ``group``."""
        wanted = {"changed": "changed group", "group": f"group in {self.name}"}
        return dict(zip(wanted, free_names(list(wanted.values()), OF_THE_PAGE | set(data.columns)), strict=True))

    def facts(self, data: AtlasView) -> dict[str, Any]:
        """Name, measures, groups and columns, which the page needs before the arrays; as JSON can hold them."""
        return {
            "key": self.key,
            "name": self.name,
            "matchedBy": self.matched_by,
            "measures": self.measures | {"nAbsent": data.n - self.measures["nCommon"]},
            "groups": self.groups,
            "columns": self.column_names(data),
        }


def _images_key(data: AtlasView) -> str:
    """Changes when the run is made again from other images, and not when images are added to it."""
    return key_of([data.run.stages.get(name, {}).get("key", "") for name in ("decode", "vectors")])


def _name_beside(path: Path, other: Path) -> str:
    """The name of another folder, with that of the folder around it if both have the same name."""
    return other.name if other.name != path.name else f"{other.parent.name}/{other.name}"


def _fitted(xy: NDArray[np.float32], square: tuple[float, float, float]) -> NDArray[np.float32]:
    """Places that are scaled down and moved, each as little as possible, so that all are in a square."""
    corner, side = np.array(square[:2]), square[2]
    low, high = xy.min(axis=0), xy.max(axis=0)
    middle = (low + high) / 2
    scale = min(1.0, side / max(float((high - low).max()), 1e-300))
    half = (high - low) * scale / 2
    into = np.clip(middle, corner + half, corner + side - half)
    found: NDArray[np.float32] = ((xy - middle) * scale + into).astype(np.float32)
    return found


def _spread(values: NDArray[Any], ids: NDArray[np.int64], n: int) -> NDArray[Any]:
    """Values of some ids as an array of all; NaN or -1 for the others."""
    found = _padded(values[:0], n)
    found[ids] = values
    return found


def _padded(values: NDArray[Any], n: int) -> NDArray[Any]:
    """The first n values, with NaN or -1 for those that are missing at the end."""
    missing: Any = np.nan if values.dtype.kind == "f" else ABSENT
    return np.concatenate([values[:n], np.full(max(0, n - len(values)), missing, values.dtype)])
