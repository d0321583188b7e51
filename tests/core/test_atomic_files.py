"""Files are whole or as they were."""

import os
import subprocess
import sys

import pytest

from latentmap.core.atomic_files import atomic_write, remove_leftovers, sha256, write_bytes, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError, match="halfway"), atomic_write(path) as temporary:
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


def test_a_file_of_the_user_that_is_named_like_a_temporary_one_is_left_alone(tmp_path):
    (tmp_path / "map.csv.tmp").write_text("precious")
    write_text(tmp_path / "map.csv", "map")
    assert (tmp_path / "map.csv.tmp").read_text() == "precious"
    assert {entry.name for entry in tmp_path.iterdir()} == {"map.csv", "map.csv.tmp"}


def test_temporary_files_are_hidden_new_each_time_and_beside_the_file(tmp_path):
    names = []
    for _ in range(3):
        with atomic_write(tmp_path / "file") as temporary:
            assert temporary.parent == tmp_path
            names.append(temporary.name)
            temporary.write_bytes(b"x")
    assert len(set(names)) == 3
    assert all(name.startswith(".latentmap-") and name.endswith(".tmp") for name in names)


@pytest.mark.skipif(os.name == "nt", reason="no umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_open_gives(tmp_path, mask):
    old = os.umask(mask)
    try:
        write_text(tmp_path / "ours", "x")
        (tmp_path / "usual").write_text("x")
    finally:
        os.umask(old)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_what_a_link_leads_to_is_not_written(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "file").symlink_to(tmp_path / "precious")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "file").read_text() == "new\n"


def test_leftovers_of_killed_processes_are_removed_and_nothing_else(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    kept = ["file", ".latentmap-x.tmp", f".latentmap-{os.getppid()}-{'0' * 16}.tmp", "a.tmp"]
    for name in [*kept, f".latentmap-{process.pid}-{'0' * 16}.tmp", f".latentmap-{os.getpid()}-{'1' * 16}.tmp"]:
        (tmp_path / name).touch()
    with atomic_write(tmp_path / "other") as temporary:
        remove_leftovers(tmp_path)
        assert temporary.exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*kept, "other"])


def test_a_folder_that_is_not_there_is_named_by_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.file"):
        write_text(tmp_path / "missing" / "file", "x")
