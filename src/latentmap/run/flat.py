"""The atlas without pictures, as plain tables and as CSV that is safe in spreadsheets."""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from latentmap.images.column_types import to_portable_types, to_text_column
from latentmap.run import layout, tables
from latentmap.run.edits import EditedRun
from latentmap.run.run import Run

# Spreadsheets take text that begins with one of these for a formula. A number such as -1.5 is none.
FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"
PLAIN_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def flat_tables(
    run: Run, edited: EditedRun | None, *, ids: NDArray[np.int64] | None = None, latents: bool = True
) -> Iterator[pa.Table]:
    """The atlas in parts, without pictures, latent dimensions as columns; and the edits, if there are any.

    Parameters
    ----------
    run : Run
    edited : EditedRun, optional
    ids : array (m,), int64, optional
        Of the images to take, ascending; all by default.
    latents : bool, default=True
        Whether latent dimensions are columns.
    """
    path = run.path / layout.ATLAS
    left_out = {*tables.PICTURES, "features"} if latents else {*tables.PICTURES, *tables.VECTORS}
    names = [name for name in tables.column_names(path) if name not in left_out]
    edits = None if edited is None else edited.table()
    first = 0
    for batch in tables.read_batches(path, names, tables.N_GROUP_ROWS):
        last = first + len(batch)
        chosen = (
            np.arange(first, last) if ids is None else ids[np.searchsorted(ids, first) : np.searchsorted(ids, last)]
        )
        table = pa.table(batch).take(chosen - first)
        table = _with_latents(table) if latents else table
        yield table if edits is None else tables.with_edits(table, edits.take(chosen))
        first = last


def _with_latents(table: pa.Table) -> pa.Table:
    """Latent dimensions as columns z0, z1, …; a column of the source with such a name gets an underscore."""
    latents = table["latent"].combine_chunks()
    values = latents.flatten().to_numpy().reshape(len(table), latents.type.list_size)
    own = {f"z{dimension}" for dimension in range(values.shape[1])}
    table = table.drop_columns(["latent"])
    table = table.rename_columns(tables.free_names(table.column_names, own))
    for dimension in range(values.shape[1]):
        table = table.append_column(f"z{dimension}", pa.array(np.ascontiguousarray(values[:, dimension])))
    return table


def as_csv(table: pa.Table) -> pa.Table:
    """Columns for CSV: numbers unchanged, missing values empty, everything else as text.

    Lists and structs become JSON, bytes hexadecimal digits. Text that a spreadsheet would take for a formula gets an
    apostrophe before it, and so does text that begins with apostrophes before such a formula: taking one away gives
    back the text.
    """
    names = harmless(pa.chunked_array([table.column_names], pa.string())).to_pylist()
    return pa.table([_as_csv_column(column) for column in to_portable_types(table).columns], names=names)


def harmless(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text with an apostrophe in front if a spreadsheet would interpret it as a formula."""
    formula = pc.and_(
        pc.match_substring_regex(column, FORMULA), pc.invert(pc.match_substring_regex(column, PLAIN_NUMBER))
    )
    return pc.if_else(formula, pc.binary_join_element_wise("'", column, ""), column)


def without_apostrophe(text: str) -> str:
    """Text as it was before :func:`as_csv` put an apostrophe before it."""
    return text[1:] if text.startswith("'") and re.match(FORMULA, text) else text


def _as_csv_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    is_plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return column if is_plain else harmless(to_text_column(column))
