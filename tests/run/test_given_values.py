"""Reading given vectors and places from arrays and files of any kind, and what is said of those that cannot be used."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from latentmap.core.errors import InputError, LatentmapError, SourceError
from latentmap.run.given import digest_of, read_places, read_vectors, unit_vectors
from latentmap.run.given import float_blocks as blocks_of
from latentmap.run.given.value_files import split_column

Z = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
NAMES = [f"{i}.png" for i in range(9)]


def fixed(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def write_stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)


def as_lines(rows, header, delimiter=","):
    return "\n".join(delimiter.join(map(str, row)) for row in [header, *rows]) + "\n"


def write_text(path, text):
    path.write_text(text, encoding="utf-8")


WRITERS = {
    "z.npy": lambda path: np.save(path, Z),
    "fortran.npy": lambda path: np.save(path, np.asfortranarray(Z)),
    "double.npy": lambda path: np.save(path, Z.astype(np.float64)),
    "z.npz": lambda path: np.savez(path, other=np.zeros(3), embeddings=Z),
    "lists.parquet": lambda path: pq.write_table(pa.table({"name": NAMES, "emb": list(Z)}), path),
    "fixed.parquet": lambda path: pq.write_table(pa.table({"n": range(9), "emb": fixed(Z)}), path, row_group_size=4),
    "numbers.parquet": lambda path: pq.write_table(
        pa.table({"id": range(9), "label": range(9), **{f"d{i}": Z[:, i] for i in range(4)}}), path
    ),
    "file.arrow": lambda path: pyarrow.feather.write_feather(pa.table({"emb": fixed(Z)}), path),
    "stream.arrow": lambda path: write_stream(pa.table({"emb": list(Z)}), path),
    "z.feather": lambda path: pyarrow.feather.write_feather(pa.table({"emb": list(Z)}), path),
    "z.csv": lambda path: write_text(path, as_lines(Z, ["a", "b", "c", "d"])),
    "plain.csv": lambda path: np.savetxt(path, Z, delimiter=","),
    "z.tsv": lambda path: write_text(path, as_lines([[n, *z] for n, z in zip(NAMES, Z, strict=True)], "pabcd", "\t")),
    "pandas.csv": lambda path: write_text(path, as_lines([[i, *z] for i, z in enumerate(Z)], ["", *"abcd"])),
    "whole.csv": lambda path: write_text(
        path, as_lines([[i, f'"{json.dumps(z.tolist())}"'] for i, z in enumerate(Z)], ["id", "emb"])
    ),
}
CHOSEN = {"whole.csv": ":emb"}


@pytest.mark.parametrize("name", WRITERS)
def test_vectors_are_read_from_every_kind_of_file(name, tmp_path):
    WRITERS[name](tmp_path / name)
    found = read_vectors(f"{tmp_path / name}{CHOSEN.get(name, '')}")
    np.testing.assert_allclose(np.asarray(found.values), Z, rtol=1e-5)
    assert found.noun == "vector"


def test_values_of_every_type_become_the_same_floats():
    whole = np.arange(12).reshape(6, 2)
    digests = {read_vectors(whole.astype(kind)).sha256 for kind in ("u1", "i8", "f2", "f4", "f8")}
    assert digests == {digest_of(whole, "")}
    assert digest_of(whole, "") != digest_of(whole.reshape(4, 3), "")
    np.testing.assert_array_equal(next(blocks_of(whole > 4, "")), whole > 4)
    assert read_vectors([[1, 2], [3, 4]]).values.tolist() == [[1, 2], [3, 4]]


def test_blocks_are_of_a_bounded_size_and_in_the_order_that_is_asked_for(monkeypatch):
    monkeypatch.setattr("latentmap.run.given.floats.MAPPED_BLOCK_BYTES", 40)
    found = list(blocks_of(Z, "", np.array([8, 0, 3, 3, 1])))
    assert [len(one) for one in found] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(found), Z[[8, 0, 3, 3, 1]])


def test_columns_that_identify_images_are_found(tmp_path):
    columns = {"emb": list(Z), "File Name": NAMES, "id": range(9)}
    pq.write_table(pa.table(columns), tmp_path / "z.parquet")
    found = read_vectors(tmp_path / "z.parquet")
    assert (found.key, found.keys) == ("path", NAMES)
    assert found.others().column_names == ["id"]
    del columns["File Name"]
    pq.write_table(pa.table(columns | {"kind": ["a"] * 9, "raw": [b"x"] * 9}), tmp_path / "z.parquet")
    found = read_vectors(tmp_path / "z.parquet")
    assert (found.key, found.keys) == ("id", [str(i) for i in range(9)])
    assert found.others().column_names == ["id", "kind"]
    write_text(tmp_path / "z.csv", as_lines([["007", 1.5]] * 2, ["id", "a"]))
    assert read_vectors(tmp_path / "z.csv").keys == ["007", "007"]


def test_a_name_behind_a_colon_chooses_an_array_or_columns(tmp_path):
    np.savez(tmp_path / "z.npz", a=Z, b=Z * 2)
    np.testing.assert_array_equal(read_vectors(f"{tmp_path / 'z.npz'}:b").values, Z * 2)
    columns = {"one": list(Z), "two": list(Z * 2), "x": Z[:, 0], "y": Z[:, 1]}
    pq.write_table(pa.table(columns), tmp_path / "z.parquet")
    np.testing.assert_array_equal(read_vectors(f"{tmp_path / 'z.parquet'}:two").values, Z * 2)
    np.testing.assert_array_equal(read_vectors(f"{tmp_path / 'z.parquet'}:y,x").values, Z[:, [1, 0]])
    with pytest.raises(SourceError, match="columns one, two hold lists: choose one, as"):
        read_vectors(tmp_path / "z.parquet")
    with pytest.raises(SourceError, match="no array 'c': its arrays are a, b: choose one"):
        read_vectors(f"{tmp_path / 'z.npz'}:c")


def test_a_file_whose_own_name_has_a_colon_is_the_file(tmp_path):
    np.save(tmp_path / "z:a.npy", Z)
    assert split_column(tmp_path / "z:a.npy") == (tmp_path / "z:a.npy", None)
    assert read_vectors(tmp_path / "z:a.npy").values.shape == Z.shape
    with pytest.raises(SourceError, match="no such file"):
        split_column("C:\\z.npy")
    with pytest.raises(SourceError, match="no name behind the colon"):
        split_column(f"{tmp_path / 'z:a.npy'}:")


BAD = Z.copy()
BAD[2, 1], BAD[5, 0] = np.nan, np.inf
UNUSABLE = {
    "nan": (BAD, "NaN, infinite or too large for float32 in 2 rows, the first are 2, 5"),
    "large": (np.full((3, 2), 1e300), "in 3 rows, the first are 0, 1, 2"),
    "text": (np.array([["a", "b"]]), "text instead of numbers"),
    "objects": (np.array([[None, 1]], object), "Python objects, or rows of different lengths, instead of numbers"),
    "complex": (Z.astype(complex), "complex numbers instead of numbers"),
    "flat": (Z[0], r"shape \(4,\): give one vector a row"),
    "deep": (Z[None], r"shape \(1, 9, 4\): give one vector a row"),
    "empty": (Z[:, :0], r"shape \(9, 0\): give one vector a row"),
    "ragged": ([[1, 2], [3]], "cannot be read as numbers"),
    "number": (np.float32(3), r"shape \(\): give one vector a row"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_arrays_that_are_no_vectors_are_met_with_a_sentence(name):
    values, words = UNUSABLE[name]
    with pytest.raises(InputError, match=words):
        read_vectors(values)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"emb": [[1.0, 2.0], [3.0]]}, "row 1 of column 'emb' has 1 numbers, and the rows before have 2"),
        ({"emb": [[1.0, 2.0], None]}, "row 1 of column 'emb' has no vector"),
        ({"emb": [[1.0, None], [1.0, 2.0]]}, "NaN, infinite .* in 1 row, the first are 0"),
        ({"emb": [["a"], ["b"]]}, "column 'emb' holds list<.*string>, not lists of numbers"),
        ({"a": ["x", "y"]}, "columns a: none holds numbers"),
        ({"id": [1, 2]}, "columns id: none holds numbers"),
        ({"emb": [[1.0], [2.0]], "path": ["a", None]}, "row 1 has no path"),
    ],
)
def test_tables_without_vectors_are_met_with_a_sentence(columns, words, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "z.parquet")
    with pytest.raises(InputError, match=words):
        read_vectors(tmp_path / "z.parquet")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n", "cannot be read as a table"),
        ("a,b\n1,2\n3,x\n" + "1,2\n" * 3, "none holds numbers|cannot be read|not numbers"),
        ("", "cannot be read as a table"),
        ("id,emb\n1,[1 2\n2,x y\n", "row 1: 'x y' is no list of numbers"),
    ],
)
def test_text_that_is_no_table_of_numbers_is_met_with_a_sentence(text, words, tmp_path):
    write_text(tmp_path / "z.csv", text)
    with pytest.raises(SourceError, match=words):
        read_vectors(
            f"{tmp_path / 'z.csv'}:emb"
            if "emb" in text
            else f"{tmp_path / 'z.csv'}:a,b"
            if text
            else tmp_path / "z.csv"
        )


def test_other_files_are_met_with_a_sentence(tmp_path):
    write_text(tmp_path / "z.txt", "1 2")
    with pytest.raises(SourceError, match=r"vectors are read from \.npy, \.npz, \.parquet"):
        read_vectors(tmp_path / "z.txt")
    with pytest.raises(SourceError, match="no such file"):
        read_vectors(tmp_path / "none.npy")
    np.save(tmp_path / "z.npy", Z)
    with pytest.raises(SourceError, match="leave out :a"):
        read_vectors(f"{tmp_path / 'z.npy'}:a")


@pytest.mark.parametrize("name", ["z.npy", "z.npz", "lists.parquet", "file.arrow", "stream.arrow", "z.csv"])
def test_damaged_files_are_read_or_met_with_a_sentence(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole[: random.integers(0, len(whole) + 1)] if random.random() < 0.3 else whole)
        for place in random.integers(0, max(1, len(data)), random.integers(1, 4)):
            if data:
                data[place] = random.integers(256)
        path.write_bytes(data)
        try:
            assert np.asarray(read_vectors(path).values).ndim == 2
        except LatentmapError as error:
            assert str(path) in str(error), error


def test_places_are_two_columns(tmp_path):
    columns = {"id": range(9), "x": Z[:, 0], "y": Z[:, 1], "size": Z[:, 2]}
    pq.write_table(pa.table(columns), tmp_path / "xy.parquet")
    found = read_places(tmp_path / "xy.parquet")
    np.testing.assert_array_equal(found.values, Z[:, :2])
    assert (found.key, found.noun) == ("id", "place")
    np.testing.assert_array_equal(read_places(f"{tmp_path / 'xy.parquet'}:y,size").values, Z[:, 1:3])
    np.testing.assert_array_equal(read_places(Z[:, :2]).values, Z[:, :2])
    with pytest.raises(InputError, match="4 numbers a row: give the two coordinates"):
        read_places(Z)


def test_unit_vectors_have_length_one_and_zeros_stay():
    found = unit_vectors(np.vstack([Z, np.zeros((1, 4), np.float32), 1e-30 * Z[:1]]))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [*np.ones(9), 0, 1], rtol=1e-6)
    np.testing.assert_allclose(found[10], found[0], rtol=1e-5)
