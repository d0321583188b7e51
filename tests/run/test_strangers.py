"""A folder of a run may come from a stranger: nothing in it reaches outside, starts a program or is a traceback."""

import errno
import io
import json
import os
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from quick_runs import OPTIONS, images

from latentmap.core.errors import DecodingError
from latentmap.images.png import decode_png
from latentmap.run import Run, RunError, add_images, export_run, make_run
from latentmap.run.lock import locked
from latentmap.run.state import read_state


@pytest.fixture
def run(quick, quick_base, tmp_path) -> Path:
    return Path(shutil.copytree(quick_base, tmp_path / "run"))


def change(run: Path, *names: str, value: object) -> None:
    state = json.loads((run / "run.json").read_text())
    place = state
    for name in names[:-1]:
        place = place[int(name) if isinstance(place, list) else name]
    place[names[-1]] = value
    (run / "run.json").write_text(json.dumps(state))


OUTSIDE = [
    *("/etc/passwd", "../precious.txt", "figures/../../precious.txt", "C:/precious.txt", "C:precious.txt"),
    *("..\\precious.txt", "\\\\server\\share", "a\0b", "", ".", "..", ".lock", "figures/.hidden", "run.json"),
    *("edits.jsonl", "labels.parquet", "exports/mine", "explorer/x", "added/0001/images.parquet", "a//b", "~/x/ "),
]


@pytest.mark.parametrize("name", [*OUTSIDE, "absolute"])
def test_files_outside_that_run_json_names_are_refused_and_left_alone(name, run, tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    name = str(precious) if name == "absolute" else name
    change(run, "stages", "report", "files", value={name: {"bytes": 1, "sha256": "0"}})
    for use in (Run.open, partial(add_images, source=images(3, 5)), partial(export_run, kind="csv")):
        with pytest.raises(RunError, match=r"run\.json: a name in stages\.report\.files is .* not a path of a file"):
            use(run, **({"out": tmp_path / "out"} if use.__class__ is partial and use.func is export_run else {}))
    with pytest.raises(RunError):
        make_run(images(9, 0), run, OPTIONS)
    assert precious.read_text() == "precious"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
@pytest.mark.parametrize(
    "name", ["atlas.parquet", "cache", "added/0001", "figures/map.png", "new", ".lock", "run.json"]
)
def test_links_that_lead_out_of_a_run_are_refused(name, run, tmp_path):
    outside = tmp_path / "outside"
    if (run / name).is_dir() or ((run / name).exists() and name != ".lock"):
        shutil.move(run / name, outside)
    else:
        outside.write_text("precious")
        (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside)
    with pytest.raises(RunError, match="a link that leads out of the run"):
        Run.open(run)
    with pytest.raises(RunError, match="a link that leads out of the run"):
        add_images(run, images(3, 5))
    with pytest.raises(RunError, match=r"link|written"):
        make_run(images(9, 0), run, OPTIONS)
    assert outside.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_in_exported_folders_are_the_users_own(run, tmp_path):
    (run / "exports" / "cats").mkdir(parents=True)
    (tmp_path / "cat.png").touch()
    (run / "exports" / "cats" / "cat.png").symlink_to(tmp_path / "cat.png")
    Run.open(run)


@pytest.mark.parametrize(
    ("names", "value", "words"),
    [
        (("source",), "x", "source is 'x', not an object"),
        (("source", "n"), -1, "source.n is -1, not a whole number of at least 0"),
        (("source", "n"), True, "source.n is True"),
        (("source", "image_shape"), [], "source.image_shape is a list of 0, not a list of at least 2"),
        (("source", "image_shape"), [6, 6, 4], r"source.image_shape is \[6, 6, 4\]"),
        (("source", "image_shape"), [6, 1e9], r"source.image_shape\[1\] is 1000000000.0, not a whole number"),
        (("stages",), [], "stages is a list of 0, not an object"),
        (("stages", "dance"), {}, "a name in stages is 'dance', not a stage"),
        (("stages", "map"), None, "stages.map is None, not an object"),
        (("stages", "map", "state"), 3, "stages.map.state is 3, not running or done"),
        (("stages", "map", "files"), {"map.parquet": 7}, r"stages.map.files.map.parquet is 7, not an object"),
        (("options", "latent_dim"), "64", "latent_dim='64': pass a whole number"),
        (("options", "augmentation"), 3, "augmentation=3: pass a list of names"),
        (("options", "perplexity"), None, "perplexity=None: pass a finite number"),
        (("added", "0"), 3, "added.0. is 3, not an object"),
        (("added",), {}, "added is an object, not a list"),
        (("added", "0", "folder"), "../x", "added.0..folder is '../x', not a number"),
        (("format_version",), "2", r"format version '2' \(str\), this latentmap reads version 2"),
        (("format_version",), [2], "format version a list of 1, this latentmap reads version 2"),
    ],
)
def test_a_run_json_of_wrong_types_is_met_with_a_sentence(names, value, words, run):
    if names == ("added", "0"):
        change(run, "added", value=[value])
    else:
        change(run, *names, value=value)
    with pytest.raises(RunError, match=words):
        Run.open(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "[" * 200_000, '{"a":' * 90_000, "\x00", "NaN"])
