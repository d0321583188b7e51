"""Columns of a run for the page: missing values stay missing, and no column is too varied to be coloured by."""

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentmap.explorer.columns import as_json, folder_columns, prepare


def described(name: str, values: pa.Array) -> dict:
    return prepare(name, values).column.as_dict()


DAY = dt.date(2024, 1, 1)
NUMBERS = {
    "float64": pa.array([1.5, None, float("nan"), -2.0]),
    "float32": pa.array([1.5, None, float("nan"), -2.0], pa.float32()),
    "half": pa.array([np.float16(1.5), None, np.float16("nan"), np.float16(-2)], pa.float16()),
    "decimal": pa.array([Decimal("1.5"), None, None, Decimal("-2.0")]),
    "text": pa.array(["1.50", None, "", "-2e0"]),
    "large text": pa.array([" +1.5", None, "NaN", "-2."], pa.large_string()),
    "duration": pa.array([1500, None, None, -2000], pa.duration("ms")),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_missing_number_is_nan_and_no_end_of_the_scale(kind):
    found = prepare("x", NUMBERS[kind])
    assert found.column.as_dict() == {"name": "x", "kind": "number", "low": -2.0, "high": 1.5, "missing": 2}
    assert found.values.dtype == np.float32
    assert np.array_equal(found.values, np.array([1.5, np.nan, np.nan, -2.0], np.float32), equal_nan=True)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint32(), pa.float64()])
def test_whole_numbers_with_gaps_are_numbers_with_gaps(kind):
    found = prepare("duplicate_of", pa.array([None, *range(100), None], kind))
    assert found.column.as_dict() == {
        **{"name": "duplicate_of", "kind": "number", "low": 0.0, "high": 99.0, "missing": 2}
    }
    assert (found.values <= 50).sum() == 51  # nothing compares with what is missing


@settings(deadline=None)
@given(st.lists(st.none() | st.floats() | st.integers(-(2**63), 2**63 - 1).map(float), min_size=1))
def test_every_value_is_counted_once(values):
    found = prepare("x", pa.array(values, pa.float64()))
    missing = sum(value is None or math.isnan(value) for value in values)
    assert found.column.missing == missing
    assert np.isnan(found.values).sum() == missing
    assert found.column.low <= found.column.high


def test_the_largest_categories_are_kept_and_all_others_counted():
    names = [f"folder{i:03d}" for i in range(258) for _ in range(259 - i)] + [None, ""]
    found = prepare("label", pa.array(names))
    column = found.column.as_dict()
    assert column["kind"] == "category"
    assert column["categories"] == [f"folder{i:03d}" for i in range(200)]  # largest first
    assert column["counts"] == [259 - i for i in range(200)]
    assert column["other"] == sum(259 - i for i in range(200, 258))
    assert column["missing"] == 2
    assert found.values.dtype == np.int16
    assert found.values[0] == 0
    assert found.values[-3] == 200
    assert found.values[-2:].tolist() == [-1, -1]
    assert sum(column["counts"]) + column["other"] + column["missing"] == len(names)


@pytest.mark.parametrize("values", [[f"name {i}" for i in range(300)], list(range(300)), [0.5 + i for i in range(300)]])
def test_labels_are_categories_whatever_their_number_and_type(values):
    column = described("label", pa.array(values))
    assert column["kind"] == "category"
    assert (len(column["categories"]), column["other"]) == (200, 100)
    assert described("notes", pa.array([f"name {i}" for i in range(300)])) == {"name": "notes", "kind": "text"}


def test_categories_of_one_size_stand_in_the_order_of_numbers_before_words():
    assert described("x", pa.array(["b", "10", "9", "a"]))["categories"] == ["9", "10", "a", "b"]


