"""Tables written as text, each cell kept as the text that it is: .csv, .tsv, and what Excel calls "Unicode text"."""

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
from latentmap.images.encodings import find_encoding

DELIMITERS = ",;\t|"
BLOCK_BYTES = 2**20
ROWS = 2**15  # of a table that are in memory as Python's own text at once
MAX_CELL = 2**24  # characters
# First bytes of what is given the name of a text table by mistake.
EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
EXCEL_ADVICE = "an Excel workbook: open it, save the sheet as CSV (File, Save as, CSV UTF-8), and pass that file"
UNTOLD = "neither UTF-8 nor text of an encoding that can be told: save it as UTF-8"


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes
    ----------
    columns : pyarrow.Table
        Strings; null where a cell is empty.
    wrong : dict of int to str
        Rows whose cells do not fit the header, and why.
    """

    columns: pa.Table
    wrong: dict[int, str]


def read_text_table(path: Path, *, keep_blank: bool = False) -> TextTable:
    """Read a table of text with a header; its delimiter is a comma, a semicolon, a tab or a bar.

    Parameters
    ----------
    path : Path
    keep_blank : bool, default=False
        Take a blank line between others as an empty cell, as it is in a table of one column.

    Raises
    ------
    SourceError
        If the file is not text, or its quotes do not end.
    """
    encoding = encoding_of(path)
    delimiter, first_line = _find_delimiter(path, encoding)
    with path.open(encoding=encoding, newline="") as file:
        for _ in range(first_line):
            file.readline()
        rows = _rows(path, file, delimiter)
        header = next((row for row in rows if row), [])
        return _collected(header, rows, keep_blank)


def encoding_of(path: Path) -> str:
    """The encoding of a file of text; one that is only told by what comes out is warned about.

    Raises
    ------
    SourceError
        If it cannot be told, or the file is a workbook of Excel's.
    """
    with path.open("rb") as file:
        if file.read(8).startswith(EXCEL):
            raise SourceError(f"{path}: {EXCEL_ADVICE}")
        file.seek(0)
        encoding = find_encoding(iter(lambda: file.read(BLOCK_BYTES), b""))
    if encoding is None:
        raise SourceError(f"{path}: {UNTOLD}")
    if not encoding.startswith("utf"):
        warnings.warn(f"{path}: not UTF-8, read as {encoding}: save it as UTF-8 if names look wrong", stacklevel=2)
    return encoding


def read_lines(path: Path, *, keep_blank: bool = False) -> tuple[list[str], str]:
    """The lines of a file of text, however they end, without blank ones unless they are wanted; and its encoding."""
    try:
        encoding = encoding_of(path)
    except SourceError as error:
        if UNTOLD not in str(error):
            raise
        encoding = "utf-8"  # names of files need not be text
    text = path.read_bytes().decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    lines = re.split(r"\r\n|\n" if "\n" in text else r"\r", text)
    if not lines[-1]:  # after the end of the last one
        lines.pop()
    if not keep_blank:
        lines = [line for line in lines if line.strip()]
    return lines, encoding


def distinct_columns(names: list[str], taken: set[str]) -> list[str]:
    """Names of columns that differ from each other and from those taken: ``label``, ``label_2``; ``column_3``."""
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


def _find_delimiter(path: Path, encoding: str) -> tuple[str, int]:
    """The delimiter, and the number of lines before the header: Excel may name the delimiter in one."""
    with path.open(encoding=encoding, newline="") as file:
        start = file.readline(8)
        if (named := re.fullmatch(r"sep=(.)\s*", start)) and named[1] in DELIMITERS:
            return named[1], 1
    usual = "\t" if path.suffix.lower() in (".tsv", ".tab", ".txt") else ","
    best, most = usual, 1
    for delimiter in usual + DELIMITERS.replace(usual, ""):
        with path.open(encoding=encoding, newline="") as file:
            try:
                header = next((row for row in _rows(path, file, delimiter) if row), [])
            except SourceError:
                continue
        if len(header) > most:
            best, most = delimiter, len(header)
            if delimiter == usual:
                break
    return best, 0


def _rows(path: Path, file: IO[str], delimiter: str) -> Iterator[list[str]]:
    before = csv.field_size_limit(MAX_CELL)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise SourceError(f"{path}: line {reader.line_num} is not a row of a table ({error}): correct it") from error
    finally:
        csv.field_size_limit(before)


def _collected(header: list[str], rows: Iterator[list[str]], keep_blank: bool) -> TextTable:
    width, n = len(header), 0
    wrong: dict[int, str] = {}
    chunks: list[list[pa.Array]] = [[] for _ in header]
    while block := list(islice(rows, ROWS)):
        lines = block if keep_blank else [row for row in block if row]
        for i, row in enumerate(lines):
            if len(row) > width and any(row[width:]):
                wrong[n + i] = f"{len(row)} cells in a row of a table with {width} columns"
            if len(row) != width:
                lines[i] = (row + [""] * width)[:width]
        for chunk, cells in zip(chunks, zip(*lines, strict=True), strict=False):
            values = pa.array(cells, pa.string())
            chunk.append(compute.if_else(compute.equal(values, ""), pa.scalar(None, pa.string()), values))
        n += len(lines)
    columns = [pa.chunked_array(chunk, pa.string()) for chunk in chunks]
    # Excel writes columns that it once held something in
    kept = [i for i, name in enumerate(header) if name.strip() or columns[i].null_count < n]
    names = distinct_columns(header, set())
    return TextTable(pa.table([columns[i] for i in kept], names=[names[i] for i in kept]), wrong)
