"""The class of each image in an export for training: a label, or a group."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.core.errors import RunError
from latentmap.run import layout, tables
from latentmap.run.edits import EditedRun
from latentmap.run.export_names import DistinctNames, plain_name
from latentmap.run.labels import LABELS_FILE
from latentmap.run.run import Run

UNSURE_NAME = "unsure"
CLASSES = ("given", "label", "spread", "group")


@dataclass(frozen=True)
class ImageClasses:
    """The class of each image of a run.

    Attributes
    ----------
    codes : array (n,), int64
        Index of each image's class; -1 for none.
    names : list of str
        Names of the classes that have images, as they were given.
    folders : list of str
        A folder for each, whose name is valid and distinct on every file system.
    """

    codes: NDArray[np.int64]
    names: list[str]
    folders: list[str]

    @classmethod
    def of(cls, run: Run, edited: EditedRun, kind: str = "given") -> "ImageClasses":
        """Read the class of each image.

        Parameters
        ----------
        run : Run
        edited : EditedRun
        kind : {"given", "label", "spread", "group"}
            - "given": the label given in the explorer, else the group; images in no group are a class of their own.
            - "label": the label given in the explorer, else that of the source.
            - "spread": the label given in the explorer, else that of ``latentmap label``.
            - "group": the group. Images in no group have no class.

        Raises
        ------
        RunError
            For another kind, or if the run has no such labels.
        """
        if kind not in CLASSES:
            raise RunError(f"classes={kind!r}: choose among {', '.join(CLASSES)}")
        given = np.array([*edited.labels, ""], object)[edited.label]
        is_given = edited.label >= 0
        groups, group_names = _group_names(edited)
        if kind == "group":
            return cls._from_values(np.where(edited.group < 0, "", groups), group_names)
        if kind == "given":
            return cls._from_values(np.where(is_given, given, groups), group_names)
        other = _source_labels(run) if kind == "label" else _spread_labels(run)
        found = np.where(is_given, given, np.full(len(given), "", object) if other is None else other)
        if not (found != "").any():
            raise RunError(f"{run.path}: no image has a label: give labels in the explorer, or choose classes=group")
        return cls._from_values(found, {})

    @classmethod
    def _from_values(cls, values: NDArray[Any], group_names: dict[str, str]) -> "ImageClasses":
        """Classes of the same values; "" is no class. Folders of groups have other names than those of labels."""
        encoded = pa.array(values, pa.string()).dictionary_encode()
        found = encoded.dictionary.to_pylist()
        order = sorted((i for i, value in enumerate(found) if value), key=lambda i: found[i])
        place = np.full(len(found), -1, np.int64)
        place[order] = np.arange(len(order))
        names = DistinctNames()
        for group, wanted in group_names.items():  # a label that is called so gets a number
            names.name(group, wanted)
        folders = [names.name(found[i], plain_name(_shown(found[i])) or "label") for i in order]
        return cls(place[encoded.indices.to_numpy()], [_shown(found[i]) for i in order], folders)


# Before the name of a group, so that it differs from a label of the same name.
_GROUP = "\0"


def _group_names(edited: EditedRun) -> tuple[NDArray[Any], dict[str, str]]:
    """A value for the group of each image, and the folder of each value."""
    named = {one.number: one.name for one in edited.groups}
    numbers, codes = np.unique(edited.group, return_inverse=True)
    values, folders = [], {}
    for number in numbers.tolist():
        name = named.get(number, "")
        value = f"{_GROUP}{UNSURE_NAME if number < 0 else name or f'group-{number:02d}'}{_GROUP}{number}"
        plain = plain_name(name)
        values.append(value)
        folders[value] = UNSURE_NAME if number < 0 else f"group-{number:02d}{f'-{plain}' if plain else ''}"
    return np.array(values, object)[codes], folders


def _shown(value: str) -> str:
    """The name of a class without what marks a group."""
    return value.split(_GROUP)[1] if value.startswith(_GROUP) else value


def _source_labels(run: Run) -> NDArray[Any] | None:
    """The label of each image in its source, "" for none; None if the source has no labels."""
    path = run.path / layout.ATLAS
    if "label" not in tables.column_names(path):
        return None
    return _texts(tables.read(path, ["label"])["label"])


def _spread_labels(run: Run) -> NDArray[Any]:
    """The label of each image that ``latentmap label`` spread, "" for none."""
    path = run.path / LABELS_FILE
    if not path.is_file():
        raise RunError(f"{path}: not there: spread labels with `latentmap label`, or choose other classes")
    table = tables.read(path, ["id", "label"])
    n = tables.read(run.path / layout.ATLAS, ["id"]).num_rows
    if not np.array_equal(table["id"].to_numpy(), np.arange(n)):
        raise RunError(f"{path}: has {len(table):,} images and the run {n:,}: give `latentmap label` again")
    return _texts(table["label"])


def _texts(column: pa.ChunkedArray) -> NDArray[Any]:
    texts = ["" if value is None else str(value) for value in column.to_pylist()]
    return np.array(texts, object)
