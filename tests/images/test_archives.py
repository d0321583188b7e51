"""An archive holds what the folder holds that it unpacks to; what it claims is not believed."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from latentmap.images import SourceError, decompression, open_images
from latentmap.images.archive import list_archive, list_compressed
from latentmap.images.folder import list_folder
from latentmap.images.listing import Listing
from latentmap.images.tar_members import TarMembers


def png(seed: int = 0, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (6, 6), dtype=np.uint8)).save(file, kind)
    return file.getvalue()


def contents(listing: Listing) -> dict[str, bytes | str | None]:
    """The file that each row is read from; None for an error."""
    found = {}
    rows = zip(listing.table["path"].to_pylist(), listing.read(np.arange(len(listing))), strict=True)
    for path, item in rows:
        source = item.source
        if isinstance(source, str):
            source = Path(source).read_bytes() if Path(source).is_file() else None
        found[path] = source if isinstance(source, bytes) else None
    return found


def reasons(listing: Listing) -> dict[str, str]:
    rows = zip(listing.table["path"].to_pylist(), listing.read(np.arange(len(listing))), strict=True)
    return {path: item.source.reason for path, item in rows if not isinstance(item.source, bytes | str)}


def tar(members: list[tuple[str, bytes | tuple[bytes, str]]], **options: object) -> bytes:
    """A tar of files, and of links given as their type and target."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type, info.linkname = data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zipped(members: list[tuple[str, bytes | tuple[bytes, str]]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if isinstance(data, tuple):
                info.create_system, info.external_attr = 3, 0o120777 << 16
                archive.writestr(info, data[1])
            else:
                archive.writestr(info, data)
    return file.getvalue()


PACKED = {
    "t.tar": tar,
    "t.tar.gz": lambda members: gzip.compress(tar(members)),
    "t.tar.bz2": lambda members: bz2.compress(tar(members)),
    "t.tar.xz": lambda members: lzma.compress(tar(members)),
    "t.zip": zipped,
}


def tree(folder: Path) -> list[tuple[str, bytes | tuple[bytes, str]]]:
    """Files and links of all sorts, written to a folder and given as members, in no order."""
    files = {name: png(i) for i, name in enumerate(["b/2.png", "b/10.png", "a/1.png", "a/none", "c.dat", "é/한글.png"])}
    files |= {".hidden/x.png": png(7), ".h.png": png(8), "bitmap": png(9, "BMP"), "text.png": b"text", "empty.png": b""}
    files |= {
        "t.heic": b"x",
        "v.spi": b"x",
        "w.pam": b"P7\n",
        "notes.txt": b"n",
        "Thumbs.db": b"\xd0\xcf",
        "in.zip": b"PK",
    }
    files |= {"__MACOSX/._b.png": b"junk", "run/figures/map.png": png(10), "run/run.json": b"{}", "run/.lock": b""}
    links = {"b/soft.png": "../a/1.png", "dangling.png": "nowhere.png", "self.png": "self.png", "adir": "a"}
    links |= {"from hidden.png": ".hidden/x.png", "through.png": "adir/1.png", "no ending": "c.dat", "gone": "nowhere"}
    members: list[tuple[str, bytes | tuple[bytes, str]]] = []
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        members.append((name, data))
    for name, target in links.items():
        (folder / name).symlink_to(target)
        members.append((name, (tarfile.SYMTYPE, target)))
    return members


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_an_archive_is_its_folder(tmp_path, name):
    members = tree(tmp_path / "t")
    (tmp_path / name).write_bytes(PACKED[name](members))
    packed, folder = list_archive(tmp_path / name), list_folder(tmp_path / "t")
    assert packed.table.equals(folder.table), "names, their order, and labels"
    assert contents(packed) == contents(folder)
    assert sorted(packed.skipped) == sorted(folder.skipped)
    assert packed.n_ignored == folder.n_ignored == 3
    assert packed.name == folder.name
    assert reasons(packed)["dangling.png"] == "a link to a file that is not in the archive"
    assert reasons(packed)["self.png"] == "a circular link"
    rows = np.array([1, 2, 6])
    assert [item.source for item in packed.read(rows)] == [
        contents(packed)[packed.table["path"][int(i)].as_py()] for i in rows
    ]


names = st.lists(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='/\\:*?"<>|'), min_size=1, max_size=5)
        .filter(lambda part: part.strip(". ") == part)
        .map(lambda part: f"{part}.png"),
        min_size=1,
        max_size=3,
    ).map("/".join),
    min_size=1,
    max_size=6,
    unique_by=lambda name: name.casefold(),
)


