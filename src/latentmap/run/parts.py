"""Parts of a run by which images are selected: groups after the edits, and values of a column of the atlas."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.images.column_types import to_text_column
from latentmap.run import layout, tables
from latentmap.run.edits import EditedRun
from latentmap.run.run import Run

GROUP = "group"
MAX_PARTS = 1000  # values of a column to balance by; with more of them each is hardly a part
MAX_LISTED = 10  # groups, columns or values that a message names


def members_of(run: Run, edited: EditedRun, within: str | int | None) -> NDArray[np.bool_]:
    """Which images are in a part of a run.

    Parameters
    ----------
    run : Run
    edited : EditedRun
        The run after its edits.
    within : str or int, optional
        Name or number of a group, or ``column=value``; all images by default. The number of unsure images is -1. A name
        comes before a number, and a number before a column; groups of the same name count as one.

    Returns
    -------
    array (n,), bool

    Raises
    ------
    InputError
        If there is no such group, column or value, or it has no images.
    """
    if within is None:
        return np.ones(len(edited.group), bool)
    text = str(within).strip()
    found = _group_members(edited, text)
    if found is None:
        found = _column_members(run, edited, text)
    if not found.any():
        raise InputError(f"within={text!r}: this group has no images: {_groups_listed(edited)}")
    return found


def parts_of(run: Run, edited: EditedRun, balance: str | None) -> NDArray[np.int32]:
    """The part (n,) that each image is in, numbered from 0; images without a group or a value are a part of their own.

    Parameters
    ----------
    run : Run
    edited : EditedRun
        The run after its edits.
    balance : str, optional
        "group" for the groups after the edits, or a column of the atlas. By default there is one part.

    Raises
    ------
    InputError
        If there is no such column, or it has more than 1,000 values.
    """
    if balance is None:
        return np.zeros(len(edited.group), np.int32)
    if balance == GROUP:
        values: Any = edited.group
    else:
        names = _columns(run)
        if balance not in names:
            raise InputError(f"balance={balance!r}: choose 'group' or a column: {_listed(names)}")
        values = _texts(run, balance).dictionary_encode().combine_chunks()
        if len(values.dictionary) > MAX_PARTS:
            raise InputError(
                f"balance={balance!r}: this column has {len(values.dictionary):,} different values: choose one with at "
                f"most {MAX_PARTS:,}, or leave balance out"
            )
        values = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    parts: NDArray[np.int32] = np.unique(values, return_inverse=True)[1].astype(np.int32)
    return parts


def _group_members(edited: EditedRun, text: str) -> NDArray[np.bool_] | None:
    """The images of a group by its name or number; None if the text is neither."""
    named = [one.number for one in edited.groups if one.name and one.name == text]
    if named:
        return np.isin(edited.group, named)
    if re.fullmatch(r"-?[0-9]{1,9}", text):
        number = int(text)
        if number in _numbers(edited):
            members: NDArray[np.bool_] = edited.group == number
            return members
        raise InputError(f"within={text!r}: there is no such group: {_groups_listed(edited)}")
    return None


def _column_members(run: Run, edited: EditedRun, text: str) -> NDArray[np.bool_]:
    """The images with a value in a column, from ``column=value``."""
    names = _columns(run)
    column = max((name for name in names if text.startswith(f"{name}=")), key=len, default=None)
    if column is None:
        given = text.partition("=")[0]
        what = f"{given!r} is no column: choose among {_listed(names)}" if "=" in text else "there is no such group"
        groups = "" if "=" in text else f": {_groups_listed(edited)}; or pass column=value"
        raise InputError(f"within={text!r}: {what}{groups}")
    value = text[len(column) + 1 :]
    if column == GROUP:
        members = _group_members(edited, value)
        if members is None:
            raise InputError(f"within={text!r}: there is no such group: {_groups_listed(edited)}")
        return members
    values = _texts(run, column)
    found: NDArray[np.bool_] = (
        pc.equal(values, pa.scalar(value, pa.string())).fill_null(fill_value=False).to_numpy().astype(bool)
    )
    if not found.any():
        known = Counter(values.drop_null().to_pylist())
        listed = _listed([repr(one) for one, _ in known.most_common(MAX_LISTED)], len(known))
        raise InputError(f"within={text!r}: no image has this value: {column} is {listed or 'empty'}")
    return found


def _columns(run: Run) -> list[str]:
    """Columns of the atlas without pictures and vectors."""
    left_out = {*tables.PICTURES, *tables.VECTORS}
    return [name for name in tables.column_names(run.path / layout.ATLAS) if name not in left_out]


def _texts(run: Run, column: str) -> pa.ChunkedArray:
    """Values of a column of the atlas as text."""
    values = tables.read(run.path / layout.ATLAS, [column])[column]
    try:
        return to_text_column(values)
    except pa.ArrowException as error:
        raise InputError(f"column {column!r} has values that are neither text nor numbers: choose another") from error


def _numbers(edited: EditedRun) -> list[int]:
    unsure = [-1] if (edited.group < 0).any() else []
    return [*(one.number for one in edited.groups), *unsure]


def _groups_listed(edited: EditedRun) -> str:
    names = {one.number: f" ({one.name})" for one in edited.groups if one.name} | {-1: " (unsure)"}
    listed = [f"{number}{names.get(number, '')}" for number in _numbers(edited)]
    return f"groups are {_listed(listed)}"


def _listed(names: list[str], n: int | None = None) -> str:
    """Names with commas between, the first ones if they are many."""
    more = (len(names) if n is None else n) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more:,} more" if more > 0 else "")
