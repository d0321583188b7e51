"""The audit of a run: issues.parquet, and the columns that it adds to the atlas."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from latentmap.audit.bad_pictures import find_bad_pictures
from latentmap.audit.classes import find_merged_classes, find_split_classes
from latentmap.audit.issues import IssueList
from latentmap.audit.leaks import find_leaks
from latentmap.audit.odd_files import find_odd_file_sizes, find_odd_modes, find_odd_sizes
from latentmap.audit.opinions import neighbor_opinions
from latentmap.audit.wrong_labels import find_wrong_labels, label_probabilities
from latentmap.run.audit_inputs import AuditInputs
from latentmap.run.finding import FAR_OUT
from latentmap.run.near_duplicates import NEAR_DIFFERENCE
from latentmap.run.tables import free_names

# Columns of the atlas that an audit makes, and those of images.parquet that it shows by another name.
SHOWN_MEASURES = ("sharpness", "brightness", "shadows", "highlights", "contrast")
DIFFERENCE, WRONG_LABEL = "difference", "wrong_label"
FILE_FACTS = {"width": "width", "height": "height", "file_bytes": "bytes", "file_format": "format", "file_mode": "mode"}
AUDIT_COLUMNS = [*SHOWN_MEASURES, DIFFERENCE, WRONG_LABEL, *FILE_FACTS.values()]


@dataclass(frozen=True)
class Audit:
    """The outcome of an audit.

    Attributes
    ----------
    issues : pyarrow.Table
        See :data:`latentmap.audit.issues.SCHEMA`.
    columns : dict of str to pyarrow.Array
        Columns for the atlas, in the order of the ids.
    """

    issues: pa.Table
    columns: dict[str, pa.Array]


def audit(inputs: AuditInputs, labels: list[str | None] | None = None, split: str | None = None) -> Audit:
    """Audit the images of a run.

    Parameters
    ----------
    inputs : AuditInputs
    labels : list of str or None, optional
        Label of each image, None where it is not known; by default those of the run.
    split : str, optional
        Column that divides the images into parts, between which leaks are looked for.

    Raises
    ------
    OptionError
        If ``split`` is no such column.
    """
    issues = IssueList()
    parts = None if split is None else inputs.parts(split)
    _find_duplicates(issues, inputs)
    outlier = inputs.outlier
    scores = 1 / (1 + (np.maximum(outlier, 0) / FAR_OUT) ** 2)
    issues.add_low("outlier", np.where(outlier > FAR_OUT, scores, 1.0), 0.5)
    measured = inputs.quality
    if measured:
        find_bad_pictures(issues, measured)
    _find_odd_files(issues, inputs, measured.get("grey"))
    columns = {name: pa.array(measured[name], from_pandas=True) for name in SHOWN_MEASURES if name in measured}
    if measured:
        columns[DIFFERENCE] = pa.array(_least_differences(inputs), from_pandas=True)
    right = _judge_labels(issues, inputs, inputs.labels() if labels is None else labels)
    if right is not None:
        columns[WRONG_LABEL] = pa.array(1 - right, from_pandas=True)
    if parts is not None:
        codes, names = _coded(parts)
        find_leaks(issues, codes, names, inputs.copies, *inputs.similar, NEAR_DIFFERENCE)
    columns |= _file_facts(inputs.images)
    names = named_apart(AUDIT_COLUMNS, set(inputs.images.column_names))
    of_atlas = dict(zip(AUDIT_COLUMNS, names, strict=True))
    return Audit(issues.table(), {of_atlas[name]: values for name, values in columns.items()})


def _find_duplicates(issues: IssueList, inputs: AuditInputs) -> None:
    copies = inputs.copies
    ids = np.flatnonzero(copies != np.arange(len(copies)))
    issues.add("exact_duplicate", ids, 0.0, NEAR_DIFFERENCE, copies[ids])
    pairs, differences = inputs.similar
    issues.add("near_duplicate", pairs[:, 0], differences, NEAR_DIFFERENCE, pairs[:, 1])


def _least_differences(inputs: AuditInputs) -> NDArray[np.float32]:
    """Difference of each image from the most similar of its duplicates (n,): 0 for copies, NaN without a duplicate."""
    found = np.full(len(inputs.copies), np.inf, np.float32)
    pairs, differences = inputs.similar
    for ids in pairs.T:
        np.minimum.at(found, ids, differences)
    is_copy = inputs.copies != np.arange(len(found))
    found[is_copy] = found[inputs.copies[is_copy]] = 0
    found[np.isinf(found)] = np.nan
    return found


def _find_odd_files(issues: IssueList, inputs: AuditInputs, grey: NDArray[np.float32] | None) -> None:
    table = inputs.images
    width, height, n_bytes = (_numbers(table, name) for name in ("width", "height", "file_bytes"))
    formats, modes = (_strings(table, name) for name in ("file_format", "file_mode"))
    find_odd_sizes(issues, width, height)
    find_odd_file_sizes(issues, n_bytes, width * height, formats)
    find_odd_modes(issues, modes, grey)


def _judge_labels(issues: IssueList, inputs: AuditInputs, labels: list[str | None]) -> NDArray[np.float32] | None:
    """Find wrong labels and odd classes; return the probability that each label is right, None without labels."""
    codes, names = _coded(labels)
    if len(names) < 2:
        return None
    indices, distances = inputs.neighbors
    opinions = neighbor_opinions(codes, indices, distances)
    right = label_probabilities(opinions)
    if not np.isfinite(right).any():
        return None
    find_wrong_labels(issues, opinions, names, right)
    find_merged_classes(issues, opinions, names, inputs.groups)
    find_split_classes(issues, opinions, names, inputs.groups, indices)
    return right


def _coded(values: list[str | None]) -> tuple[NDArray[np.int32], list[str]]:
    """Number of each value, -1 for None, and the values by number."""
    names = sorted({one for one in values if one is not None})
    numbers: dict[str | None, int] = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(one, -1) for one in values], np.int32), names


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column of numbers, NaN where there is none."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), np.float64)


def _strings(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of text, "" where there is none."""
    if name not in table.column_names:
        return np.full(table.num_rows, "")
    return np.array([one or "" for one in table[name].to_pylist()], str)


def _file_facts(images: pa.Table) -> dict[str, pa.Array]:
    """What is known of the files, by the names of the columns of the atlas."""
    known = {name: shown for name, shown in FILE_FACTS.items() if name in images.column_names}
    columns = {shown: images[name].combine_chunks() for name, shown in known.items()}
    return {name: values for name, values in columns.items() if values.null_count < len(values)}


def named_apart(names: list[str], of_source: set[str]) -> list[str]:
    """Names of the columns of an audit in an atlas whose source has columns of its own."""
    return free_names(names, of_source - set(FILE_FACTS))
