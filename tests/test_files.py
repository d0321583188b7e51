"""Files are whole or as they were."""

import pytest

from latentmap.files import sha256, whole, write_bytes, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError, match="halfway"), whole(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("halfway")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_text_ends_with_one_newline(tmp_path):
    write_text(tmp_path / "file", "지도\n\n")
    assert (tmp_path / "file").read_bytes() == "지도\n".encode()


def test_checksum(tmp_path):
    write_bytes(tmp_path / "file", b"abc")
    assert sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
