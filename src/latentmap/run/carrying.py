"""Transfer of labels and marks to the same images when a run is made again."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from latentmap.core.errors import RunError
from latentmap.run import layout, tables
from latentmap.run.edits import EDITS_FILE, Journal
from latentmap.run.edits.schema import VERSION
from latentmap.run.state import added_folders, read_state


def carry_over(folder: Path, pending: Path) -> tuple[bytes, list[str]]:
    """Journal lines that transfer labels and marks to the new run, and messages about those that cannot be transferred.

    An image is the same one when the SHA-256 of its file is and either its path is too, or no other image of the new
    run has that SHA-256. Entries are about one run's images by their ids, so that those of the old run have no effect
    on the new one.
    """
    old, new = read_state(folder), read_state(pending)
    key = new["source"]["fingerprint"][:16]
    if not (folder / EDITS_FILE).exists() or old["source"]["fingerprint"][:16] == key:
        return b"", []
    try:
        edited = Journal(folder).edited()
        places = _places(_identities(folder, old), _identities(pending, new))
    except RunError as error:
        return b"", [f"labels and marks stay in {EDITS_FILE}, but have no effect on the new images: {error}"]
    entries: list[dict[str, Any]] = []
    n_given = n_lost = 0
    for number, label in enumerate(edited.labels):
        rows = np.flatnonzero(edited.label == number)
        ids = places[rows]
        entries.append({"kind": "label", "ids": sorted(ids[ids >= 0].tolist()), "label": label})
        n_given, n_lost = n_given + len(rows), n_lost + int((ids < 0).sum())
    for mark, values in edited.marks.items():
        ids = places[np.flatnonzero(values)]
        entries.append({"kind": "mark", "ids": sorted(ids[ids >= 0].tolist()), "mark": mark, "on": True})
        n_given, n_lost = n_given + len(ids), n_lost + int((ids < 0).sum())
    time = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"v": VERSION, "time": time, "about": key}
    lines = [json.dumps(about | one, ensure_ascii=False, separators=(",", ":")) for one in entries if one["ids"]]
    said = []
    if n_given:
        said.append(
            f"edits: {n_given - n_lost:,} of {n_given:,} labels and marks are carried over to the new images; all stay "
            f"in {EDITS_FILE}"
        )
    return "".join(line + "\n" for line in lines).encode(), said


def _identities(folder: Path, state: dict[str, Any]) -> list[tuple[bytes, str]]:
    """SHA-256 and path of each image, by its id."""
    found: list[tuple[bytes, str]] = []
    for part in (folder, *added_folders(folder, state)):
        table = tables.read(part / layout.IMAGES)
        names = table["file" if "file" in table.column_names else "path"]
        frames = table["frame"].to_pylist() if "frame" in table.column_names else [None] * len(table)
        for digest, name, frame in zip(table["sha256"].to_pylist(), names.to_pylist(), frames, strict=True):
            found.append((digest, f"{name}[{frame}]"))
    return found


def _places(old: list[tuple[bytes, str]], new: list[tuple[bytes, str]]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """The new id of each old image; -1 if there is none, or if it is ambiguous."""
    exact: dict[tuple[bytes, str], list[int]] = {}
    by_digest: dict[bytes, list[int]] = {}
    for number, (digest, name) in enumerate(new):
        exact.setdefault((digest, name), []).append(number)
        by_digest.setdefault(digest, []).append(number)
    places = np.full(len(old), -1, np.int64)
    for number, (digest, name) in enumerate(old):
        candidates = exact.get((digest, name)) or by_digest.get(digest, [])
        if len(candidates) == 1:
            places[number] = candidates[0]
    return places
