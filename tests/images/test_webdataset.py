"""WebDataset archives: files of one stem belong together, and shards are one collection."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from fuzzing import mutated
from PIL import Image

from latentmap.core.errors import LatentmapError, SourceError
from latentmap.images import open_images

PICTURES = np.random.default_rng(0).integers(0, 255, (12, 10, 8), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(numbers: range) -> dict[str, bytes]:
    files = {}
    for i in numbers:
        facts = {"height": i / 2, "id": i, "tags": ["a", i], "sharp": i % 2 == 0, "who": None if i == 1 else f"n{i}"}
        files[f"{i:04d}.cls"] = str(i % 3).encode()
        files[f"{i:04d}.json"] = json.dumps(facts).encode()
        files[f"{i:04d}.png"] = png(PICTURES[i])
        files[f"{i:04d}.txt"] = f"a picture of {i}\n".encode()
    return files


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_files_of_one_stem_are_one_row(tmp_path, mode):
    collection = open_images(write_tar(tmp_path / "a.tar", samples(range(6)), mode))
    np.testing.assert_array_equal(collection.images, PICTURES[:6])
    assert collection.paths == [f"{i:04d}.png" for i in range(6)]
    assert collection.labels.tolist() == [0, 1, 2, 0, 1, 2]
    table = collection.table
    assert table["txt"].to_pylist() == [f"a picture of {i}" for i in range(6)]
    assert table["id_"].to_pylist() == list(range(6)), "id is a column of the run"
    assert table["height_"].to_pylist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert table["tags"].to_pylist()[1] == '["a", 1]'
    assert table["sharp"].to_pylist() == [True, False] * 3
    assert table["who"].to_pylist() == ["n0", None, "n2", "n3", "n4", "n5"]
    assert collection.n_ignored == 0


def test_missing_and_damaged_descriptions_are_null(tmp_path):
    files = samples(range(5))
    del files["0001.cls"], files["0002.json"]
    files["0003.json"] = b"{broken"
    files["0004.json"] = b"[" * 50_000
    files |= {"0000.txt": b"\xff\xfe caption", "README.txt": b"about"}
    collection = open_images(write_tar(tmp_path / "a.tar", files))
    assert len(collection) == 5
    assert collection.table["label"].to_pylist() == [0, None, 2, 0, 1]
    assert collection.table["who"].to_pylist() == ["n0", None, None, None, None]
    assert collection.table["txt"][0].as_py() == "\\xff\\xfe caption"
    assert collection.n_ignored == 1


def test_classes_in_words_and_images_of_one_sample(tmp_path):
    files = {}
    for i in range(4):
        files |= {f"x/{i}.jpg.png": png(PICTURES[i]), f"x/{i}.mask.png": png(PICTURES[i + 4])}
        files[f"x/{i}.cls"] = f"kind {i % 2}".encode()
    collection = open_images(write_tar(tmp_path / "a.tar", files))
    assert collection.labels.tolist() == ["kind 0", "kind 0", "kind 1", "kind 1"] * 2


def test_an_archive_with_notes_is_no_webdataset(tmp_path):
    files = {f"{i}.png": png(PICTURES[i]) for i in range(6)} | {"0.txt": b"a note", "notes.json": b"{}"}
    collection = open_images(write_tar(tmp_path / "a.tar", files))
    assert "txt" not in collection.table.column_names
    assert collection.n_ignored == 2


def test_shards_are_one_collection(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for k in range(3):
        write_tar(folder / f"train-{k:03d}.tar", samples(range(4 * k, 4 * k + 4)))
    (folder / "README.md").write_text("about")
    for source in (folder, f"{folder}/train-*.tar"):
        collection = open_images(source)
        np.testing.assert_array_equal(collection.images, PICTURES)
        assert collection.paths[4] == "train-001/0004.png"
        assert collection.labels.tolist() == [i % 3 for i in range(12)]
        assert [one.name for one in collection.sources] == ["train-000", "train-001", "train-002"]
        assert collection.name == "set"
    assert len(open_images(f"{folder}/train-00[12].tar")) == 8


def test_other_archives_in_a_folder_are_skipped_as_before(tmp_path):
    write_tar(tmp_path / "a.tar", {f"{i}.png": png(PICTURES[i]) for i in range(3)})
    write_tar(tmp_path / "b.tar", samples(range(3)))
    with pytest.raises(SourceError, match="an archive inside another source"):
        open_images(tmp_path)
    (tmp_path / "c.png").write_bytes(png(PICTURES[0]))
    assert [one.path for one in open_images(tmp_path).skipped] == ["a.tar", "b.tar"]


def test_many_keys_and_long_values_are_limited(tmp_path):
    files = {f"{i}.png": png(PICTURES[i]) for i in range(3)}
    files |= {f"{i}.json": json.dumps({f"k{j}": "x" for j in range(300)} | {"all": 1}).encode() for i in range(2)}
    files["2.json"] = json.dumps({"k0": "y" * 50_000, "k1": 10**30}).encode()
    table = open_images(write_tar(tmp_path / "a.tar", files)).table
    assert 50 < table.num_columns < 120
    assert len(table["k0"][2].as_py()) == 10_000
    assert table["k1"][2].as_py() == str(10**30)


def test_mutated_archives_are_read_or_refused(tmp_path):
    random = np.random.default_rng(5)
    data = write_tar(tmp_path / "a.tar", samples(range(4))).read_bytes()
    n_read = 0
    for _ in range(30):
        (tmp_path / "b.tar").write_bytes(mutated(data, data, random))
        try:
            collection = open_images(tmp_path / "b.tar")
        except LatentmapError:
            continue
        n_read += 1
        assert collection.table.num_rows == len(collection)
    assert n_read > 5
