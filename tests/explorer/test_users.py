"""Several people edit one run: who did what, undo of one's own edits, and what two processes that are killed lose."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from latentmap.core.errors import ConflictError, EditError
from latentmap.run.edits import EDITS_FILE, Journal, current_user


def name(group: int, text: str) -> dict:
    return {"kind": "name", "group": group, "name": text}


def label(text: str, *ids: int) -> dict:
    return {"kind": "label", "ids": list(ids), "label": text}


UNDO, REDO = {"kind": "undo"}, {"kind": "redo"}


@pytest.fixture
def people(copied) -> tuple[Journal, Journal]:
    """Two journals of one run, as two explorers have them."""
    return Journal(copied, "ann"), Journal(copied, "bob")


def do(journal: Journal, edit: dict) -> object:
    journal.refresh()
    return journal.add(edit, journal.edited().revision)


def names(journal: Journal) -> dict[int, str]:
    journal.refresh()
    return {one.number: one.name for one in journal.edited().groups}


def state(journal: Journal) -> tuple:
    journal.refresh()
    edited = journal.edited()
    groups = [(one.number, one.name, one.tree) for one in edited.groups]
    return groups, edited.group.tolist(), [edited.labels[i] if i >= 0 else "" for i in edited.label]


def test_the_journal_says_who_did_what(copied, people):
    ann, bob = people
    do(ann, name(0, "cats"))
    do(bob, label("dog", 3, 4))
    do(bob, UNDO)
    lines = [json.loads(line) for line in (copied / EDITS_FILE).read_text(encoding="utf-8").splitlines()]
    assert [(one["user"], one["kind"], one.get("of")) for one in lines] == [
        ("ann", "name", None),
        ("bob", "label", None),
        ("bob", "undo", 2),
    ]
    ann.refresh()
    undo, labelled, named = ann.history()
    assert (undo["user"], undo["kind"], undo["of"], undo["revision"]) == ("bob", "undo", 2, 3)
    assert (labelled["user"], labelled["n_images"], labelled["label"]) == ("bob", 2, "dog")
    assert [one["in_effect"] for one in (undo, labelled, named)] == [True, False, True]
    assert "ids" not in labelled
    assert named["time"].startswith("20")
    # Python's own journals have the name of the user on the system
    Journal(copied).add(label("x", 1), 3)
    assert Journal(copied).history()[0]["user"] == current_user()


def test_only_the_last_edits_are_in_the_history(copied):
    journal = Journal(copied, "ann")
    for i in range(25):
        journal.add(label(f"n{i}", i), i)
    assert [one["label"] for one in journal.history()] == [f"n{i}" for i in range(24, 4, -1)]
    assert Journal(copied).history() == journal.history()


@pytest.mark.parametrize("user", ["", "  ", "two\nlines", "x" * 101, "\ud800"])
def test_names_of_users_that_make_no_sense_are_refused(copied, user):
    with pytest.raises(EditError, match="user: pass a name"):
        Journal(copied, user)
    with pytest.raises(EditError, match="user: pass a name"):
        Journal(copied).add(label("x", 1), 0, user)
    assert not (copied / EDITS_FILE).exists()


def test_a_system_without_a_name_for_its_user_is_no_obstacle(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(KeyError("uid not found")))
    assert current_user().startswith("user")
    monkeypatch.setattr("getpass.getuser", lambda: "x" * 500)
    assert current_user().startswith("user")


def test_my_undo_undoes_my_last_edit_even_if_others_edited_since(people):
    ann, bob = people
    do(ann, name(0, "cats"))
    do(ann, label("a", 1, 2))
    do(bob, label("b", 2, 3))
    do(bob, name(1, "dogs"))
    edited = do(ann, UNDO)
    assert [edited.labels[i] if i >= 0 else "" for i in edited.label[:4]] == ["", "", "b", "b"]
    assert names(ann)[1] == "dogs"
    do(ann, UNDO)
    assert names(bob)[0] == ""
    ann.refresh()
    assert (ann.edited().can_undo, ann.edited().can_redo) == (False, True)
    assert (bob.edited().can_undo, bob.edited().can_redo) == (True, False)
    assert ann.edited("bob").can_undo
    with pytest.raises(EditError, match="nothing to undo that ann did"):
        do(ann, UNDO)
    # bob goes on; ann can still redo both, in the order in which she did them
    do(bob, label("c", 9))
    do(ann, REDO)
    assert names(bob)[0] == "cats"
    edited = do(ann, REDO)
    assert [edited.labels[i] if i >= 0 else "" for i in edited.label[:4]] == ["", "a", "b", "b"]
    # an own edit ends redo, another's does not
    do(ann, UNDO)
    do(ann, label("d", 10))
    with pytest.raises(EditError, match="nothing to redo"):
        do(ann, REDO)


def test_an_undo_that_another_edit_builds_on_is_refused_with_who_and_what(people):
    ann, bob = people
    do(ann, {"kind": "split", "group": 0})
    do(bob, name(4, "left"))
    before = state(ann)
    with pytest.raises(EditError, match=r"split group 0.*bob named group 4 'left' at 20.* must be undone first"):
        do(ann, UNDO)
    assert state(ann) == before == state(Journal(ann.folder))
    do(bob, UNDO)
    do(ann, UNDO)
    assert [one.number for one in Journal(ann.folder).edited().groups] == [0, 1, 2, 3]


def test_groups_keep_their_numbers_when_an_earlier_edit_is_undone(people):
    ann, bob = people
    do(ann, {"kind": "split", "group": 0})  # groups 4 and 5
    do(bob, {"kind": "merge", "groups": [1, 2]})  # group 6
    do(bob, name(6, "both"))
    members = np.flatnonzero(Journal(ann.folder).edited().group == 6)
    edited = do(ann, UNDO)
    assert {one.number: one.name for one in edited.groups} == {0: "", 6: "both", 3: ""}
    assert (np.flatnonzero(edited.group == 6) == members).all()
    edited = do(ann, REDO)
    assert [one.number for one in edited.groups] == [4, 5, 6, 3]
    # a new group after an undo has a number of its own
    do(ann, UNDO)
    assert do(ann, {"kind": "split", "group": 0}).groups[0].number == 7
    assert state(Journal(ann.folder)) == state(bob)


def test_a_redo_that_another_edit_is_in_the_way_of_is_refused(people):
    ann, bob = people
    do(ann, {"kind": "split", "group": 0})
    do(ann, UNDO)
    do(bob, {"kind": "merge", "groups": [0, 1]})
    with pytest.raises(EditError, match=r"cannot be redone .*bob merged groups 0, 1"):
        do(ann, REDO)
    do(bob, UNDO)
    assert [one.number for one in do(ann, REDO).groups] == [4, 5, 1, 2, 3]


def test_an_undo_that_would_change_what_a_later_split_divides_is_refused(people):
    ann, bob = people
    base = Journal(ann.folder)._base
    group, paths = base.group, np.array(base.trees, object)[base.block]
    for number in range(4):
        node = base.groups[number].tree
        is_member = group == number
        below = [np.array([path.startswith(node + side) for path in paths]) for side in "01"]
        sides = [np.flatnonzero(is_member & one) for one in below]
        moved, rest = sorted(sides, key=lambda rows: len(set(paths[rows])))
        if len(moved) and len(set(paths[rest])) > 1:
            break
    # without the gathering, bob's split would have been that of the node above
    do(ann, {"kind": "gather", "ids": moved.tolist(), "name": ""})
    do(bob, {"kind": "split", "group": number})
    before = state(bob)
    with pytest.raises(EditError, match=f"ann made a group of .* bob split group {number}"):
        do(ann, UNDO)
    assert state(bob) == before


def test_a_conflict_says_who_changed_what(people):
    ann, bob = people
    bob.add(label("b", 1, 2), 0)
    with pytest.raises(ConflictError, match=r"since revision 0 .now 1.: bob labelled 2 images 'b' at 20") as raised:
        ann.add(label("a", 2), 0)
    assert (raised.value.by["user"], raised.value.by["revision"]) == ("bob", 1)
    assert ann.add(label("a", 3), 0).revision == 2
    do(bob, UNDO)
    # the undo of another's label of other images is no conflict, that of the same is one
    assert ann.add(label("a", 5), 2).revision == 4
    with pytest.raises(ConflictError, match="bob undid edit 1"):
        ann.add(label("a", 1), 2)
    # an undo is about own edits: what bob did since is no conflict, what ann did in another tab is one
    bob.refresh()
    bob.add(label("b", 20), 4)
    assert ann.add(UNDO, 4).revision == 6
    with pytest.raises(ConflictError, match="ann undid"):
        ann.add(UNDO, 4)


def test_journals_without_users_are_read_as_before_and_may_be_undone_by_all(copied):
    keys = Journal(copied)._base.keys
    lines = [
        {"v": 2, "kind": "split", "group": 0},
        {"v": 2, "kind": "undo"},
        {"v": 2, "kind": "merge", "groups": [1, 2]},  # has number 4 again
        {"v": 2, "kind": "name", "group": 4, "name": "old"},
        {"v": 2, "kind": "undo"},
        {"v": 2, "kind": "redo"},
        {"v": 2, "kind": "undo"},
    ]
    text = "".join(json.dumps(one | {"about": keys["groups"]}) + "\n" for one in lines)
    (copied / EDITS_FILE).write_text(text)
    journal = Journal(copied, "ann")
    assert names(journal) == {0: "", 4: "", 3: ""}
    assert {one["user"] for one in journal.history()} == {None}
    assert journal.edited().n_set_aside == 0
    assert do(journal, REDO).groups[1].name == "old"
    do(journal, UNDO)
    do(journal, UNDO)
    assert names(journal) == {0: "", 1: "", 2: "", 3: ""}
    with pytest.raises(EditError, match="nothing to undo"):
        do(journal, UNDO)
    assert names(Journal(copied, "bob")) == names(journal)


def test_a_user_that_is_no_name_is_unknown_and_undo_of_what_is_not_there_has_no_effect(copied):
    key = Journal(copied)._base.keys["images"]
    lines = [
        {"v": 2, "kind": "label", "ids": [1], "label": "x", "user": ["ann"], "about": key},
        {"v": 2, "kind": "label", "ids": [2], "label": "x", "user": "a\nb", "about": key},
        {"v": 3, "kind": "undo", "of": 77, "user": "ann", "about": key},
        {"v": 3, "kind": "undo", "of": 3, "user": "ann", "about": key},
        {"v": 3, "kind": "redo", "of": 1, "user": "ann", "about": key},
        {"v": 3, "kind": "undo", "of": -1, "user": "ann", "about": key},  # no entry
        {"v": 3, "kind": "undo", "user": "ann", "about": key},  # no entry
    ]
    (copied / EDITS_FILE).write_text("".join(json.dumps(one) + "\n" for one in lines))
    journal = Journal(copied)
    edited = journal.edited()
    assert edited.label[:4].tolist() == [-1, 0, 0, -1]
    assert (edited.revision, edited.n_set_aside) == (5, 5)
    assert {one["user"] for one in journal.history()} == {None, "ann"}


WRITER = """
import sys
from pathlib import Path
from latentmap.core.errors import ConflictError
from latentmap.run.edits import Journal
user, first, last = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
journal = Journal(Path(sys.argv[1]), user)
print("ready", flush=True)
for i in range(first, last):
    while True:
        journal.refresh()
        try:
            journal.add({"kind": "label", "ids": [i % 240], "label": f"{user} {i}"}, journal.edited().revision)
            break
        except ConflictError:
            pass
    print(i, flush=True)