@settings(max_examples=40, deadline=None)
@given(names=names, kind=st.sampled_from(sorted(PACKED)))
def test_archives_of_any_names_give_what_a_folder_gives(names, kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("t")
    members = [(name, png(i)) for i, name in enumerate(names)]
    for name, data in members:
        try:
            (folder / "t" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "t" / name).write_bytes(data)
        except OSError:  # one is the folder of another
            return
    (folder / kind).write_bytes(PACKED[kind](members))
    assert contents(list_archive(folder / kind)) == contents(list_folder(folder / "t"))
    assert list_archive(folder / kind).table.equals(list_folder(folder / "t").table)


@pytest.mark.parametrize("packed", [False, True])
def test_hard_links_are_the_file_as_it_was_when_they_were_made(tmp_path, packed):
    link = (tarfile.LNKTYPE, "z.png")
    data = tar(
        [("z.png", png(1)), ("b.png", link), ("z.png", png(2)), ("c.png", link), ("d.png", (tarfile.LNKTYPE, "?"))]
    )
    (tmp_path / "t.tar").write_bytes(gzip.compress(data) if packed else data)
    listing = list_archive(tmp_path / "t.tar")
    assert contents(listing) == {"b.png": png(1), "c.png": png(2), "d.png": None, "z.png": png(2)}
    assert listing.skipped == [("z.png", "replaced by a later member of the same name")]


@pytest.mark.parametrize("pack", [tar, zipped])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_lead_out_and_names_that_are_there_twice(tmp_path, pack):
    members = [("a.png", b"1"), ("../a.png", b"2"), ("/x/b.png", png()), ("./a.png", png(1)), ("in.zip", b"PK\x03\x04")]
    (tmp_path / "t.any").write_bytes(pack(members))
    listing = list_archive(tmp_path / "t.any")
    assert contents(listing) == {"a.png": png(1), "x/b.png": png()}
    assert sorted(listing.skipped) == [
        ("a.png", "replaced by a later member of the same name"),
        ("a.png", "replaced by a later member of the same name"),
        ("in.zip", "an archive inside another source: unpack it, or pass it as a separate source"),
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_each_way_to_compress_is_read_and_damage_is_named(tmp_path, method):
    data = bytearray(zipped([("a.png", png()), ("b.png", bytes(10**5)), ("e.png", b"")], method))
    (tmp_path / "t.zip").write_bytes(data)
    assert contents(list_archive(tmp_path / "t.zip")) == {"a.png": png(), "b.png": bytes(10**5), "e.png": b""}
    (tmp_path / "t.zip").write_bytes(b"#!/bin/sh\n" + data)
    assert contents(list_archive(tmp_path / "t.zip"))["a.png"] == png(), "with something before it"
    data[50] ^= 255
    (tmp_path / "t.zip").write_bytes(data)
    assert "damaged in the archive" in reasons(list_archive(tmp_path / "t.zip"))["a.png"]


@pytest.mark.parametrize(("method", "squeeze"), [(zipfile.ZIP_DEFLATED, None), (zipfile.ZIP_BZIP2, bz2.compress)])
def test_a_member_that_holds_more_than_it_says_is_not_unpacked(tmp_path, method, squeeze):
    data = bytearray(zipped([("a.png", png()), ("bomb.png", bytes(2**26))], method))
    central = data.rfind(b"bomb.png") - 46
    struct.pack_into("<I", data, central + 24, 1000)
    (tmp_path / "t.zip").write_bytes(data)
    tracemalloc.start()
    try:
        listing = list_archive(tmp_path / "t.zip")
        assert reasons(listing) == {"bomb.png": "has more than the 1,000 bytes that the archive states"}
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_what_is_encrypted_overlaps_or_is_too_large_is_named(tmp_path):
    locked = bytearray(zipped([("a.png", png())]))
    for at in (6, locked.rfind(b"PK\x01\x02") + 8):
        locked[at] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(
        SourceError, match=r"1 file cannot be decoded: encrypted with a password: .* \(1, such as 'a.png'\)"
    ):
        open_images(tmp_path / "locked.zip")
    data = bytearray(zipped([("a.png", bytes(100)), ("b.png", bytes(100))]))
    struct.pack_into("<I", data, data.rfind(b"b.png") - 46 + 42, 0)
    (tmp_path / "overlap.zip").write_bytes(data)
    assert "overlaps another member" in reasons(list_archive(tmp_path / "overlap.zip"))["a.png"]
    large = bytearray(zipped([("a.png", b"")]))
    struct.pack_into("<I", large, large.rfind(b"a.png") - 46 + 24, 2**29)
    (tmp_path / "large.zip").write_bytes(large)
    assert reasons(list_archive(tmp_path / "large.zip")) == {
        "a.png": "larger than 256 MiB inside an archive: unpack it"
    }
    many = bytearray(zipped([(f"{i}.png", b"") for i in range(5)]))
    at = -1
    while (at := many.find(b"PK\x01\x02", at + 1)) >= 0:
        struct.pack_into("<I", many, at + 24, 2**28)
    (tmp_path / "many.zip").write_bytes(many)
    with pytest.raises(SourceError, match="more than 100 times the size of the archive"):
        list_archive(tmp_path / "many.zip")


def test_headers_without_end_are_refused_before_they_are_held(tmp_path):
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE):
        info = tarfile.TarInfo("long")
        info.type, info.size = kind, 2**31
        (tmp_path / "t.tar.gz").write_bytes(gzip.compress(tar([("a.png", png())])[:1024] + info.tobuf() + bytes(2**20)))
        with pytest.raises(SourceError, match="a header of 2,147,483,648 bytes, more than 262,144"):
            list_archive(tmp_path / "t.tar.gz")


def test_a_compressed_tar_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):

    monkeypatch.setattr(decompression, "MIN_LIMIT_BYTES", 2**20)
    (tmp_path / "t.tar.bz2").write_bytes(bz2.compress(tar([("a.png", bytes(2**23))])))
    with pytest.raises(SourceError, match="decompresses to more than 1,048,576 bytes, as decompression bombs do"):
        list_archive(tmp_path / "t.tar.bz2")


