"""Images that are worth labelling next, asked of the explorer."""

import pytest

from latentmap.run import Run
from latentmap.run.selecting import select_images


def test_the_images_are_those_of_the_command(client, copied):
    found = client.post("/api/select", json={"n": 6, "ignore_labels": True, "strategy": "typical", "balance": "label"})
    expected = select_images(copied, 6, ignore_labels=True, strategy="typical", balance="label")
    assert found.json() == {
        "ids": expected.table["id"].to_pylist(),
        "reasons": ["typical"] * 6,
        "candidates": len(expected.candidates.ids),
    }


def test_labelled_and_marked_images_are_not_chosen(client):
    refused = client.post("/api/select", json={"n": 4, "within": "sharp=True"}).json()["error"]
    assert "(120 labelled already) can be selected: nothing is left to select" in refused  # labels of the table
    asked = {"n": 4, "ignore_labels": True}
    first = client.post("/api/select", json=asked).json()["ids"]
    edit = {"kind": "mark", "ids": first, "mark": "hidden", "on": True}
    assert client.post("/api/edits", json={"revision": 0, "edit": edit}).status_code == 200
    second = client.post("/api/select", json=asked).json()["ids"]
    assert len(second) == 4
    assert not set(first) & set(second)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "n: pass a whole number from 1 to 10000"),
        ({"n": None}, "n: pass a whole number from 1 to 10000"),
        ({"n": 0}, "n: pass a whole number from 1 to 10000"),
        ({"n": 10**9}, "n: pass a whole number from 1 to 10000"),
        ({"n": True}, "n: pass a whole number from 1 to 10000"),
        ({"n": 9999, "ignore_labels": True}, "n=9,999: 240 images can be selected: ask for at most 240"),
        ({"n": 1, "strategy": "best"}, "strategy='best': choose among mixed, typical, coverage, doubt"),
        ({"n": 1, "strategy": None}, "strategy, within and balance are texts, ignore_labels is true or false"),
        ({"n": 1, "ignore_labels": 1}, "strategy, within and balance are texts, ignore_labels is true or false"),
        ({"n": 1, "within": 3}, "strategy, within and balance are texts"),
        ({"n": 1, "within": "sea"}, "there is no such group: groups are 0"),
        ({"n": 1, "balance": "sea"}, "choose 'group' or a column"),
        ({"n": 1, "seed": -1}, "seed=-1"),
        ({"n": 1, "out": "picks.csv"}, "send n, and any of strategy, within, balance, ignore_labels, seed"),
    ],
)
def test_a_wrong_request_is_a_sentence(client, asked, words):
    answer = client.post("/api/select", json=asked)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_nothing_is_written(client, copied):
    before = sorted(path.name for path in copied.iterdir())
    assert client.post("/api/select", json={"n": 3, "ignore_labels": True}).status_code == 200
    assert sorted(path.name for path in copied.iterdir()) == before
    assert Run(copied).edits()["given_label"].null_count == 240
