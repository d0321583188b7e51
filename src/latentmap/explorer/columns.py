"""Columns of the atlas as the page takes them: numbers, categories or text. A missing entry has no value."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from latentmap.core.errors import RunError
from latentmap.run.tables import free_names

MAX_CATEGORIES = 200  # the largest ones; all others are counted as one
MAX_WHOLE_CATEGORIES = 20  # distinct whole numbers up to which a column is categorical
MIN_CATEGORY_SIZE = 2.0  # mean number of images in a category; a column of more varied texts is text
MIN_DAYS = 30  # that dates must span to be years with a fraction, since float32 resolves hours of a year
MAX_FOLDER_LEVELS = 3  # columns of folder levels
MAX_FOLDER_DEPTH = 16  # folder levels that are examined
MAX_TEXT_LENGTH = 1000  # of a value that is neither text nor a number
MAX_SAFE_INTEGER = 2**53  # beyond it JavaScript loses digits
TREE_COLUMN = "tree"  # paths from the root of the tree: the names on the map need all of its categories
CATEGORIES = frozenset({"label", "group", "added", "source", TREE_COLUMN})
TEXTS = frozenset({"path", "file"})
NUMBERS = frozenset({"width", "height", "bytes"})  # also if they have few distinct values
NUMBER_PATTERN = r"^[+-]?(0|[1-9][0-9]*|[0-9]*\.[0-9]+|[1-9][0-9]*\.)([eE][+-]?[0-9]+)?$"
NAN_PATTERN = r"^(?i:nan)?$"
ERRORS = (pa.ArrowException, ValueError, TypeError, OverflowError, KeyError)


@dataclass(frozen=True)
class Column:
    """The description of a column that the page colours and filters by.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : str
        number, category or text.
    low, high : float
        Smallest and largest finite number.
    categories : tuple of str
        The largest categories, largest first.
    counts : tuple of int
        Number of images in each category.
    other : int
        Number of images in none of ``categories``.
    missing : int
        Number of images without a value.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    other: int = 0
    missing: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The description as JSON can hold it."""
        found: dict[str, Any] = {"name": self.name, "kind": self.kind}
        if self.kind == "number":
            found |= {"low": self.low, "high": self.high, "missing": self.missing}
        elif self.kind == "category":
            found |= {"categories": list(self.categories), "counts": list(self.counts)}
            found |= {"other": self.other, "missing": self.missing}
        return found


@dataclass(frozen=True)
class Values:
    """A column and its values: float32, codes, or text; NaN, -1 or "" where a value is missing."""

    column: Column
    values: Any


def prepare(name: str, values: pa.Array) -> Values:
    """Classify a column of the atlas and convert its values for the page.

    Raises
    ------
    RunError
        If its values cannot be read.
    """
    try:
        return _classify(name, plain(values))
    except ERRORS as error:
        raise RunError(f"column {name!r} cannot be shown ({error})") from error


def plain(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Values as one array, without a dictionary, and with valid UTF-8."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        try:
            values.validate(full=True)
        except pa.ArrowInvalid:
            values = pa.array([_decode_lossy(one) for one in values.cast(pa.binary()).to_pylist()], pa.string())
    return values


def _decode_lossy(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "backslashreplace")


def _classify(name: str, values: pa.Array) -> Values:
    numbers = None if name in CATEGORIES | TEXTS else _as_numbers(values, name in NUMBERS)
    if numbers is not None:
        return _number_column(name, numbers)
    texts = to_texts(values)
    n_distinct = pc.count_distinct(texts).as_py()
    is_varied = n_distinct > MAX_CATEGORIES and len(texts) - texts.null_count < MIN_CATEGORY_SIZE * n_distinct
    if name in TEXTS or (is_varied and name not in CATEGORIES):
        return Values(Column(name, "text"), texts.fill_null(""))
    return _category_column(name, texts)


def _as_numbers(values: pa.Array, is_number: bool) -> pa.Array | None:
    """Values of a numeric type, a duration or a date, as float64; None for categories and text."""
    kind, found = values.type, None
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        found = values.cast(pa.float64())
    elif pa.types.is_integer(kind) and (is_number or pc.count_distinct(values).as_py() > MAX_WHOLE_CATEGORIES):
        found = values.cast(pa.float64(), safe=False)
    elif pa.types.is_duration(kind) or pa.types.is_time(kind):
        found = _seconds(values)
    elif (pa.types.is_date(kind) or pa.types.is_timestamp(kind)) and pc.count_distinct(values).as_py() > MAX_CATEGORIES:
        found = _years(values)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = _written_numbers(values)
    return found


def _written_numbers(texts: pa.Array) -> pa.Array | None:
    """Numbers that are stored as text, such as 1.50; None if a value is a word or a code such as 007."""
    texts = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    is_none = pc.match_substring_regex(texts, NAN_PATTERN)
    texts = pc.if_else(is_none, pa.scalar(None, pa.string()), texts)
    if texts.null_count == len(texts) or not pc.all(pc.match_substring_regex(texts, NUMBER_PATTERN)).as_py():
        return None
    numbers = pc.replace_substring(texts, "+", "").cast(pa.float64())
    is_whole = pc.all(pc.match_substring_regex(texts, "^[+-]?[0-9]+$")).as_py()
    return None if is_whole and pc.count_distinct(texts).as_py() <= MAX_WHOLE_CATEGORIES else numbers


def _number_column(name: str, values: pa.Array) -> Values:
    with np.errstate(over="ignore"):  # too large for float32: infinite
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float32)
    finite = numbers[np.isfinite(numbers)]
    ends = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    return Values(Column(name, "number", *ends, missing=int(np.isnan(numbers).sum())), numbers)


def _category_column(name: str, texts: pa.Array) -> Values:
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    counted = [(one["values"], one["counts"]) for one in texts.value_counts().to_pylist() if one["values"] is not None]
    counted.sort(key=lambda one: (-one[1], _category_sort_key(one[0])))
    kept = counted if name == TREE_COLUMN else counted[:MAX_CATEGORIES]
    codes = pc.index_in(texts, pa.array([category for category, _ in kept], pa.string()))
    found = codes.fill_null(len(kept)).to_numpy(zero_copy_only=False)
    missing = texts.is_null().to_numpy(zero_copy_only=False)
    kind = np.int16 if len(kept) < 2**15 else np.int32
    column = Column(
        name,
        "category",
        categories=tuple(category for category, _ in kept),
        counts=tuple(count for _, count in kept),
        other=sum(count for _, count in counted[len(kept) :]),
        missing=int(missing.sum()),
    )
    return Values(column, np.where(missing, -1, found).astype(kind))


def _seconds(values: pa.Array) -> pa.Array:
    """Durations and times of day in seconds."""
    unit = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[values.type.unit]
    whole = pa.int32() if values.type.bit_width == 32 else pa.int64()
    return pc.divide(values.cast(whole).cast(pa.float64(), safe=False), unit)


def _years(values: pa.Array) -> pa.Array | None:
    """Dates as years with a fraction; None if they span too few days."""
    moments = values.cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    found = moments.to_numpy(zero_copy_only=False).astype(np.float64)
    known = found[np.isfinite(found)]
    if not len(known) or np.ptp(known) < MIN_DAYS * 86400:
        return None
    return pa.array(1970 + found / (365.2425 * 86400), from_pandas=True)


def to_texts(values: pa.Array) -> pa.Array:
    """Each value as text, or null."""
    if pa.types.is_string(values.type) or pa.types.is_null(values.type):
        return values.cast(pa.string())
    try:
        return values.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([to_text(one) for one in values], pa.string())


def to_text(value: pa.Scalar) -> str | None:
    """One value as text, or None."""
    if not value.is_valid:
        return None
    try:
        return str(value.as_py())[:MAX_TEXT_LENGTH]
    except (ValueError, OverflowError, UnicodeDecodeError):  # timestamps that Python has no type for
        return str(value.cast(pa.string()).as_py())[:MAX_TEXT_LENGTH]


def as_json(value: pa.Scalar) -> Any:
    """One value as JSON and JavaScript can hold it; None if it is missing."""
    kind = value.type
    if not value.is_valid:
        return None
    if pa.types.is_boolean(kind):
        return value.as_py()
    if pa.types.is_integer(kind):
        whole = value.as_py()
        return whole if abs(whole) <= MAX_SAFE_INTEGER else str(whole)
    if pa.types.is_floating(kind):
        real = float(value.as_py())
        return real if np.isfinite(real) else None if np.isnan(real) else str(real)
    return to_text(value)


def folder_columns(paths: pa.Array, taken: set[str], label: pa.Array | None) -> Iterator[tuple[str, pa.Array]]:
    """Columns of the folders of the images: the first level, the first two levels, and so on, if they are informative.

    A level is not informative if all images share it, or if it divides them as the label or an upper level does.
    """
    parts = [(path or "").split("/")[:-1] for path in paths.to_pylist()]
    known = [] if label is None else [_partition(to_texts(plain(label)).to_pylist())]
    n_found = 0
    for level in range(1, min(MAX_FOLDER_DEPTH, max(map(len, parts), default=0)) + 1):
        names = ["/".join(one[:level]) or None for one in parts]
        partition = _partition(names)
        if n_found < MAX_FOLDER_LEVELS and any(partition) and partition not in known:
            (free,) = free_names([f"folder/{level}" if n_found else "folder"], taken)
            yield free, pa.array(names, pa.string())
            known.append(partition)
            n_found += 1


def _partition(names: list[str | None]) -> list[int]:
    """Number each distinct name by its first occurrence: equal lists for names that divide the images equally."""
    numbers: dict[str | None, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]


def _category_sort_key(name: str) -> tuple[int, float, str]:
    """Sort key of a category: numbers by size, before words."""
    try:
        number = float(name)
    except ValueError:
        return 1, 0.0, name
    return (1, 0.0, name) if np.isnan(number) else (0, number, name)
