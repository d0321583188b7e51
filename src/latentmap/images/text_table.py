"""Tables in text files, with every cell as text: .csv, .tsv, and the "Unicode text" of Excel."""

import csv
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import compute

from latentmap.core.errors import SourceError
from latentmap.images.encodings import detect_encoding

DELIMITERS = ",;\t|"
N_DETECTION_BYTES = 2**20
N_ROWS_PARSED_AT_ONCE = 2**15  # that are Python strings at the same time
MAX_CELL_CHARACTERS = 2**24
# First bytes of workbooks that have the suffix of a text table.
WORKBOOK_SIGNATURES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
WORKBOOK_ADVICE = "an Excel workbook: open it, save the sheet as CSV (File, Save as, CSV UTF-8), and pass that file"
UNKNOWN_ENCODING = "neither UTF-8 nor text in an encoding that can be detected: save it as UTF-8"


@dataclass(frozen=True)
class TextTable:
    """A table of text cells.

    Attributes
    ----------
    columns : pyarrow.Table
        Columns of strings; null for an empty cell.
    invalid_rows : dict of int to str
        Why rows do not fit the header, by their number.
    """

    columns: pa.Table
    invalid_rows: dict[int, str]


def read_text_table(path: Path, *, keep_blank: bool = False) -> TextTable:
    """Read a text table with a header, delimited by commas, semicolons, tabs or vertical bars.

    Parameters
    ----------
    path : Path
    keep_blank : bool, default=False
        Whether a blank line is an empty cell, as in a table of one column.

    Returns
    -------
    TextTable

    Raises
    ------
    SourceError
        If the file is not text, or a quote is not closed.
    """
    encoding = detect_file_encoding(path)
    delimiter, first_line = find_delimiter(path, encoding)
    with path.open(encoding=encoding, newline="") as file:
        for _ in range(first_line):
            file.readline()
        rows = _parse_rows(path, file, delimiter)
        header = next((row for row in rows if row), [])
        return _collect_columns(header, rows, keep_blank)


def detect_file_encoding(path: Path) -> str:
    """Detect the encoding of a text file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str


    Raises
    ------
    SourceError
        If the encoding cannot be detected, or the file is an Excel workbook.

    Warns
    -----
    UserWarning
        If the encoding is not a Unicode encoding.
    """
    with path.open("rb") as file:
        if file.read(8).startswith(WORKBOOK_SIGNATURES):
            raise SourceError(f"{path}: {WORKBOOK_ADVICE}")
        file.seek(0)
        encoding = detect_encoding(iter(lambda: file.read(N_DETECTION_BYTES), b""))
    if encoding is None:
        raise SourceError(f"{path}: {UNKNOWN_ENCODING}")
    if not encoding.startswith("utf"):
        warnings.warn(f"{path}: not UTF-8, read as {encoding}: save it as UTF-8 if names look wrong", stacklevel=2)
    return encoding


def read_lines(path: Path, *, keep_blank: bool = False) -> tuple[list[str], str]:
    """Read the lines of a text file, with any line ends.

    Parameters
    ----------
    path : Path
    keep_blank : bool, default=False
        Whether blank lines are kept.

    Returns
    -------
    lines : list of str
    encoding : str

    Raises
    ------
    SourceError
        If the file is an Excel workbook.
    """
    try:
        encoding = detect_file_encoding(path)
    except SourceError as error:
        if UNKNOWN_ENCODING not in str(error):
            raise
        encoding = "utf-8"  # file names need not be valid text
    text = path.read_bytes().decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    lines = re.split(r"\r\n|\n" if "\n" in text else r"\r", text)
    if not lines[-1]:  # after the last line end
        lines.pop()
    if not keep_blank:
        lines = [line for line in lines if line.strip()]
    return lines, encoding


def unique_column_names(names: list[str], taken: set[str]) -> list[str]:
    """Make names of columns unique.

    Parameters
    ----------
    names : list of str
        An empty name becomes ``column_`` and its number.
    taken : set of str
        Further names that may not be used.

    Returns
    -------
    list of str

    Examples
    --------
    >>> unique_column_names(["label", "label", ""], set())
    ['label', 'label_2', 'column_3']
    """
    found: list[str] = []
    used = {name for name in names if name} | taken
    seen: set[str] = set(taken)
    for position, given in enumerate(names):
        name = given or f"column_{position + 1}"
        used.add(name)
        free, number = name, 2
        while free in seen or (free != name and free in used):
            free, number = f"{name}_{number}", number + 1
        seen.add(free)
        found.append(free)
    return found


def find_delimiter(path: Path, encoding: str) -> tuple[str, int]:
    """Find the delimiter of a text table.

    Parameters
    ----------
    path : Path
    encoding : str

    Returns
    -------
    delimiter : str
    n_before : int
        Number of lines before the header, which may be the line ``sep=`` of Excel.
    """
    with path.open(encoding=encoding, newline="") as file:
        start = file.readline(8)
        if (named := re.fullmatch(r"sep=(.)\s*", start)) and named[1] in DELIMITERS:
            return named[1], 1
    expected = "\t" if path.suffix.lower() in (".tsv", ".tab", ".txt") else ","
    best, most_columns = expected, 1
    for delimiter in expected + DELIMITERS.replace(expected, ""):
        with path.open(encoding=encoding, newline="") as file:
            try:
                header = next((row for row in _parse_rows(path, file, delimiter) if row), [])
            except SourceError:
                continue
        if len(header) > most_columns:
            best, most_columns = delimiter, len(header)
            if delimiter == expected:
                break
    return best, 0


def _parse_rows(path: Path, file: IO[str], delimiter: str) -> Iterator[list[str]]:
    before = csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise SourceError(f"{path}: line {reader.line_num} is not a valid row ({error}): correct it") from error
    finally:
        csv.field_size_limit(before)


def _collect_columns(header: list[str], rows: Iterator[list[str]], keep_blank: bool) -> TextTable:
    width, n = len(header), 0
    invalid_rows: dict[int, str] = {}
    chunks: list[list[pa.Array]] = [[] for _ in header]
    while block := list(islice(rows, N_ROWS_PARSED_AT_ONCE)):
        lines = block if keep_blank else [row for row in block if row]
        for i, row in enumerate(lines):
            if len(row) > width and any(row[width:]):
                invalid_rows[n + i] = f"{len(row)} cells in a row, but {width} columns in the header"
            if len(row) != width:
                lines[i] = (row + [""] * width)[:width]
        for chunk, cells in zip(chunks, zip(*lines, strict=True), strict=False):
            values = pa.array(cells, pa.string())
            chunk.append(compute.if_else(compute.equal(values, ""), pa.scalar(None, pa.string()), values))
        n += len(lines)
    columns = [pa.chunked_array(chunk, pa.string()) for chunk in chunks]
    # Excel writes empty columns that once had content
    kept = [i for i, name in enumerate(header) if name.strip() or columns[i].null_count < n]
    names = unique_column_names(header, set())
    return TextTable(pa.table([columns[i] for i in kept], names=[names[i] for i in kept]), invalid_rows)
