"""Sources at an address, on servers of this machine."""

import errno
import io
import os
import shutil
import tarfile
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentmap.core.errors import IdxError, MissingPackageError, SourceError
from latentmap.images import ImageCollection, open_images
from latentmap.images.remote import downloads as downloads_module
from latentmap.images.remote import filesystems, index_pages, reading_ahead
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.filesystems import RemoteFile
from latentmap.images.sources import find_source, open_source
from remote_servers import WebServer, object_store, web_server

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

N = 12
PIXELS = np.random.default_rng(0).integers(0, 255, (N, 8, 8), dtype=np.uint8)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(filesystems, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    for i, pixels in enumerate(PIXELS):
        path = folder / "in" / ("cats", "dogs")[i % 2] / f"im {i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture
def server(site):
    with web_server(site) as found:
        yield found


def expected(collection: ImageCollection) -> np.ndarray:
    """The pixels of the images, by the numbers in their names."""
    return PIXELS[[int(path.rpartition("im")[2].lstrip(" %20")[:2].rstrip(".") or 0) for path in collection.paths]]


def table_of(tmp_path: Path, rows: list[str], header: str = "url") -> Path:
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_folder_of_a_web_server(server, site):
    (site / "in" / "notes.txt").write_text("x")
    (site / "in" / ".hidden.png").write_bytes(b"x")
    (site / "in" / "cats" / "raw.cr2").write_bytes(b"x")
    (site / "in" / "more.zip").write_bytes(b"x")
    found = open_images(f"{server.address}/in/")
    assert len(found) == N and found.labels.tolist() == ["cats"] * 6 + ["dogs"] * 6
    assert found.paths[0] == "cats/im 00.png" and found.sources == (("in", f"{server.address}/in"),)
    np.testing.assert_array_equal(found.images, np.concatenate([PIXELS[::2], PIXELS[1::2]]))
    assert found.n_ignored == 1 and sorted(path for path, _ in found.skipped) == ["cats/raw.cr2", "more.zip"]
    # each file is downloaded once, although images are probed before they are decoded
    assert max(count for path, count in server.counts().items() if path.endswith("png")) == 1


@pytest.mark.parametrize("address", ["/in", "/in/cats/*.png", "/in/**/*.png", "/in/cats/im%2000.png"])
def test_what_an_address_may_be(server, address):
    found = open_images(server.address + address)
    assert len(found) == {"/in": 12, "/in/cats/*.png": 6, "/in/**/*.png": 12, "/in/cats/im%2000.png": 1}[address]


def test_the_index_of_a_server_does_not_lead_out_of_the_folder(server, site):
    pictures = "".join(f'<a href="/in/cats/im%20{i:02}.png">' for i in (0, 2))
    others = "".join(f'<a href="{link}">' for link in ("../dogs/", "/", "?C=N", "http://127.0.0.1:1/in/cats/a.png"))
    (site / "in" / "cats" / "index.html").write_text(pictures + others)
    assert open_images(f"{server.address}/in/cats/").paths == ["im 00.png", "im 02.png"]


def test_files_that_are_sources(server, site, tmp_path):
    shutil.make_archive(str(site / "scans"), "gztar", site / "in")
    np.save(site / "stack.npy", PIXELS)
    pages = [Image.fromarray(pixels) for pixels in PIXELS[:3]]
    pages[0].save(site / "pages.tiff", save_all=True, append_images=pages[1:])
    archive = open_images(f"{server.address}/scans.tar.gz")
    assert archive.name == "scans" and archive.paths[0] == "cats/im 00.png" and len(archive) == N
    stack = open_images(f"{server.address}/stack.npy")
    np.testing.assert_array_equal(stack.images, PIXELS)
    assert stack.paths[0] == "stack[0]"
    tiff = open_images(f"{server.address}/pages.tiff")
    np.testing.assert_array_equal(tiff.images, PIXELS[:3])
    assert tiff.sources == (("pages", server.address),)
    both = open_images([f"{server.address}/scans.tar.gz", str(site / "in" / "dogs")])
    assert len(both) == N + 6 and both.paths[0] == "scans/cats/im 00.png"
    with pytest.raises(SourceError, match="several sources must all consist of files"):
        open_images([f"{server.address}/stack.npy", str(site / "in")])


def test_a_damaged_file_is_named_by_its_address(server, site):
    (site / "a.zip").write_bytes(b"PK\3\4" + bytes(50))
    (site / "b.dat").write_bytes(b"nothing that is known")
    with pytest.raises(SourceError, match=rf"^{server.address}/a.zip: a damaged archive"):
        open_images(f"{server.address}/a.zip?token=secret")
    with pytest.raises(IdxError, match=rf"^{server.address}/b.dat: "):
        open_images(f"{server.address}/b.dat")
    with pytest.raises(SourceError, match=r"nothing: not found \(404\)"):
        open_images(f"{server.address}/nothing")
    with pytest.raises(SourceError, match=r"/in/x\*.png: no images in it"):
        open_images(f"{server.address}/in/x*.png")


def test_a_table_mixes_addresses_and_files(server, site, tmp_path):
    rows = [
        f"{server.address}/in/cats/im%2000.png?X-Amz-Signature=secret,1,https://host/?token=secret",
        "site/in/dogs/im 01.png,2,",
        f"{server.address}/in/cats/none.png,3,",
        f"{server.address}/in/cats/im%2000.png?sig=other,4,",
        "none.png,5,",
        "file:///etc/hostname,6,",
    ]
    found = open_images(table_of(tmp_path, rows, "url,n,link"))
    np.testing.assert_array_equal(found.images, PIXELS[:2])
    assert found.paths == [f"{server.address}/in/cats/im%2000.png", "site/in/dogs/im 01.png"]
    assert found.table["n"].to_pylist() == [1, 2] and found.labels is None
    assert found.table["link"].to_pylist() == ["https://host/", None]
    assert [reason for _, reason in found.skipped] == [
        "not found (404)",
        "row 1 of the table has the same file",
        "No such file or directory",
        "a kind of address that is not read from a table",
    ]
    assert "secret" not in repr((found.skipped, found.table.to_pylist(), found.sources))


def test_paths_of_a_remote_table_lie_beside_it(server, site, tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "own.png")  # of this machine: the table may not name it
    rows = ["cats/im 00.png", "./dogs/im 01.png", "../in/cats/im 02.png", str(tmp_path / "own.png"), "../../../own.png"]
    (site / "in" / "table.csv").write_text("\n".join(["path", *rows]))
    found = open_images(f"{server.address}/in/table.csv")
    np.testing.assert_array_equal(found.images, PIXELS[:3])
    assert found.labels.tolist() == ["cats", "dogs", "../in/cats"]
    assert [reason for _, reason in found.skipped] == [
        "an absolute path, in a table that is not on this machine",
        "not found (404)",
    ]


def test_a_remote_parquet_file_cannot_name_files_of_this_machine(server, site, tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "own.png")
    file = io.BytesIO()
    Image.fromarray(PIXELS[1]).save(file, "PNG")
    cells = [{"bytes": file.getvalue(), "path": "a.png"}, {"bytes": None, "path": str(tmp_path / "own.png")}]
    pd.DataFrame({"image": cells}).to_parquet(site / "t.parquet")
    found = open_images(f"{server.address}/t.parquet")
    np.testing.assert_array_equal(found.images, PIXELS[1:2])
    assert "may not name files of this machine" in found.skipped[0].reason


def test_a_column_of_addresses(server, site):
    series = pd.Series([f"{server.address}/in/cats/im 00.png", str(site / "in" / "dogs" / "im 01.png")])
    np.testing.assert_array_equal(open_images(series).images, PIXELS[:2])


@pytest.mark.parametrize(("statuses", "n"), [([503], 2), ([500, 429, 503], 4)])
def test_errors_that_pass_are_tried_again(server, tmp_path, statuses, n):
    server.failures["/in/cats/im%2000.png"] = statuses
    table = table_of(tmp_path, [f"{server.address}/in/cats/im%2000.png"])
    assert len(open_images(table)) == 1
    assert server.counts()["/in/cats/im%2000.png"] == n


@pytest.mark.parametrize("status", [401, 403, 404, 410, 400])
def test_errors_that_do_not_pass_are_reasons_after_one_attempt(server, tmp_path, status):
    server.failures["/in/cats/im%2000.png"] = [status] * 9
    rows = [f"{server.address}/in/cats/im%2000.png", f"{server.address}/in/cats/im%2002.png"]
    found = open_images(table_of(tmp_path, rows), cache=tmp_path / "cache")
    assert len(found) == 1 and str(status) in found.skipped[0].reason
    # once when it is probed, and once when it is decoded
    assert server.counts()["/in/cats/im%2000.png"] == 2


def test_a_host_without_an_answer_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(reading_ahead, "N_LOST_FILES", 4)
    for i in range(20):
        server.failures[f"/{i}.png"] = [503] * 99
    rows = [f"{server.address}/{i}.png?sig=sec\u0072et" for i in range(20)]
    with pytest.raises(SourceError, match=r"/3.png: the server answers 503, and so are 3 files before it") as raised:
        open_images(table_of(tmp_path, rows))
    assert "secret" not in "".join(traceback.format_exception(raised.value))


def test_a_connection_that_breaks_off_is_resumed(server, site, tmp_path):
    with tarfile.open(site / "scans.tar", "w") as archive:
        archive.add(site / "in", "in")
        noise = tarfile.TarInfo("noise.bin")
        noise.size = 700_000
        archive.addfile(noise, io.BytesIO(np.random.default_rng(0).bytes(noise.size)))
    server.bytes_before_break = 300_000
    assert len(open_images(f"{server.address}/scans.tar")) == N
    begins = [begin for method, path, begin in server.requests if method == "GET"]
    assert begins == [0, 300_000, 600_000]


@pytest.mark.parametrize("has_ranges", [True, False])
def test_an_interrupted_download_is_resumed(server, site, tmp_path, has_ranges):
    shutil.make_archive(str(site / "scans"), "tar", site / "in")
    server.has_ranges, server.bytes_before_break = has_ranges, 5000
    own = Downloads(tmp_path / "downloads", 10**9)
    address = f"{server.address}/scans.tar"
    with pytest.raises(SourceError, match=r"scans.tar: the connection broke off; the same command resumes"):
        open_source(find_source(address, downloads=own))
    (part,) = own.folder.rglob(".part")
    size = part.stat().st_size
    assert size == (4 * 5000 if has_ranges else 5000)
    server.requests.clear()
    server.bytes_before_break = None
    assert len(open_source(find_source(address, downloads=own))) == N
    assert [begin for method, _, begin in server.requests if method == "GET"] == [size if has_ranges else 0]


def test_a_download_without_a_version_begins_again(server, site, tmp_path):
    (site / "a.bin").write_bytes(bytes(9000))
    own, file = Downloads(tmp_path / "downloads", 10**9), RemoteFile(f"{server.address}/a.bin", 9000)
    server.bytes_before_break = 1000
    with pytest.raises(SourceError, match="broke off"):
        own.whole(file)
    server.requests.clear()
    server.bytes_before_break = None
    assert own.whole(file).read_bytes() == bytes(9000)
    assert server.requests == [("GET", "/a.bin", 0)]


def test_a_file_that_changes_begins_again(server, site, tmp_path):
    shutil.make_archive(str(site / "scans"), "tar", site / "in")
    own = Downloads(tmp_path / "downloads", 10**9)
    first = find_source(f"{server.address}/scans.tar", downloads=own)
    assert find_source(f"{server.address}/scans.tar?sig=1", downloads=own).stamp == first.stamp
    (site / "in" / "cats" / "im 00.png").unlink()
    shutil.make_archive(str(site / "scans"), "tar", site / "in")
    os.utime(site / "scans.tar", (0, 0))
    with pytest.raises(SourceError, match="changed while it was downloaded"):
        open_source(first)
    second = find_source(f"{server.address}/scans.tar", downloads=own)
    assert second.stamp != first.stamp and len(open_source(second)) == N - 1


def test_sizes_are_bounded(server, site, tmp_path, monkeypatch):
    shutil.make_archive(str(site / "scans"), "tar", site / "in")
    with pytest.raises(SourceError, match=r"scans.tar: 30.7 kB to download, but 10 kB are allowed"):
        open_images(f"{server.address}/scans.tar", cache_limit=1e-5)
    # images that do not fit into the folder are read into memory
    found = open_images(f"{server.address}/in/", cache=tmp_path / "cache", cache_limit=1e-6)
    assert len(found) == N
    monkeypatch.setattr(downloads_module, "MAX_FILE_BYTES", 10)
    with pytest.raises(SourceError, match="larger than the limit of 10 bytes"):
        open_images(table_of(tmp_path, [f"{server.address}/in/cats/im%2000.png"]))


def test_the_folder_of_downloads_is_kept_if_it_is_named(server, tmp_path):
    address = f"{server.address}/in/"
    open_images(address, cache=tmp_path / "one")
    assert not (tmp_path / "one" / "downloads").exists()
    n = server.counts().total()
    open_images(address, downloads=tmp_path / "kept")
    kept = list((tmp_path / "kept").rglob("*.png"))
    assert len(kept) == N and server.counts().total() > n + N
    n = server.counts().total()
    open_images(address, downloads=tmp_path / "kept")
    assert server.counts().total() - n == 3  # the index pages


def test_addresses_that_cannot_be_read(monkeypatch):
    with pytest.raises(SourceError, match="foo://: not known to fsspec"):
        open_images("foo://bucket/a")
    with pytest.raises(SourceError, match="s3://bucket/a: pass an address as text, not as a Path"):
        open_images(Path("s3://bucket/a"))
    with pytest.raises(SourceError, match="^s3://bucket/a/?: passed with a user or password"):
        open_images("s3://key:secret@bucket/a/")
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(MissingPackageError, match="gs:// needs a package that is not installed: pip install gcsfs"):
        open_images("gs://bucket/a/")
    monkeypatch.setitem(__import__("sys").modules, "aiohttp", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'latentmap\[remote\]'"):
        open_images("https://127.0.0.1:1/a/")


def test_a_host_that_cannot_be_reached():
    address = "http://me:sec\u0072et@127.0.0.1:1/a.zip?token=sec\u0072et"
    with pytest.raises(SourceError, match=r"^http://127.0.0.1:1/a.zip: cannot be reached") as raised:
        open_images(address)
    assert "secret" not in "".join(traceback.format_exception(raised.value))


def test_any_file_system_of_fsspec(site):
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in site.rglob("*.png"):
        memory.pipe(f"/scans/{path.relative_to(site).as_posix()}", path.read_bytes())
    try:
        assert len(open_images("memory://scans/in")) == N
    finally:
        memory.rm("/scans", recursive=True)


@pytest.fixture(scope="module")
def store():
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    with object_store("scans") as client:
        yield client


def test_an_object_store(store, site, tmp_path):
    shutil.make_archive(str(site / "scans"), "zip", site / "in")
    (site / "in" / "table.csv").write_text("path\ncats/im 00.png\nnone.png\n")
    for path in filter(Path.is_file, site.rglob("*")):
        store.upload_file(str(path), "scans", path.relative_to(site).as_posix())
    store.put_object(Bucket="scans", Key="in/empty/", Body=b"")
    found = open_images("s3://scans/in/")
    np.testing.assert_array_equal(found.images, np.concatenate([PIXELS[::2], PIXELS[1::2]]))
    assert found.labels.tolist() == ["cats"] * 6 + ["dogs"] * 6
    assert len(open_images("s3://scans/in")) == len(open_images("s3://scans/in/*/*.png")) == N
    assert len(open_images("s3://scans/scans.zip")) == N
    table = open_images("s3://scans/in/table.csv")
    assert table.paths == ["cats/im 00.png"] and table.skipped == [("none.png", "not found (404)")]
    own = Downloads(tmp_path / "downloads", 10**9)
    stamp = find_source("s3://scans/in/", downloads=own).stamp
    assert stamp == find_source("s3://scans/in/", downloads=own).stamp
    store.put_object(Bucket="scans", Key="in/cats/im 00.png", Body=b"other")
    assert stamp != find_source("s3://scans/in/", downloads=own).stamp
    with pytest.raises(SourceError, match=r"^s3://nowhere: cannot be listed: .*NoSuchBucket"):
        open_images("s3://nowhere/")
    with pytest.raises(SourceError, match=r"^s3://scans/none.zip: not found \(404\)"):
        open_images("s3://scans/none.zip")


def test_a_large_object_is_read_in_chunks(store, site, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads_module, "CHUNK_BYTES", 5000)
    shutil.make_archive(str(site / "large"), "tar", site / "in")
    store.upload_file(str(site / "large.tar"), "scans", "large.tar")
    assert len(open_images("s3://scans/large.tar")) == N
    own, begins = Downloads(tmp_path / "downloads", 10**9), []
    filesystem = own.filesystems.of("s3://scans/large.tar")[0]
    read = filesystem.cat_file

    def fail(path, start, end):
        begins.append(start)
        if begins == [0, 5000, 10000]:
            raise PermissionError
        return read(path, start=start, end=end)

    monkeypatch.setattr(filesystem, "cat_file", fail)
    with pytest.raises(SourceError, match=r"^s3://scans/large.tar: no access \(403\)"):
        open_source(find_source("s3://scans/large.tar", downloads=own))
    assert len(open_source(find_source("s3://scans/large.tar", downloads=own))) == N
    assert begins[:5] == [0, 5000, 10000, 10000, 15000]


def test_a_whole_server(server: WebServer):
    found = open_images(server.address.replace("//", "//me:secret@"))
    assert len(found) == N and found.name == server.address.partition("//")[2]


def test_a_full_disk_is_an_error_and_no_reason_to_skip_files(server, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads_module, "atomic_write", full)
    with pytest.raises(OSError, match="No space left"):
        open_images(f"{server.address}/in/")


def test_index_pages_are_bounded(server, site, monkeypatch):
    (site / "in" / "index.html").write_text("".join(f'<a href="{i}/">' for i in range(9)))
    for i in range(9):
        (site / "in" / str(i)).mkdir()
    monkeypatch.setattr(index_pages, "MAX_FOLDERS", 5)
    with pytest.raises(SourceError, match="more than 5 folders"):
        open_images(f"{server.address}/in/")
    monkeypatch.setattr(index_pages, "MAX_PAGE_BYTES", 50)
    with pytest.raises(SourceError, match="cannot be listed: larger than the limit of 50 bytes"):
        open_images(f"{server.address}/in/")
