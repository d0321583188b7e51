"""The journal of edits: what it holds, what it refuses, and what survives."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentmap.run import Run, RunOptions, make_run
from latentmap.run.edits import EDITS_FILE, MARKS, ConflictError, EditError, Journal


def name(group: int, text: str) -> dict:
    return {"kind": "name", "group": group, "name": text}


def sizes(journal: Journal) -> dict[int, int]:
    edited = journal.edited()
    return {one.number: int((edited.group == one.number).sum()) for one in edited.groups}


def test_groups_are_split_and_merged_along_the_tree(copied):
    journal = Journal(copied)
    before = sizes(journal)
    assert list(before) == [0, 1, 2, 3]
    tree = Run.open(copied).tree()
    for k in (5, 6):  # the next cuts of the tree are splits of one group each
        cut = Run.open(copied).cut(k)
        largest = next(
            one.number
            for one in journal.edited().groups
            if len(np.unique(cut[journal.edited().group == one.number])) == 2
        )
        edited = journal.add({"kind": "split", "group": largest}, journal.edited().revision)
        assert len(edited.groups) == k
        # the same partition, whatever the numbers
        pairs = {(int(a), int(b)) for a, b in zip(edited.group, cut, strict=True)}
        assert len(pairs) == k
    assert tree.n_blocks >= 6
    numbers = [one.number for one in journal.edited().groups]
    merged = journal.add({"kind": "merge", "groups": numbers}, 2)
    assert len(merged.groups) == 1
    assert (merged.group == merged.groups[0].number).all()
    for revision in (3, 4, 5):
        journal.add({"kind": "undo"}, revision)
    assert sizes(journal) == before
    assert not journal.edited().can_undo
    journal.add({"kind": "redo"}, 6)
    assert len(journal.edited().groups) == 5


def test_labels_and_marks(copied):
    journal = Journal(copied)
    journal.add({"kind": "label", "ids": [5, 3, 3], "label": "  odd "}, 0)
    journal.add({"kind": "label", "ids": [5], "label": "other"}, 1)
    journal.add({"kind": "label", "ids": [3], "label": ""}, 2)
    for mark in MARKS:
        journal.add({"kind": "mark", "ids": [7, 8], "mark": mark, "on": True}, journal.edited().revision)
    journal.add({"kind": "mark", "ids": [8], "mark": "hidden", "on": False}, 6)
    table = Run.open(copied).edits().to_pylist()
    assert [row["id"] for row in table if row["given_label"] == "other"] == [5]
    assert table[3]["given_label"] is None
    assert [row["id"] for row in table if row["marked_hidden"]] == [7]
    assert [row["id"] for row in table if row["marked_outlier"]] == [7, 8]
    assert journal.entries[0]["ids"] == [3, 5]


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        ({}, "kind='None': choose among name, split"),
        ({"kind": "explode"}, "kind='explode': choose among"),
        ({"kind": ["name"]}, "choose among"),
        (name(99, "x"), "no group 99"),
        (name(0, "two\nlines"), "one line"),
        (name(0, "two\u2028lines"), "one line"),
        (name(0, "x" * 201), "at most 200"),
        ({"kind": "name", "group": True, "name": "x"}, "number of a group"),
        ({"kind": "name", "group": 0}, "name is missing"),
        ({"kind": "merge", "groups": [1]}, "at least two"),
        ({"kind": "merge", "groups": [1, 1]}, "group 1 cannot be merged with itself"),
        ({"kind": "merge", "groups": [1, 99]}, "no group 99"),
        ({"kind": "merge", "groups": [0, 1], "name": 5}, "name: pass a text"),
        ({"kind": "gather", "ids": [], "name": "x"}, "list of ids, from 0 to 239"),
        ({"kind": "gather", "ids": [10**30], "name": "x"}, "list of ids, from 0 to 239"),
        ({"kind": "cut", "n": 0}, "at least 1"),
        ({"kind": "cut", "n": True}, "at least 1"),
        ({"kind": "cut", "n": 10**9}, "can be cut into 1 to"),
        ({"kind": "label", "ids": [], "label": "x"}, "list of ids, from 0 to 239"),
        ({"kind": "label", "ids": [240], "label": "x"}, "list of ids, from 0 to 239"),
        ({"kind": "label", "ids": [-1], "label": "x"}, "list of ids"),
        ({"kind": "label", "ids": [1.0], "label": "x"}, "list of ids"),
        ({"kind": "mark", "ids": [1], "mark": "evil", "on": True}, "choose among outlier, duplicate, hidden"),
        ({"kind": "mark", "ids": [1], "mark": "hidden", "on": 1}, "true or false"),
        ({"kind": "undo"}, "nothing to undo"),
        ({"kind": "redo"}, "nothing to redo"),
        ({"kind": "name", "group": 0, "name": "\ud800"}, "pass"),
    ],
)
def test_edits_that_make_no_sense_are_refused_and_leave_no_trace(copied, edit, sentence):
    journal = Journal(copied)
    with pytest.raises(EditError, match=sentence):
        journal.add(edit, 0)
    assert not (copied / EDITS_FILE).exists()
    with pytest.raises(EditError, match="revision 3"):
        journal.add(name(0, "x"), 3)


def test_a_block_cannot_be_split_for_ever(copied):
    journal = Journal(copied)
    with pytest.raises(EditError, match="one block of the tree"):
        for _ in range(1000):
            journal.add({"kind": "split", "group": journal.edited().groups[0].number}, journal.edited().revision)


def test_kmeans_groups_have_no_tree_to_split_or_cut_but_can_be_merged(finished, tmp_path):
    run = Run.open(finished)
    path = tmp_path / "kmeans"
    make_run(run.images().images, path, RunOptions(epochs=1, latent_dim=4, groups="kmeans", perplexity=8.0))
    journal = Journal(path)
    assert journal.add(name(3, "third"), 0).groups[3].name == "third"
    for edit in ({"kind": "split", "group": 0}, {"kind": "cut", "n": 2}):
        with pytest.raises(EditError, match=f"no tree to {edit['kind']} along"):
            journal.add(edit, 1)
    before = sizes(journal)
    journal.add({"kind": "merge", "groups": [0, 3]}, 1)
    assert sizes(journal) == {10: before[0] + before[3]} | {n: before[n] for n in before if n not in (0, 3)}
    assert journal.edited().groups[0].name == "third"


def test_edits_of_different_things_pass_and_of_the_same_conflict(copied):
    one, other = Journal(copied), Journal(copied)
    one.add(name(0, "first"), 0)
    assert other.add(name(1, "second"), 0).revision == 2  # did not know of the first, and need not
    with pytest.raises(ConflictError, match="changed elsewhere since revision 1 .now 2."):
        one.add(name(1, "mine"), 1)
    one.add({"kind": "label", "ids": [1, 2], "label": "x"}, 2)
    other.add({"kind": "label", "ids": [3], "label": "y"}, 2)
    with pytest.raises(ConflictError):
        other.add({"kind": "label", "ids": [2, 3], "label": "z"}, 3)
    with pytest.raises(ConflictError):  # a split can change anything
        other.add({"kind": "split", "group": 0}, 3)
    assert other.add({"kind": "mark", "ids": [1, 2], "mark": "hidden", "on": True}, 2).revision == 5
    one.refresh()
    assert one.edited().groups == other.edited().groups


def test_many_threads_and_processes_lose_nothing(copied):
    script = """