"""


class Writer:
    """A process that writes edits, is killed at random moments, and continues after the last edit it acknowledged."""

    def __init__(self, run: Path, user: str, n: int) -> None:
        self.acknowledged: list[int] = []
        self.n_kills = 0
        self._run, self._user, self._n = run, user, n
        self._start()

    def _start(self) -> None:
        begin = len(self.acknowledged)
        command = [sys.executable, "-c", WRITER, str(self._run), self._user, str(begin), str(self._n)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def kill_and_restart(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.n_kills += 1
        self._read()
        self._start()

    def _read(self) -> None:
        lines = self.process.stdout.read().split("\n")[:-1]  # the last one may be half a number
        self.acknowledged += map(int, lines)
        self.process.wait()

    def finish(self) -> None:
        self._read()
        assert self.process.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_two_processes_that_are_killed_lose_no_acknowledged_edit(copied):
    random = np.random.default_rng(0)
    writers = [Writer(copied, user, 200) for user in ("ann", "bob")]
    for _ in range(3):
        for writer in writers:
            time.sleep(random.uniform(0.02, 0.2))
            writer.kill_and_restart()
    for writer in writers:
        writer.finish()
    journal = Journal(copied)
    assert journal.edited().n_set_aside == 0
    written = [(one["user"], one["label"]) for one in journal.entries]
    for writer, user in zip(writers, ("ann", "bob"), strict=True):
        assert writer.acknowledged == list(range(200))
        assert {(user, f"{user} {i}") for i in range(200)} <= set(written)
    assert 400 <= len(written) <= 400 + sum(writer.n_kills for writer in writers)  # one can be written, unacknowledged
