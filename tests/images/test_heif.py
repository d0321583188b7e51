"""HEIC pictures through pillow-heif."""

import io
import zipfile

import numpy as np
import pytest
from fuzzing import fuzz_files
from PIL import Image

from latentmap.core.errors import MissingPackageError, SourceError
from latentmap.images import open_images, optional_formats
from latentmap.images.heif import register_heif

QUARTERS = np.kron(np.array([[250, 10], [90, 170]], np.uint8), np.ones((24, 32), np.uint8))


def heic(pixels: np.ndarray = QUARTERS, orientation: int = 1, **options: object) -> bytes:
    register_heif()
    exif = Image.Exif()
    exif[0x112] = orientation
    file = io.BytesIO()
    Image.fromarray(np.dstack([pixels] * 3)).save(file, "HEIF", quality=95, exif=exif.tobytes(), **options)
    return file.getvalue()


@pytest.fixture
def without_packages(monkeypatch):
    monkeypatch.setattr(optional_formats, "_is_installed", lambda _: False)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright_like_a_jpeg(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(QUARTERS).convert("RGB").save(tmp_path / "a.jpg", quality=95, exif=exif)
    (tmp_path / "b.heic").write_bytes(heic(orientation=orientation))
    collection = open_images(tmp_path, size=16, fit="stretch")
    assert collection.paths == ["a.jpg", "b.heic"]
    np.testing.assert_allclose(*collection.images[:, 2::4, 2::4].astype(int), atol=12)
    sizes = set(zip(collection.table["width"].to_pylist(), collection.table["height"].to_pylist(), strict=True))
    assert sizes == {(64, 48) if orientation < 5 else (48, 64)}


def test_pictures_are_found_in_folders_and_archives_and_alone(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.HEIC").write_bytes(heic())
    (tmp_path / "in" / "no suffix").write_bytes(heic())
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("a.HEIC", heic())
        archive.writestr("no suffix", heic())
    for source in (tmp_path / "in", tmp_path / "in.zip"):
        assert open_images(source).paths == ["a.HEIC", "no suffix"]
    assert open_images(tmp_path / "in" / "no suffix").paths == ["no suffix"]


def test_several_pictures_are_frames(tmp_path):
    second = Image.fromarray(255 - QUARTERS).convert("RGB")
    (tmp_path / "a.heic").write_bytes(heic(save_all=True, append_images=[second], primary_index=1))
    whole = open_images(tmp_path, size=8)
    frames = open_images(tmp_path, size=8, frames=True)
    assert whole.paths == ["a.heic"]
    assert frames.paths == ["a.heic[0]", "a.heic[1]"]
    np.testing.assert_array_equal(whole.images[0], frames.images[1])
    assert frames.images[0, 1, 1] > 230
    assert frames.images[1, 1, 1] < 30


def test_without_the_package_the_reason_names_the_extra(tmp_path, without_packages):
    (tmp_path / "a.heic").write_bytes(heic())
    (tmp_path / "no suffix").write_bytes(heic())
    wanted = r"pillow_heif: pip install 'latentmap\[heif\]'"
    with pytest.raises(SourceError, match=wanted):
        open_images(tmp_path)
    with pytest.raises(MissingPackageError, match=rf"a\.heic: a HEIC picture.*{wanted}"):
        open_images(tmp_path / "a.heic")
    Image.fromarray(QUARTERS).save(tmp_path / "b.png")
    (tmp_path / "list.txt").write_text("a.heic\nb.png\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in ("a.heic", "no suffix", "b.png"):
            archive.write(tmp_path / name, name)
    assert open_images(tmp_path).paths == ["b.png"]
    for source, n in ((tmp_path, 2), (tmp_path / "in.zip", 2), (tmp_path / "list.txt", 1)):
        skipped = [one for one in open_images(source).skipped if "in.zip" not in one.path]
        assert [one.path for one in skipped] == ["a.heic", "no suffix"][:n]
        assert all("pip install 'latentmap[heif]'" in one.reason for one in skipped)


def test_an_installed_package_changes_the_stamp(tmp_path, monkeypatch):
    """A run that listed pictures as skipped decodes them once the package is there."""
    from latentmap.images.sources import find_source

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.heic").write_bytes(heic())
    Image.fromarray(QUARTERS).save(tmp_path / "in" / "b.png")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(tmp_path / "in" / "a.heic", "a.heic")
        archive.write(tmp_path / "in" / "b.png", "b.png")
    sources = [tmp_path / "in", tmp_path / "in.zip"]
    stamps = [find_source(source).stamp for source in sources]
    monkeypatch.setattr(optional_formats, "_is_installed", lambda _: False)
    assert all(find_source(source).stamp != stamp for source, stamp in zip(sources, stamps, strict=True))


def originals() -> list[tuple[str, bytes]]:
    """HEIC files: grey quarters, rotated, noise, several pictures."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 56), dtype=np.uint8)
    second = Image.fromarray(noise).convert("RGB")
    found = [heic(), heic(orientation=6), heic(noise), heic(save_all=True, append_images=[second])]
    return [("heic", data) for data in found]


def test_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz_files(tmp_path / "files", originals(), 300, seed=1, n_kept=16)
    assert decoded > 20
    assert skipped > 20
    assert peak < 2**30