@pytest.mark.parametrize(
    ("values", "categories"),
    [
        (pa.array([True, None, True]), ["true"]),
        (pa.array([3, 3, None]), ["3"]),
        (pa.array(["007", "007", None]), ["007"]),
        (pa.array(["nan", "word", None]), ["nan", "word"]),
        (pa.array(["a", "a", None]).dictionary_encode(), ["a"]),
        (pa.array([DAY, DAY, None]), ["2024-01-01"]),
        (pa.array([dt.datetime(2024, 1, 1, 9), None]), ["2024-01-01 09:00:00.000000"]),
        (pa.array([[1, 2], [1, 2], None]), ["[1, 2]"]),
        (pa.array([{"a": 1}, None]), ["{'a': 1}"]),
        (pa.array([b"\xff", None]), ["b'\\xff'"]),
        (pa.nulls(3), []),
        (pa.nulls(3, pa.string()), []),
        (pa.array([1_700_000_000_000_000_001, None], pa.timestamp("ns")), ["2023-11-14 22:13:20.000000001"]),
        (pa.array([2**62, None], pa.timestamp("s")), None),
        (pa.array([b"caf\xe9", None]).cast(pa.binary()).view(pa.string()), ["caf\\xe9"]),
    ],
)
def test_values_of_every_type_can_be_shown(values, categories):
    found = described("x", values)
    assert found["kind"] == "category"
    assert categories is None or found["categories"] == categories
    assert found["missing"] == values.null_count


def test_many_dates_are_a_scale_of_years_and_moments_of_one_day_are_text():
    days = pa.array([DAY + dt.timedelta(days=i) for i in range(731)] + [None])
    column = described("taken", days)
    assert column["kind"] == "number"
    assert column["missing"] == 1
    assert column["low"] == pytest.approx(2024, abs=0.01)
    assert column["high"] == pytest.approx(2026, abs=0.01)
    seconds = [dt.datetime(2024, 1, 1) + dt.timedelta(seconds=i) for i in range(300)]
    assert described("at", pa.array(seconds))["kind"] == "text"


def test_paths_are_text_however_few_and_whatever_they_look_like():
    found = prepare("path", pa.array(["1", None, "2"]))
    assert found.column.kind == "text"
    assert found.values.to_pylist() == ["1", "", "2"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (pa.scalar(None, pa.float64()), None),
        (pa.scalar(float("nan")), None),
        (pa.scalar(float("inf")), "inf"),
        (pa.scalar(2**60), str(2**60)),
        (pa.scalar(True), True),
        (pa.scalar(Decimal("1.50")), "1.50"),
        (pa.scalar(DAY), "2024-01-01"),
        (pa.scalar([1, None]), "[1, None]"),
        (pa.scalar(1_700_000_000_000_000_001, pa.timestamp("ns")), "2023-11-14 22:13:20.000000001"),
    ],
)
def test_one_value_is_shown_as_it_is_and_missing_as_null(value, shown):
    assert as_json(value) == shown


def folders(paths: list[str], taken: set[str] = frozenset(), label: pa.Array | None = None) -> dict:
    return {name: values.to_pylist() for name, values in folder_columns(pa.array(paths), set(taken), label)}


def test_folders_are_columns_a_level_each():
    paths = ["a/x/1.png", "a/y/2.png", "b/3.png", "4.png"]
    assert folders(paths) == {"folder": ["a", "a", "b", None], "folder/2": ["a/x", "a/y", "b", None]}
    assert list(folders(paths, {"folder"})) == ["folder_", "folder/2"]
    assert folders(["all/a/1", "all/b/2"]) == {"folder": ["all/a", "all/b"]}  # what all share tells nothing
    assert folders(["a/1", "b/2"], label=pa.array(["a", "b"])) == {}  # the label says it
    assert folders(["1", "2", None]) == {}
    assert list(folders(["a/b/c/d/e/1", "a/b/c/d/f/2", "b/3"])) == ["folder", "folder/5"]
    assert list(folders(["a/b/c/d/1", "a/b/c/e/1", "a/b/f/1", "a/g/1", "b/1"])) == ["folder", "folder/2", "folder/3"]
