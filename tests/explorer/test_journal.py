"""The journal as a file that anyone may have written: what is damaged is set aside, and all else has its effect."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from explorer.conftest import pictures
from latentmap.run import Run, RunError, add_images
from latentmap.run.edits import EDITS_FILE, ConflictError, EditError, Journal, schema

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / EDITS_FILE).read_bytes().splitlines()]


def entry(journal: Journal, kind: str, **fields: object) -> bytes:
    about = journal._base.keys["images" if kind in ("label", "mark") else "groups"]
    return json.dumps({"kind": kind, "about": about, **fields}).encode()


def sizes(journal: Journal) -> dict[int, int]:
    edited = journal.edited()
    return {one.number: int((edited.group == one.number).sum()) for one in edited.groups}


def damaged(journal: Journal) -> dict[str, bytes]:
    return {
        "deep": b"[" * 200_000,
        "deep inside": b'{"kind":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "label is a number": entry(journal, "label", ids=[0], label=5),
        "name is a number": entry(journal, "name", group=0, name=5),
        "huge id": entry(journal, "label", ids=[10**30], label="x"),
        "id of no image": entry(journal, "label", ids=[240], label="x"),
        "id below 0": entry(journal, "label", ids=[-1], label="x"),
        "ids are no list": entry(journal, "label", ids={"0": 1}, label="x"),
        "ids with a gap": b'{"kind":"label","label":"x","ids":[1,,2],"about":"%b"}'
        % journal._base.keys["images"].encode(),
        "no group": entry(journal, "name", name="x"),
        "group of another type": entry(journal, "split", group=[0]),
        "digits without end": b'{"kind":"name","group":' + b"9" * 10_000 + b"}",
        "unknown kind": entry(journal, "explode"),
        "kind of another type": entry(journal, "name").replace(b'"name"', b'["name"]'),
        "of a later version": entry(journal, "name", group=0, name="later", v=3),
        "half a character": entry(journal, "name", group=0, name="\ud800"),
        "not UTF-8": b'{"kind":"name","group":0,"name":"\xff\xfe"}',
        "nothing but zeros": b"\0" * 100,
        "no JSON": b"{'kind': 'undo'}",
        "a number": b"NaN",
        "text": b'"undo"',
    }


def test_a_damaged_line_is_set_aside_and_counted(copied):
    journal = Journal(copied)
    good = entry(journal, "label", ids=[3], label="before"), entry(journal, "name", group=1, name="after")
    for what, line in damaged(journal).items():
        (copied / EDITS_FILE).write_bytes(good[0] + b"\n" + line + b"\n" + good[1] + b"\n")
        journal = Journal(copied)
        edited = journal.edited()
        assert edited.n_set_aside == 1, what
        assert edited.labels[edited.label[3]] == "before", what
        assert edited.groups[1].name == "after", what
        assert Run.open(copied).edits()["given_label"][3].as_py() == "before", what
        after = journal.add({"kind": "label", "ids": [4], "label": "next"}, edited.revision)
        assert after.labels[after.label[4]] == "next", what
        assert Journal(copied).edited().n_set_aside == 1, what


def test_a_line_that_is_too_long_is_passed_over_in_little_memory(copied, monkeypatch):
    monkeypatch.setattr(schema, "MAX_LINE_BYTES", 2**16)
    monkeypatch.setattr("latentmap.run.edits.entries.MAX_LINE_BYTES", 2**16)
    journal = Journal(copied)
    with (copied / EDITS_FILE).open("wb") as file:
        file.write(entry(journal, "label", ids=[3], label="before") + b"\n")
        for _ in range(100):
            file.write(b"[" * 2**20)
        file.write(b"\n" + entry(journal, "label", ids=[4], label="after"))
    tracemalloc.start()
    edited = Journal(copied).edited()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24
    assert [edited.labels[edited.label[i]] for i in (3, 4)] == ["before", "after"]
    assert edited.n_set_aside == 1


def test_a_long_journal_takes_little_memory_and_its_ids_no_python_numbers(copied):
    journal = Journal(copied)
    line = entry(journal, "label", ids=list(range(200)) * 200, label="x") + b"\n"
    (copied / EDITS_FILE).write_bytes(line * 100)
    tracemalloc.start()
    assert Journal(copied).edited().revision == 100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(line) < 100 * len(line)


def test_the_last_line_counts_without_an_end_and_the_next_begins_anew(copied):
    journal = Journal(copied)
    (copied / EDITS_FILE).write_bytes(entry(journal, "label", ids=[3], label="by hand"))
    journal = Journal(copied)
    edited = journal.add({"kind": "label", "ids": [4], "label": "next"}, 1)
    assert edited.labels == ["by hand", "next"]
    assert [line["label"] for line in lines_of(copied)] == ["by hand", "next"]
    assert Journal(copied).edited().labels == ["by hand", "next"]


@FEW
@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([b"{", b"[[[", b'{"kind":"undo"', b"null", b"\r"]), max_size=6)
)
def test_whatever_the_lines_are_good_ones_among_them_hold(copied, lines):
    journal = Journal(copied)
    good = [entry(journal, "label", ids=[i], label=f"n{i}") for i in range(len(lines) + 1)]
    lines = [line.replace(b"\n", b" ") for line in lines]
    text = good[0] + b"\n" + b"".join(bad + b"\n" + one + b"\n" for bad, one in zip(lines, good[1:], strict=True))
    (copied / EDITS_FILE).write_bytes(text)
    edited = Journal(copied).edited()
    assert edited.labels == [f"n{i}" for i in range(len(good))]
    assert edited.n_set_aside == sum(bool(line.strip()) for line in lines)


fields = st.dictionaries(
    st.sampled_from(["kind", "group", "groups", "ids", "label", "name", "mark", "on", "n", "v", "about"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.integers(), max_size=3),
)


@FEW
@given(
    st.lists(
        st.tuples(st.sampled_from(["name", "split", "merge", "gather", "cut", "label", "mark"]), fields), max_size=8
    ),
    st.lists(st.booleans(), max_size=3),
)
def test_whatever_the_fields_are_the_journal_opens_and_each_image_has_one_group(copied, found, undos):
    journal = Journal(copied)
    keys = list(journal._base.keys.values())
    lines = [json.dumps({"kind": kind, "about": keys[i % 2], **more}) for i, (kind, more) in enumerate(found)]
    lines += [json.dumps({"kind": "undo" if undo else "redo"}) for undo in undos]
    (copied / EDITS_FILE).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    edited = Journal(copied).edited()
    assert set(np.unique(edited.group)) <= {one.number for one in edited.groups}
    assert len(edited.table()) == 240


def test_a_merge_joins_just_the_groups_that_are_named(copied):
    journal = Journal(copied)
    ways = {one.number: one.tree for one in journal.edited().groups}
    # along the tree, all would come
    pair = next((a, b) for a in ways for b in ways if a < b and ways[a][:1] != ways[b][:1])
    before = journal.edited().group.copy()
    edited = journal.add({"kind": "merge", "groups": list(pair)}, 0)
    assert len(edited.groups) == 3
    for number in range(4):
        assert set(edited.group[before == number]) == {4 if number in pair else number}
    parts = journal.add({"kind": "split", "group": 4}, 1)
    assert len(parts.groups) == 4
    assert (journal.add({"kind": "undo"}, 2).group == edited.group).all()
    assert (journal.add({"kind": "undo"}, 3).group == before).all()
    assert (journal.add({"kind": "redo"}, 4).group == edited.group).all()


@pytest.mark.parametrize(
    ("names", "given_name", "result"),
    [
        (("", ""), None, ""),
        (("a", ""), None, "a"),
        (("a", "b"), None, "a + b"),
        (("b", "a"), None, "b + a"),
        (("a", "a"), None, "a"),
        (("a", "b"), "both", "both"),
        (("a", "b"), "  ", "a + b"),
        (("a" * 150, "b" * 150), None, ("a" * 150 + " + " + "b" * 150)[:199] + "…"),
    ],
)
def test_a_merged_group_has_the_name_that_is_given_or_the_names_of_all(copied, names, given_name, result):
    journal = Journal(copied)
    for number, name in enumerate(names):
        journal.add({"kind": "name", "group": number, "name": name}, number)
    edit = {"kind": "merge", "groups": [0, 1]} | ({} if given_name is None else {"name": given_name})
    edited = journal.add(edit, 2)
    assert [one.name for one in edited.groups if one.number == 4] == [result]


def test_a_selection_becomes_a_group(copied):
    journal = Journal(copied)
    before = journal.edited().group.copy()
    ids = [*np.flatnonzero(before == 0).tolist(), int(np.flatnonzero(before == 1)[0])]
    edited = journal.add({"kind": "gather", "ids": ids, "name": "mine"}, 0)
    assert [(one.number, one.name) for one in edited.groups] == [(1, ""), (2, ""), (3, ""), (4, "mine")]  # 0 is empty
    assert np.flatnonzero(edited.group == 4).tolist() == sorted(ids)
    table = Run.open(copied).edits()
    assert set(table["group_name"].to_pylist()) == {None, "mine"}
    assert (np.array(table["group"]) == edited.group).all()
    with pytest.raises(EditError, match="no group 0"):
        journal.add({"kind": "name", "group": 0, "name": "gone"}, 1)
    assert len(journal.add({"kind": "split", "group": 4}, 1).groups) == 5
    journal.add({"kind": "undo"}, 2)
    assert (journal.add({"kind": "undo"}, 3).group == before).all()


def test_the_tree_is_cut_into_any_number_of_groups(copied):
    journal = Journal(copied)
    journal.add({"kind": "name", "group": 2, "name": "stays"}, 0)
    for n in (1, 2, 6):
        edited = journal.add({"kind": "cut", "n": n}, journal.edited().revision)
        cut = Run.open(copied).cut(n)
        assert len(edited.groups) == n
        assert len({(int(a), int(b)) for a, b in zip(edited.group, cut, strict=True)}) == n
    again = journal.add({"kind": "cut", "n": 4}, journal.edited().revision)
    assert sorted(sizes(journal).values()) == sorted(np.bincount(Run.open(copied).groups()).tolist())
    assert [one.name for one in again.groups] == [""] * 4  # cuts in between had no such group
    for _ in range(4):
        edited = journal.add({"kind": "undo"}, journal.edited().revision)
    kept = journal.add({"kind": "cut", "n": 4}, journal.edited().revision)
    (named,) = [one for one in kept.groups if one.name]
    assert named.name == "stays"
    assert ((kept.group == named.number) == (edited.group == 2)).all()


def test_entries_without_a_version_merge_along_the_tree_as_they_did(copied):
    journal = Journal(copied)
    ways = {one.number: one.tree for one in journal.edited().groups}
    pair = next((a, b) for a in ways for b in ways if a < b and ways[a][:1] != ways[b][:1])
    (copied / EDITS_FILE).write_bytes(
        b"\n".join([entry(journal, "name", group=pair[0], name="one"), entry(journal, "merge", groups=pair), b""])
    )
    journal = Journal(copied)
    assert sizes(journal) == {4: 240}  # all below the root came along
    assert journal.edited().groups[0].name == "one"
    journal.add({"kind": "split", "group": 4}, 2)
    assert "v" not in lines_of(copied)[1]
    assert lines_of(copied)[2]["v"] == 2


def test_new_kinds_conflict_with_whatever_came_between(copied):
    one, other = Journal(copied), Journal(copied)
    one.add({"kind": "name", "group": 0, "name": "first"}, 0)
    for edit in (
        {"kind": "gather", "ids": [1], "name": "x"},
        {"kind": "cut", "n": 2},
        {"kind": "merge", "groups": [1, 2]},
        {"kind": "name", "group": 0, "name": "mine"},
    ):
        with pytest.raises(ConflictError, match="changed elsewhere since revision 0"):
            other.add(edit, 0)
    one.add({"kind": "cut", "n": 2}, 1)
    with pytest.raises(ConflictError):
        other.add({"kind": "name", "group": 1, "name": "gone"}, 1)


@pytest.mark.parametrize("name", ["👨‍👩‍👧", "می‌خواهم", "a\u00a0b", "가나", "=1+1", "..", "/"])
def test_names_of_any_script_are_taken(copied, name):
    journal = Journal(copied)
    journal.add({"kind": "label", "ids": [1], "label": name}, 0)
    assert Run.open(copied).edits()["given_label"][1].as_py() == name


def test_labels_are_listed_with_their_counts(copied):
    journal = Journal(copied)
    journal.add({"kind": "label", "ids": [1, 2], "label": "a"}, 0)
    edited = journal.add({"kind": "label", "ids": [2, 3, 4], "label": "b"}, 1)
    assert edited.labels == ["a", "b"]
    assert [int((edited.label == label).sum()) for label in range(2)] == [1, 3]


def test_images_that_were_added_are_edited_like_others(copied, tmp_path):
    early = Journal(copied)
    folder = tmp_path / "more"
    folder.mkdir()
    for i, image in enumerate(pictures(4, 9)):
        Image.fromarray(image).save(folder / f"{i}.png")
    add_images(copied, folder)
    journal = Journal(copied)
    journal.add({"kind": "label", "ids": [1, 242], "label": "both"}, 0)
    journal.add({"kind": "gather", "ids": [240, 241, 242, 243], "name": "new"}, 1)
    assert set(Run.open(copied).edits()["group_name"].to_pylist()[240:]) == {"new"}
    assert journal.add({"kind": "cut", "n": 2}, 2).group.min() >= 0
    # who opened the run before does not know of them
    early.refresh()
    assert early.edited().revision == 3
    assert early.edited().n_set_aside == 2


def test_a_journal_that_was_replaced_is_read_anew_and_a_link_is_refused(copied, tmp_path):
    journal = Journal(copied)
    journal.add({"kind": "label", "ids": [1], "label": "a"}, 0)
    journal.add({"kind": "label", "ids": [1], "label": "b"}, 1)
    (copied / EDITS_FILE).write_bytes((copied / EDITS_FILE).read_bytes().splitlines(keepends=True)[0])
    journal.refresh()
    assert (journal.edited().revision, journal.edited().labels) == (1, ["a"])
    (copied / EDITS_FILE).unlink()
    journal.refresh()
    assert journal.edited().revision == 0
    secret = tmp_path / "secret"
    secret.write_text("mine")
    (copied / EDITS_FILE).symlink_to(secret)
    with pytest.raises(RunError, match="a link that leads out of the run"):
        Journal(copied)
    with pytest.raises(RunError, match="not a file of this run"):
        journal.add({"kind": "label", "ids": [1], "label": "a"}, 0)
    assert secret.read_text() == "mine"


def test_what_could_not_be_written_is_not_there(copied, monkeypatch):
    journal = Journal(copied)
    journal.add({"kind": "label", "ids": [1], "label": "a"}, 0)
    before = (copied / EDITS_FILE).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("latentmap.run.edits.journal.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        journal.add({"kind": "label", "ids": [1], "label": "b"}, 1)
    monkeypatch.undo()
    assert (copied / EDITS_FILE).read_bytes() == before
    assert journal.edited().labels == ["a"]
    assert journal.add({"kind": "label", "ids": [1], "label": "c"}, 1).labels == ["a", "c"]
