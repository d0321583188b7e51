"""What goes out of a run is what is meant: original files, exact values, and nothing of anybody else's is touched."""

import csv
import json
import os
import re
import shutil
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from latentmap.images import open_images
from latentmap.run import RunError, RunOptions, add_images, export_run, make_run
from latentmap.run.edits import Journal
from latentmap.run.export_names import MAX_NAME_BYTES, DistinctNames, file_name, plain_name
from latentmap.run.flat import as_csv
from latentmap.run.new_files import new_file, new_folder

OPTIONS = RunOptions(epochs=1, latent_dim=3, n_clusters=2)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other names and no links without a right")


def picture(number: int) -> np.ndarray:
    image = np.full((6, 6), 10 * (number % 3), np.uint8)
    image[number % 6] = 200 + number
    return image


def write(folder: Path, numbers: range, names: str = "{:02d}.png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(picture(number)).save(folder / names.format(number))
    return folder


def run_of(source: object, path: Path) -> Path:
    make_run(source, path, OPTIONS)
    return path


def exported(run: Path, out: Path, **options: object) -> tuple[dict[int, Path], list[str]]:
    """The file of each image in an export of folders, and what was said."""
    said: list[str] = []
    export_run(run, "folders", out, say=said.append, **options)
    files = [path for path in out.rglob("*") if path.is_symlink() or path.is_file()]
    return {int(path.name.split("-")[0]): path for path in files}, said


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a source of twelve files, and a run of it."""
    folder = tmp_path_factory.mktemp("made")
    run_of(str(write(folder / "scans", range(12))), folder / "run")
    return folder


@pytest.fixture
def copied(made, tmp_path) -> Path:
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


@posix
def test_links_lead_to_the_files_of_each_source_wherever_the_command_runs(tmp_path, monkeypatch):
    write(tmp_path / "a" / "scans", range(6))
    write(tmp_path / "b" / "scans", range(6, 12))
    write(tmp_path / "c", range(12, 18))
    (tmp_path / "c" / "table.csv").write_text("path\n" + "".join(f"{i}.png\n" for i in range(12, 18)))
    monkeypatch.chdir(tmp_path)
    make_run(["a/scans", "b/scans", "c/table.csv"], "run", OPTIONS)
    write(tmp_path / "later" / "scans", range(18, 22))
    monkeypatch.chdir(tmp_path / "later")
    add_images(tmp_path / "run", ["scans"])
    monkeypatch.chdir("/")
    files, said = exported(tmp_path / "run", tmp_path / "out")
    assert said == ["22 links to original files"]
    sources = ["a/scans"] * 6 + ["b/scans"] * 6 + ["c"] * 6 + ["later/scans"] * 4
    for number, path in files.items():
        assert path.is_symlink()
        assert path.resolve() == (tmp_path / sources[number] / f"{number:02d}.png").resolve()


@posix
def test_a_pattern_and_names_that_are_not_utf8_are_linked_too(tmp_path):
    write(tmp_path / "in" / "deep", range(6))
    (tmp_path / "in" / "deep" / "03.png").rename(tmp_path / "in" / "deep" / os.fsdecode(b"\xff3\n.png"))
    run = run_of(str(tmp_path / "in" / "**" / "*.png"), tmp_path / "run")
    files, said = exported(run, tmp_path / "out")
    assert said == ["6 links to original files"]
    assert all(path.exists() for path in files.values())
    assert any(os.fsencode(path.readlink()).endswith(b"/\xff3\n.png") for path in files.values())


@posix
def test_only_what_is_still_what_was_decoded_is_linked(tmp_path):
    source = write(tmp_path / "scans", range(12))
    run = run_of(str(source), tmp_path / "run")
    Image.fromarray(picture(40)).save(source / "01.png")
    (source / "02.png").unlink()
    (source / "03.png").unlink()
    (source / "03.png").mkdir()
    (source / "04.png").unlink()
    os.mkfifo(source / "04.png")  # opening it would wait for ever
    for copy, word in ((False, "links to"), (True, "copies of")):
        files, said = exported(run, tmp_path / f"out-{copy}", copy=copy)
        assert said[:2] == [f"8 {word} original files", "4 PNG files of the working size"]
        assert f"1 file no longer in {source}, such as 02.png" in said[3] + said[2]
        assert any(f"1 file in {source} changed since decoding, such as 01.png" in line for line in said)
        assert any(f"2 files in {source} cannot be read, such as 03.png" in line for line in said)
        for number in range(12):
            np.testing.assert_array_equal(np.asarray(Image.open(files[number])), picture(number))
            assert files[number].is_symlink() == (not copy and number not in (1, 2, 3, 4))
    shutil.move(source, tmp_path / "moved")
    said = exported(run, tmp_path / "later")[1]
    assert said[0] == "12 PNG files of the working size"
    assert f"12 files no longer in {source}, such as 00.png: move them back" in said[1]


@posix
def test_a_strangers_run_names_no_private_file(copied, tmp_path):
    secret = tmp_path / "secret.png"
    Image.fromarray(picture(50)).save(secret)
    table = pq.read_table(copied / "images.parquet")
    files = pa.array([str(secret), "../secret.png", *table["file"].to_pylist()[2:]])
    pq.write_table(table.set_column(table.column_names.index("file"), "file", files), copied / "images.parquet")
    exported_files, said = exported(copied, tmp_path / "out")
    assert said[:2] == ["10 links to original files", "2 PNG files of the working size"]
    assert not exported_files[0].is_symlink()
    assert not exported_files[1].is_symlink()


def test_frames_members_of_archives_and_arrays_become_png(tmp_path):
    write(tmp_path / "scans", range(6))
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "scans")
    pages = [Image.fromarray(picture(number)) for number in range(6)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    for source in (tmp_path / "packed.zip", tmp_path / "pages.tif", np.stack([picture(i) for i in range(6)])):
        run = run_of(source, tmp_path / "run")
        files, said = exported(run, tmp_path / "out")
        assert said[0] == "6 PNG files of the working size"
        assert "6 images with no original file" in said[1]
        assert not any(path.is_symlink() for path in files.values())
        shutil.rmtree(tmp_path / "run")
        shutil.rmtree(tmp_path / "out")


@posix
def test_runs_of_earlier_versions_find_their_files_by_the_path(made, copied, tmp_path):
    state = json.loads((copied / "run.json").read_text())
    del state["source"]["sources"]
    state["source"]["path"] = [str(made / "scans")]
    (copied / "run.json").write_text(json.dumps(state))
    table = pq.read_table(copied / "images.parquet").drop_columns(["source", "file", "frame"])
    pq.write_table(table, copied / "images.parquet")
    assert exported(copied, tmp_path / "out")[1] == ["12 links to original files"]


def test_where_links_cannot_be_made_copies_are_and_it_is_said(made, tmp_path, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refused)
    files, said = exported(made / "run", tmp_path / "out")
    assert said == ["12 copies of original files: links cannot be made here"]
    for number, path in files.items():
        assert path.read_bytes() == (made / "scans" / f"{number:02d}.png").read_bytes()


def test_a_picture_in_the_atlas_that_is_no_png_is_not_written(copied, tmp_path):
    atlas = pq.read_table(copied / "atlas.parquet")
    images = atlas["image"].to_pylist()
    images[5]["bytes"] = b"%!PS-Adobe-3.0 EPSF-3.0"
    column = pa.array(images, atlas.schema.field("image").type)
    pq.write_table(atlas.set_column(atlas.column_names.index("image"), "image", column), copied / "atlas.parquet")
    state = json.loads((copied / "run.json").read_text())
    state["source"]["sources"][0]["root"] = str(tmp_path / "gone")  # or else original files would be copied
    (copied / "run.json").write_text(json.dumps(state))
    for kind in ("imagefolder", "projector"):
        with pytest.raises(RunError, match=r"atlas.parquet: damaged \(image 5 is no PNG\)"):
            export_run(copied, kind, tmp_path / "out")
        assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a/b", "a_b"),
        ("..", ""),
        ("/", "_"),
        (" . ", ""),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("COM¹", "_COM¹"),
        ("console", "console"),
        ("two\nlines", "two_lines"),
        ('a:b*c?d\\e|f<g>h"i', "a_b_c_d_e_f_g_h_i"),
        ("가나", "가나"),
        ("🙂", "🙂"),
        ("\u202eabc", "_abc"),
        ("\ud800x", "_x"),
        ("x" * 300, "x" * MAX_NAME_BYTES),
        ("가" * 300, "가" * (MAX_NAME_BYTES // 3)),
        ("x" * 99 + ". y", "x" * 99),
    ],
)
def test_names_are_such_as_every_file_system_takes(name, plain):
    assert plain_name(name) == plain


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_no_name_is_too_long_reserved_or_leads_elsewhere(name):
    plain = plain_name(name)
    assert len(plain.encode()) <= MAX_NAME_BYTES + 1
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f]', plain)
    assert plain.strip(". ") == plain
    number = file_name(7, name)
    assert number.startswith("0000007-")
    assert len(number.encode()) <= 143


def test_things_of_equal_names_get_different_ones_whatever_the_file_system():
    names = DistinctNames()
    wanted = ["Cat", "cat", "CAT", "caf\u00e9", "cafe\u0301", "straße", "STRASSE", "Cat"]
    found = [names.name(i, name) for i, name in enumerate(wanted)]
    assert found == ["Cat", "cat-2", "CAT-3", "café", "cafe\u0301-2", "straße", "STRASSE-2", "Cat-4"]
    assert names.name(0, "other") == "Cat"


def test_labels_and_groups_of_equal_names_have_folders_of_their_own(copied, tmp_path):
    journal = Journal(copied)
    labels = ["a/b", "a_b", "A_B", "..", "label", "unsure", "group-00", "x" * 150 + "1", "x" * 150 + "2", "CON", "🙂"]
    for image, label in enumerate(labels):
        journal.add({"kind": "label", "ids": [image], "label": label}, image)
    journal.add({"kind": "name", "group": 0, "name": "na/me"}, len(labels))
    files, _ = exported(copied, tmp_path / "out", copy=True)
    folders = [files[image].parent.name for image in range(len(labels))]
    assert len({name.casefold() for name in folders}) == len(labels)
    assert folders[:7] == ["a_b", "a_b-2", "A_B-3", "label", "label-2", "unsure-2", "group-00"]
    assert files[11].parent.name in ("group-00-na_me", "group-01")
    assert all(path.parent.parent == tmp_path / "out" for path in files.values())


# ---------------------------------------------------------------- places


@pytest.mark.parametrize("kind", ["csv", "folders"])
def test_what_appears_meanwhile_is_not_replaced(made, tmp_path, monkeypatch, kind):
    out = tmp_path / "out"
    real = (new_file if kind == "csv" else new_folder).__wrapped__

    def slow(path: Path):
        with_block = real(path)
        making = next(with_block)
        yield making
        if kind == "csv":
            out.write_text("mine")
        else:
            out.mkdir()
            (out / "thesis.txt").write_text("mine")
        next(with_block, None)

    monkeypatch.setattr(
        f"latentmap.run.new_places.{'new_file' if kind == 'csv' else 'new_folder'}", contextmanager(slow)
    )
    with pytest.raises(RunError, match="appeared while it was made|cannot be replaced"):
        export_run(made / "run", kind, out)
    assert (out if kind == "csv" else out / "thesis.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("hard_links", [True, False])
def test_new_files_have_usual_rights_and_never_replace(tmp_path, monkeypatch, hard_links):
    if not hard_links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "not supported")))
    (tmp_path / "usual").write_text("x")
    with new_file(tmp_path / "new") as making:
        making.write_text("new")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    with pytest.raises(FileExistsError), new_file(tmp_path / "usual") as making:
        making.write_text("other")
    assert (tmp_path / "usual").read_text() == "x"
    (tmp_path / "plain").mkdir()
    with new_folder(tmp_path / "folder") as making:
        (making / "a").write_text("a")
    assert (tmp_path / "folder").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "new", "plain", "usual"]


def test_files_with_the_names_of_temporary_ones_stay(made, tmp_path):
    for name in ("all.csv.tmp", ".all.csv.tmp", ".latentmap-1-0123456789abcdef.tmp"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "sorted.tmp").mkdir()
    (tmp_path / "sorted.tmp" / "thesis.txt").write_text("mine")
    export_run(made / "run", "csv", tmp_path / "all.csv")
    export_run(made / "run", "folders", tmp_path / "sorted")
    assert len([path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"mine"]) == 4
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("name", ["x.csv", "added/0001", "explorer", "exports"])
def test_an_export_among_the_runs_own_files_is_refused(copied, name):
    before = sorted(copied.rglob("*"))
    with pytest.raises(RunError, match="inside the run, where only the run's own files lie: name a folder outside"):
        export_run(copied, "folders", copied / name)
    assert sorted(copied.rglob("*")) == before
    export_run(copied, "folders", copied / "exports" / "mine")
    assert (copied / "exports" / "mine").is_dir()


@posix
def test_an_empty_folder_is_filled_also_the_current_one_and_a_link_to_one(made, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert len(exported(made / "run", tmp_path / "link")[0]) == 12
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert export_run(made / "run", "folders", ".") == Path()
    assert len(list((tmp_path / "here").rglob("*.png"))) == 12
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RunError, match="there already"):
        export_run(made / "run", "csv", tmp_path / "dangling")
    assert not (tmp_path / "nowhere").exists()


@posix
def test_an_export_inside_the_source_is_no_part_of_it(tmp_path):
    source = write(tmp_path / "scans", range(12))
    run = run_of(str(source), tmp_path / "run")
    for kind in ("folders", "imagefolder"):
        export_run(run, kind, source / "sub" / kind)
    assert open_images(str(source)).paths == [f"{number:02d}.png" for number in range(12)]
    assert len(open_images(str(source / "sub" / "folders"))) == 12  # when it is asked for itself
    export_run(run, "folders", tmp_path / "outside")
    assert not list((tmp_path / "outside").glob(".*"))


# ---------------------------------------------------------------- tables

FORMULAS = ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''@x", "＝1"]
HARMLESS = ["-1.5", "+3e5", "a=1", "'s", " =1", "", "x,y", 'quo"te', "two\nlines", "x;y", "007", "nan", "None"]


def restored(text: str) -> str:
    """Restore the text as docs/reference/commands.md says."""
    return text[1:] if re.match(r"'+[=+\-@\t\r\n＝＋－＠]", text) else text


def read_csv(table: pa.Table, tmp_path: Path) -> list[dict[str, str]]:
    pyarrow.csv.write_csv(as_csv(table), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_text_that_would_be_a_formula_is_harmless_and_can_be_restored(tmp_path):
    rows = read_csv(pa.table({"=head": FORMULAS + HARMLESS}), tmp_path)
    texts = [row["'=head"] for row in rows]
    assert texts == [f"'{text}" for text in FORMULAS] + HARMLESS
    assert [restored(text) for text in texts] == FORMULAS + HARMLESS


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.sampled_from("'=+-@1.ea\t\n\r,\";＝"), max_size=6), min_size=1, max_size=5))
def test_whatever_the_text_it_is_restored(tmp_path_factory, texts):
    written = as_csv(pa.table({"t": texts}))["t"].to_pylist()
    assert [restored(text) for text in written] == texts
    for text in written:
        assert not re.match(r"[=+\-@\t\r\n＝]", text) or re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text)


def test_columns_of_all_types_are_written(tmp_path):
    table = pa.table(
        {
            "list": [[1.5, float("nan")], None],
            "struct": [{"a": b"\xff", "b": "가"}, {"a": None, "b": ""}],
            "codes": pa.array(["@x", None]).dictionary_encode(),
            "none": pa.nulls(2),
            "number": [float("inf"), None],
            "flag": [True, None],
            "time": pa.array([0, None], pa.timestamp("ms", "UTC")),
            "decimal": pa.array(["1.10", None]).cast(pa.decimal128(5, 2)),
            "half": pa.array(np.array([0.5, 2], np.float16)),
            "bytes": [b"\xff\n", None],
        }
    )
    first, second = read_csv(table, tmp_path)
    assert json.loads(first["list"]) == [1.5, None]
    assert json.loads(first["struct"]) == {"a": "ff", "b": "가"}
    assert [first[name] for name in ("codes", "none", "number", "flag", "decimal", "half", "bytes")] == [
        *("'@x", "", "inf", "true", "1.1", "0.5", "ff0a")
    ]
    assert first["time"].startswith("1970-01-01 00:00:00")
    assert [second[name] for name in ("list", "codes", "number", "flag", "time", "decimal", "bytes")] == [""] * 7


def test_columns_of_the_source_that_are_called_as_those_of_the_export_keep_their_values(tmp_path):
    write(tmp_path / "in", range(6))
    header = "path,label,label,z0,group_name,given_label,Path\n"
    rows = "".join(f"{i:02d}.png,a{i},b{i},mine{i},g{i},l{i},P{i}\n" for i in range(6))
    (tmp_path / "in" / "t.csv").write_text(header + rows)
    run = run_of(tmp_path / "in" / "t.csv", tmp_path / "run")
    Journal(run).add({"kind": "label", "ids": [0], "label": "=given"}, 0)
    export_run(run, "csv", tmp_path / "all.csv")
    export_run(run, "parquet", tmp_path / "all.parquet")
    export_run(run, "projector", tmp_path / "projector")
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        names, *lines = list(csv.reader(file))
    assert len(set(names)) == len(names)
    for own in ("a4", "b4", "mine4", "g4", "l4", "P4"):
        assert own in lines[4]
    table = pq.read_table(tmp_path / "all.parquet")
    assert table.column_names == names
    assert table["z0"].type == pa.float32()
    assert table["z0_"].to_pylist() == [f"mine{i}" for i in range(6)]
    assert "=given" in table.to_pylist()[0].values()  # exact
    assert "'=given" in lines[0]
    tsv = (tmp_path / "projector" / "metadata.tsv").read_text(encoding="utf-8").split("\n")
    assert {line.count("\t") for line in tsv[:-1]} == {len(tsv[0].split("\t")) - 1}
    assert "=given" in tsv[1]


def test_the_projector_takes_labels_of_several_lines_and_runs_of_any_name(made, tmp_path):
    run = Path(shutil.copytree(made / "run", tmp_path / 'a "run"'))
    atlas = pq.read_table(run / "atlas.parquet")
    atlas = atlas.append_column("no\tte", pa.array(["tab\tand\nline\u2028"] * 12))
    pq.write_table(atlas, run / "atlas.parquet")
    export_run(run, "projector", tmp_path / "out")
    lines = (tmp_path / "out" / "metadata.tsv").read_text(encoding="utf-8").split("\n")
    assert len(lines) == 14
    assert len({line.count("\t") for line in lines[:-1]}) == 1
    assert r'tensor_name: "a \042run\042"' in (tmp_path / "out" / "projector_config.pbtxt").read_text()


def test_a_sprite_that_would_be_too_large_is_left_out(made, tmp_path, monkeypatch):
    monkeypatch.setattr("latentmap.run.export.SPRITE_SIDE", 3)  # twelve images are four in a row
    export_run(made / "run", "projector", tmp_path / "out")
    assert not (tmp_path / "out" / "sprite.png").exists()
    assert "sprite" not in (tmp_path / "out" / "projector_config.pbtxt").read_text()


def test_progress_is_told(made, tmp_path):
    told = []
    export_run(made / "run", "folders", tmp_path / "out", show=lambda _: nullcontext(told.append))
    assert [(one.done, one.total) for one in told] == [(i + 1, 12) for i in range(12)]