def test_a_tar_that_is_damaged_or_cut_ends_in_a_sentence_and_not_in_silence(tmp_path):
    data = tar([(f"{i}.png", os.urandom(2000)) for i in range(3)])
    for damaged in (data[:2560] + b"garbage!" * 64 + bytes(1024), data[:2600], data[:4000]):
        (tmp_path / "t.tar").write_bytes(damaged)
        with pytest.raises(SourceError, match="a damaged archive"):
            list_archive(tmp_path / "t.tar")


def test_a_large_compressed_tar_is_read_in_its_own_order_with_its_links(tmp_path, monkeypatch):
    from latentmap.images import archive_contents

    members = [("z.png", png(1)), ("a.png", png(2)), ("m.png", (tarfile.LNKTYPE, "z.png")), ("b.png", png(3))]
    (tmp_path / "t.tgz").write_bytes(gzip.compress(tar(members)))
    assert list(contents(list_archive(tmp_path / "t.tgz"))) == ["a.png", "b.png", "m.png", "z.png"]
    monkeypatch.setattr(archive_contents, "MAX_SORTED_BYTES", 0)
    found = contents(list_archive(tmp_path / "t.tgz"))
    assert list(found) == ["m.png", "z.png", "a.png", "b.png"]
    assert found == {"z.png": png(1), "a.png": png(2), "m.png": png(1), "b.png": png(3)}


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.integers(0, 7), max_size=20))
def test_members_of_a_compressed_tar_can_be_asked_for_in_any_order(numbers, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "t.tgz"
    path.write_bytes(gzip.compress(tar([(f"{i}.png", png(i)) for i in range(8)]), 1))
    archive = TarMembers(path)
    assert len(list(archive.members())) == 8
    assert [item.source for item in archive.read(np.array(numbers, np.intp))] == [png(i) for i in numbers]


def test_names_of_zips_without_their_encoding(tmp_path):
    for encoding in ("cp949", "utf-8"):
        name = "고양이".encode(encoding)
        data = zipped([("A" * len(name) + ".png", png())]).replace(b"A" * len(name), name)
        (tmp_path / "t.zip").write_bytes(data)
        assert list(contents(list_archive(tmp_path / "t.zip"))) == ["고양이.png"]
    data = bytearray(zipped([("cats\\1.png", png()), ("dogs\\1.png", png(1))]))
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 5] = 0  # made on Windows
    (tmp_path / "t.zip").write_bytes(data)
    assert list_archive(tmp_path / "t.zip").table["label"].to_pylist() == ["cats", "dogs"]


def test_files_that_are_compressed_or_of_other_archives(tmp_path):
    (tmp_path / "a.png.gz").write_bytes(gzip.compress(png()))
    assert open_images(tmp_path / "a.png.gz").paths == ["a.png"]
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"path\n"))
    with pytest.raises(SourceError, match="compressed, but neither a tar archive nor an image: unpack it"):
        list_compressed(tmp_path / "a.csv.gz")
    for start, name in ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "RAR"), (b"\x28\xb5\x2f\xfd", "Zstandard")):
        (tmp_path / "a").write_bytes(start + bytes(600))
        with pytest.raises(SourceError, match=f"a {name} archive, which is not read: unpack it, and pass the folder"):
            open_images(tmp_path / "a")
    (tmp_path / "polyglot.png").write_bytes(png() + zipped([("x.png", png(1))]))
    assert open_images(tmp_path / "polyglot.png").paths == ["polyglot.png"]


def test_an_export_inside_is_left_out_as_in_a_folder(tmp_path):
    for name in ("a.png", "sorted/group-00/0000000-a.png"):
        (tmp_path / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 90).save(tmp_path / "scans" / name)
    (tmp_path / "scans" / "sorted" / ".latentmap-export").write_text("")
    for kind in ("zip", "tar", "gztar"):
        packed = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "scans")
        assert open_images(packed).paths == open_images(tmp_path / "scans").paths == ["a.png"]
