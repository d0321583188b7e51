"""Videos as frames at a chosen rate: which frames, when, in which order, and what damaged files end as."""

import io
import zipfile

import av
import numpy as np
import pytest
from fuzzing import fuzz_files
from PIL import Image

from latentmap.core.errors import InputError, MissingPackageError
from latentmap.images import open_images, optional_formats
from latentmap.images.decoding import EncodedImage, Failure, decode_images, probe_images, read_contents
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.shape import Shape

KINDS = {
    "mp4": ("mp4", "libx264"),
    "mkv": ("matroska", "libx264"),
    "avi": ("avi", "mpeg4"),
    "webm": ("webm", "libvpx-vp9"),
    "m2ts": ("mpegts", "mpeg2video"),
    "flv": ("flv", "flv1"),
    "wmv": ("asf", "msmpeg4"),
}
FPS = 20


def video(kind: str = "mp4", n: int = 60, size: tuple[int, int] = (64, 48)) -> bytes:
    """A video whose frame i is grey of brightness 4 i, with key frames far apart."""
    form, codec = KINDS[kind]
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height = size
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        stream.codec_context.gop_size = 25
        for i in range(n):
            pixels = np.full((size[1], size[0], 3), 4 * i % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_taken_at_the_rate(tmp_path, kind):
    (tmp_path / f"clip.{kind}").write_bytes(video(kind))
    collection = open_images(tmp_path, fps=4, color="grey")
    assert collection.paths == [f"clip.{kind}[{i}]" for i in range(12)]
    np.testing.assert_allclose(collection.table["seconds"].to_pylist(), np.arange(12) / 4, atol=0.06)
    np.testing.assert_allclose(collection.images.mean(axis=(1, 2)), 20 * np.arange(12), atol=8)
    assert len(open_images(tmp_path)) == 3, "one frame a second"
    assert open_images(tmp_path, fps=0.1).paths == [f"clip.{kind}"]
    assert len(open_images(tmp_path, fps=1000)) == 60, "no more than there are"


@pytest.mark.parametrize("kind", KINDS)
def test_frames_in_any_order_are_the_same(kind):
    data, reading = video(kind), ReadingOptions(fps=FPS)
    order = [3, 59, 0, 1, 30, 29, 31, 58]
    found = decode_images([EncodedImage(data, i) for i in order], Shape(48, 64, 1), reading)
    np.testing.assert_allclose([one.pixels.mean() for one in found], 4 * np.array(order), atol=8)
    alone = [decode_images([EncodedImage(data, i)], Shape(48, 64, 1), reading)[0].sha256 for i in order]
    assert [one.sha256 for one in found] == alone


def test_videos_in_archives_and_beside_pictures(tmp_path):
    Image.new("L", (64, 48), 9).save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "a.png")
        archive.writestr("b.mov", video())
        archive.writestr("c.ts", "const a: number = 1;")
    collection = open_images(tmp_path / "in.zip")
    assert collection.paths == ["a.png", "b.mov[0]", "b.mov[1]", "b.mov[2]"]
    assert collection.table["seconds"].to_pylist() == [None, 0, 1, 2]
    assert collection.n_ignored == 1


def test_a_cut_video_is_read_up_to_the_cut(tmp_path):
    data = video("mkv", size=(640, 480))
    (tmp_path / "clip.mkv").write_bytes(data[: len(data) // 2])
    collection = open_images(tmp_path, fps=5)
    assert 2 < len(collection) < 14
    (nothing,) = probe_images([EncodedImage(video("mp4")[:200])])
    assert nothing.reason.startswith("a damaged video")


def test_damage_in_the_stream_leaves_out_frames():
    data = bytearray(video("avi", size=(128, 96)))
    begin = data.find(b"movi") + 2000
    data[begin : begin + 3000] = bytes(3000)
    reading = ReadingOptions(fps=FPS)
    n = read_contents(EncodedImage(bytes(data)), False, reading=reading).n
    found = decode_images([EncodedImage(bytes(data), i) for i in range(n)], Shape(48, 64, 1), reading)
    assert len(found) == n
    assert all(one.reason.startswith("the video is damaged at") for one in found if isinstance(one, Failure))
    assert sum(not isinstance(one, Failure) for one in found) > 10


def test_playlists_open_no_other_files(tmp_path):
    (tmp_path / "secret.mp4").write_bytes(video())
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.mp4\n")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path}/secret.mp4\n")
    Image.new("L", (64, 48), 9).save(tmp_path / "a.png")
    assert sorted({path for path, _ in open_images(tmp_path).skipped}) == ["concat.mp4", "list.mp4"]


def test_options_and_limits(monkeypatch):
    with pytest.raises(InputError, match="fps=0"):
        ReadingOptions(fps=0)
    from latentmap.images import video as module

    monkeypatch.setattr(module, "MAX_FRAMES", 10)
    found = read_contents(EncodedImage(video()), False, reading=ReadingOptions(fps=FPS))
    assert "more than 10 frames: take fewer per second with --fps" in found.reason


def test_without_the_package_the_reason_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(video())
    monkeypatch.setattr(optional_formats, "_is_installed", lambda _: False)
    with pytest.raises(MissingPackageError, match=r"a\.mp4: a video.*pip install 'latentmap\[video\]'"):
        open_images(tmp_path / "a.mp4")


def originals() -> list[tuple[str, bytes]]:
    """Short videos of every container."""
    return [(kind, video(kind, 25)) for kind in KINDS]


def test_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz_files(tmp_path / "files", originals(), 200, seed=1, n_kept=12, fps=5)
    assert decoded > 30
    assert skipped > 20
    assert peak < 2**30