def test_a_run_json_that_is_no_object_is_met_with_a_sentence(text, run):
    (run / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"damaged|format version"):
        Run.open(run)
    with pytest.raises(RunError, match=r"damaged|format version"):
        make_run(images(8, 0), run, OPTIONS)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_of_run_json_gives_a_run_or_a_sentence(run, data):
    path = run / "run.json"
    original = path.read_bytes()
    state = json.loads(original)
    place = state
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else list(place)
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    if data.draw(st.booleans()):
        place[key] = data.draw(ANYTHING)
    else:
        del place[key]
    path.write_text(json.dumps(state))
    try:
        with suppress(RunError):
            opened = Run.open(run)
            for use in (opened.images, opened.added_images, opened.shape, opened._repr_html_, opened.atlas):
                with suppress(RunError):
                    use()
            _ = opened.options
    finally:
        path.write_bytes(original)


def put(path: Path, name: str, values: object) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, values), path)


DAMAGED = [
    *[(name, kind) for name in ("atlas", "groups", "map", "latents", "outliers") for kind in ("text", "cut", "short")],
    *[("groups", "negative"), ("groups", "huge"), ("atlas", "negative"), ("atlas", "huge"), ("map", "infinite")],
    *[("groups", "type"), ("atlas", "type"), ("groups", "missing"), ("atlas", "missing"), ("atlas", "twice")],
]


@pytest.mark.parametrize(("name", "kind"), DAMAGED)
def test_damaged_and_hostile_tables_are_met_with_a_sentence_that_names_the_file(name, kind, run, tmp_path):
    path = run / f"{name}.parquet"
    data, table = path.read_bytes(), pq.read_table(path)
    n = len(table)
    column = "x" if name == "map" else "group" if "group" in table.column_names else table.column_names[1]
    if kind == "text":
        path.write_text("not a table")
    elif kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "short":
        pq.write_table(table.slice(1), path)
    elif kind == "missing":
        pq.write_table(table.drop_columns([column]), path)
    elif kind == "twice":
        pq.write_table(table.append_column("group", table["group"]), path)
    else:
        values = {"negative": [-7] * n, "huge": [2**31 - 1] * n, "infinite": [np.inf] * n, "type": ["x"] * n}[kind]
        kinds = {"type": pa.string(), "infinite": pa.float32()}
        put(path, column, pa.array(values, kinds.get(kind, pa.int32())))
    uses = [Run.open, partial(export_run, kind="csv", out=tmp_path / "out")]
    if name != "atlas":  # which adding makes anew
        uses.append(partial(add_images, source=images(3, 5)))
    for use in uses:
        with pytest.raises(RunError, match=rf"{name}\.parquet: damaged, or not what latentmap wrote"):
            use(run)


def eps_picture() -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 6\n%%EndComments\nshowpage\n%%EOF\n"


def picture(kind: str, size: tuple[int, int] = (6, 6), mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


PICTURES = {
    "EPS": eps_picture(),
    "GIF": picture("GIF"),
    "TIFF": picture("TIFF"),
    "another size": picture("PNG", (7, 6)),
    "huge": picture("PNG", (20_000, 1)),
    "another mode": picture("PNG", mode="RGBA"),
    "cut": picture("PNG")[:-30],
    "empty": b"",
    "none": None,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_of_a_table_are_read_as_png_of_the_right_shape_only(kind, run, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\necho ran >> {tmp_path}/gs.log\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with pytest.raises(DecodingError, match=r"PNG|image"):
        decode_png(PICTURES[kind], (6, 6))
    table = pq.read_table(run / "atlas.parquet")
    pictures = pa.array([{"bytes": PICTURES[kind], "path": "x"}] * len(table), table.schema.field("image").type)
    put(run / "atlas.parquet", "image", pictures)
    shutil.rmtree(run / "cache")
    with pytest.raises(RunError, match=r"atlas\.parquet: cannot be read as the atlas of this run"):
        Run.open(run).images()
    with pytest.raises(RunError, match=r"atlas\.parquet"):
        add_images(run, images(3, 5))
    assert not (tmp_path / "gs.log").exists()


def test_pictures_of_another_run_do_not_pass_for_those_of_this_one(run):
    table = pq.read_table(run / "atlas.parquet")
    pictures = pa.array([{"bytes": picture("PNG"), "path": "x"}] * len(table), table.schema.field("image").type)
    put(run / "atlas.parquet", "image", pictures)
    shutil.rmtree(run / "cache")
    with pytest.raises(RunError, match=r"the pictures in atlas\.parquet are not those of this run"):
        add_images(run, images(3, 5))


@pytest.mark.skipif(os.name == "nt", reason="fcntl")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_not_called_in_use(number, run, monkeypatch):
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunError, match="its file system has no locks .* make the run on a local disk"):
        make_run(images(8, 0), run, OPTIONS)
    monkeypatch.undo()
    with locked(run), pytest.raises(RunError, match="another latentmap is writing to this run"), locked(run):
        pass


def test_state_of_an_undamaged_run_is_read(run):
    assert read_state(run)["source"]["n"] == 8
