"""Missing values are found before any conversion, whatever holds the values."""

import numpy as np
import pyarrow as pa
import pytest

from latentmap.core.missing import as_classes, missing_mask

pd = pytest.importorskip("pandas")

WORDS = ["cat", None, "dog", None]
HELD = {
    "list": WORDS,
    "tuple": tuple(WORDS),
    "object array": np.array(WORDS, object),
    "empty texts": np.array(["cat", "", "dog", ""]),
    "NaN among words": ["cat", float("nan"), "dog", np.float32("nan")],
    "pandas.NA": ["cat", pd.NA, "dog", pd.NaT],
    "pandas series": pd.Series(WORDS),
    "pandas strings": pd.Series(WORDS, dtype="string"),
    "pandas categorical": pd.Categorical(WORDS),
    "arrow": pa.array(WORDS),
    "arrow chunks": pa.chunked_array([WORDS[:2], WORDS[2:]]),
    "masked": np.ma.masked_array(["cat", "x", "dog", "y"], mask=[0, 1, 0, 1]),
    "floats": np.array([0, np.nan, 1, np.nan], np.float32),
    "nullable integers": pd.array([0, None, 1, None], dtype="Int64"),
    "masked integers": np.ma.masked_array([0, 7, 1, 7], mask=[0, 1, 0, 1]),
    "dates": np.array(["2020-01-01", "NaT", "2021-01-01", "NaT"], "M8[D]"),
}


@pytest.mark.parametrize("held", HELD)
def test_missing_values_are_found_in_whatever_holds_them(held):
    assert missing_mask(HELD[held]).tolist() == [False, True, False, True]


def test_words_that_look_missing_are_words():
    assert not missing_mask(["nan", "None", "NA", "-1", " ", "NaT"]).any()
    assert not missing_mask([0, -1, False, 0.0]).any()


def test_classes_keep_their_types():
    classes, codes = as_classes([2, "b", 10, "a", 2])
    assert classes.tolist() == [2, 10, "a", "b"]
    assert codes.tolist() == [0, 3, 1, 2, 0]
    assert as_classes([3, 1])[0].dtype.kind == "i"
    assert as_classes(["b", "a"])[0].dtype.kind == "U"
