"""Words that are proposed as names of groups."""

import time
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from explorer.conftest import HOST
from latentmap.explorer import group_words as module
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.columns import prepare
from latentmap.explorer.group_words import GroupWord, group_words, path_words


def proposed(columns, group, number, labels=(), label=None):
    """The words of a group of images that have the given columns."""
    n = len(group)
    data = SimpleNamespace(n=n, columns={name: prepare(name, pa.array(values)) for name, values in columns.items()})
    given = np.full(n, -1) if label is None else np.array(label)
    edited = SimpleNamespace(group=np.array(group), labels=list(labels), label=given)
    return group_words(data, edited, number)


def test_values_that_set_a_group_apart_are_proposed_with_their_lift():
    kinds = ["fox"] * 10 + ["owl"] * 10 + ["elk"] * 20
    years = [2019, 2020] * 20
    group = [0] * 8 + [1] * 32
    fox, *rest = proposed({"species": kinds, "year": years, "added": [0] * 40}, group, 0)
    assert (fox.text, fox.column, fox.coverage, fox.lift) == ("fox", "species", 1.0, 4.0)
    assert fox.score == pytest.approx(2.0)  # bits
    assert rest == []  # each year is as frequent in the group as elsewhere
    assert [one.text for one in proposed({"species": kinds}, group, 1)] == ["elk", "owl"]
    assert proposed({"species": kinds}, [0] * 40, 0) == []  # the group is everything
    assert proposed({"species": kinds}, group, 7) == []


def test_a_number_is_named_with_its_column_unless_it_is_a_label():
    values = [7] * 10 + [8] * 10
    words = {one.text for one in proposed({"label": values, "camera": values}, [0] * 10 + [1] * 10, 0)}
    assert words == {"7", "camera 7"}


def test_given_labels_and_missing_values_are_counted():
    label = [0] * 9 + [-1] + [1] * 10
    found = proposed({"word": [None] * 10 + ["x"] * 10}, [0] * 10 + [1] * 10, 0, ["cat", "dog"], label)
    assert [(one.text, one.column, one.coverage, one.lift) for one in found] == [
        ("cat", "given label", 0.9, pytest.approx(2.0))
    ]


def test_words_of_paths_and_texts_are_counted_once_per_image_and_the_same_text_is_proposed_once():
    n = 150
    paths = [f"zoo/fox/fox_{i:03d}.jpg" for i in range(n)] + [f"zoo/owl/bird {i}.jpg" for i in range(n)]
    captions = [f"a red animal number {i} in red leaves" for i in range(n)] + [f"night {i}" for i in range(n)]
    group = [0] * n + [1] * n
    found = proposed({"path": paths, "caption": captions, "kind": ["Fox"] * n + ["owl"] * n}, group, 0)
    words = {one.text.casefold() for one in found}
    assert {"fox", "red", "animal"} <= words
    assert len(words) == len(found) == 5
    assert "zoo" not in words
    assert all(one.lift == 2 for one in found)
    assert path_words("IMG_01.png") == {"IMG"}
    assert path_words("") == set()


def test_a_word_that_is_in_no_text_of_the_sample_has_the_lift_of_its_group(monkeypatch):
    monkeypatch.setattr(module, "MAX_SAMPLED", 4)
    n = 1000
    rows = range(501, 511)  # between those of the even sample of all
    paths = [f"{'fox' if i in rows else 'owl'}/{i}.png" for i in range(n)]
    (found,) = proposed({"path": paths}, [int(i in rows) for i in range(n)], 1)
    assert (found.text, found.coverage, found.lift) == ("fox", 1.0, pytest.approx(100))


def test_frequent_words_count_more_than_rare_ones_of_a_high_lift():
    rare, common = GroupWord("rare", "a", 0.25, 20), GroupWord("common", "a", 0.95, 8)
    assert common.score > rare.score


def test_a_million_images_take_bounded_time():
    n = 1_000_000
    numbers = np.arange(n)
    codes = pa.DictionaryArray.from_arrays(
        numbers % 50, pa.array([f"kind {one}" for one in range(50)])
    ).dictionary_decode()
    paths = pa.array([f"part/{i % 50}/picture-{i}.jpg" for i in range(n)])
    data = SimpleNamespace(n=n, columns={"kind": prepare("kind", codes), "path": prepare("path", paths)})
    edited = SimpleNamespace(group=(numbers % 50).astype(np.int32) // 10, labels=[], label=np.full(n, -1, np.int32))
    begin = time.perf_counter()
    found = group_words(data, edited, 3)
    assert time.perf_counter() - begin < 10
    assert found == []  # ten kinds of a tenth each: none names the group


def test_the_server_proposes_words_of_a_group_that_is_there(client, copied):
    data = AtlasView(copied)
    number = data.journal.edited().groups[0].number
    rows = np.flatnonzero(data.journal.edited().group == number)
    data.journal.add({"kind": "label", "ids": rows.tolist(), "label": "bars"}, 0)
    found = client.get(f"/api/groups/{number}/words", headers={"Host": HOST}).json()["words"]
    assert found[0]["text"] == "bars"
    assert found[0] == {"text": "bars", "column": "given label", "coverage": 1.0, "lift": found[0]["lift"]}
    assert found[0]["lift"] == pytest.approx(data.n / len(rows), abs=1e-3)
    assert "there is no group 4000" in client.get("/api/groups/4000/words").json()["error"]
    assert client.get("/api/groups/4000/words").status_code == 404
    assert client.get("/api/groups/x/words").status_code == 400