import sys
from latentmap.run.edits import Journal
from pathlib import Path
journal, first = Journal(Path(sys.argv[1])), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()  # all begin at once
for i in range(first, first + 50):
    journal.add({"kind": "label", "ids": [i], "label": f"n{i}"}, journal.edited().revision)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-c", script, str(copied)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    processes = [subprocess.Popen([*command, str(first)], **pipes) for first in (0, 50, 100)]
    journal = Journal(copied)

    def work(first: int) -> None:
        for i in range(first, first + 20):
            journal.add({"kind": "label", "ids": [i], "label": f"n{i}"}, journal.edited().revision)

    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    threads = [threading.Thread(target=work, args=(first,)) for first in (150, 170)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0, 0]
    journal.refresh()
    edited = journal.edited()
    assert edited.revision == 190
    assert [edited.labels[edited.label[i]] for i in range(190)] == [f"n{i}" for i in range(190)]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_writer_loses_at_most_what_it_was_writing(copied):
    script = """
import sys
from latentmap.run.edits import Journal
from pathlib import Path
journal = Journal(Path(sys.argv[1]))
while True:
    revision = journal.edited().revision
    journal.add({"kind": "label", "ids": list(range(200)), "label": f"n{revision}"}, revision)
    print(revision + 1, flush=True)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(copied)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().split()]
    process.wait()
    assert Journal(copied).edited().revision >= said[-1]
    # cut anywhere, the whole lines before it hold, and the next entry goes on there
    data = (copied / EDITS_FILE).read_bytes()
    for cut in np.random.default_rng(0).integers(1, len(data), 8):
        (copied / EDITS_FILE).write_bytes(data[:cut])
        journal = Journal(copied)
        n_whole = data[:cut].count(b"\n") + data[:cut].endswith(b"}")  # only the end of the line is missing
        assert journal.edited().revision == n_whole
        journal.add({"kind": "label", "ids": [1], "label": "after"}, n_whole)
        assert len((copied / EDITS_FILE).read_bytes().splitlines()) == n_whole + 1
        assert all(json.loads(line) for line in (copied / EDITS_FILE).read_bytes().splitlines())


def test_edits_of_groups_that_are_gone_are_set_aside(copied):
    journal = Journal(copied)
    journal.add(name(0, "old"), 0)
    journal.add({"kind": "label", "ids": [1], "label": "stays"}, 1)
    make_run(
        Run.open(copied).state["source"]["path"],
        copied,
        RunOptions(epochs=2, latent_dim=6, n_clusters=3, perplexity=8.0),
    )
    edited = Journal(copied).edited()
    assert [one.name for one in edited.groups] == ["", "", ""]
    assert edited.n_set_aside == 1
    assert edited.labels[edited.label[1]] == "stays"


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)
edits = st.fixed_dictionaries(
    {"kind": st.sampled_from(["name", "split", "merge", "gather", "cut", "label", "mark", "undo", "redo"]) | anything},
    optional={
        "group": st.integers(0, 8) | anything,
        "n": st.integers(0, 9) | anything,
        "groups": st.lists(st.integers(0, 8), max_size=3) | anything,
        "name": st.text(max_size=8) | anything,
        "label": st.sampled_from(["x", "y", ""]) | anything,
        "ids": st.lists(st.integers(0, 239), max_size=5) | anything,
        "mark": st.sampled_from(MARKS) | anything,
        "on": st.booleans() | anything,
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(edits, max_size=12))
def test_whatever_is_sent_the_journal_stays_whole(copied, sent):
    (copied / EDITS_FILE).unlink(missing_ok=True)
    journal = Journal(copied)
    for edit in sent:
        before = journal.edited().revision
        try:
            journal.add(edit, before)
        except EditError:
            assert journal.edited().revision == before
    edited = journal.edited()
    again = Journal(copied).edited()
    assert again.groups == edited.groups
    assert (again.group == edited.group).all()
    assert again.labels == edited.labels
    # every image is in just one of the groups
    assert set(np.unique(edited.group)) <= {one.number for one in edited.groups}
    while journal.edited().can_undo:
        journal.add({"kind": "undo"}, journal.edited().revision)
    assert (journal.edited().group == Run.open(copied).groups()).all()
