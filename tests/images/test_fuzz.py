"""Damaged files of a dozen formats: each is decoded or listed with a reason, and none takes anything else with it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentmap.images import load_mnist, open_images
from latentmap.run.executor import peak_memory

FORMATS = {
    "png": {},
    "jpg": {"quality": 85},
    "gif": {"save_all": True},
    "bmp": {},
    "tif": {"compression": "tiff_lzw"},
    "webp": {"quality": 80},
    "ppm": {},
    "tga": {},
    "ico": {},
    "jp2": {},
    "pcx": {},
    "sgi": {},
    "avif": {},
    "qoi": {},
}
MOST_MEMORY = 2**30  # that decoding takes, decoders included


def originals() -> list[tuple[str, bytes]]:
    """Files of every format: digits, a coloured ramp, noise, transparency, a palette, 16 bits."""
    random = np.random.default_rng(0)
    digits = load_mnist("test")[0]
    ramp = np.stack(np.broadcast_arrays(*np.ogrid[0:240:48j, 0:240:64j], 90), axis=-1).astype(np.uint8)
    pictures = [Image.fromarray(digits[i]) for i in range(3)]
    pictures += [Image.fromarray(ramp), Image.fromarray(random.integers(0, 255, (30, 40, 3), dtype=np.uint8))]
    pictures += [Image.fromarray(np.dstack([ramp, ramp[..., 0]])), Image.fromarray(ramp).convert("P")]
    pictures += [Image.fromarray(random.integers(0, 65535, (20, 20), dtype=np.uint16)), pictures[0].convert("1")]
    files = []
    for ending, options in FORMATS.items():
        for picture in pictures:
            for converted in (picture, picture.convert("RGB")):
                file = io.BytesIO()
                try:
                    converted.save(file, Image.registered_extensions()[f".{ending}"], **options)
                except (OSError, ValueError, KeyError):  # a mode that the format does not have
                    continue
                files.append((ending, file.getvalue()))
                break
    assert {ending for ending, _ in files} == set(FORMATS)
    return files


def mutated(data: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """Cut, flip, fill, insert, take out, or grow together with another file."""
    content = bytearray(data)
    for _ in range(random.integers(1, 4)):
        at = int(random.integers(len(content) + 1)) if random.random() < 0.5 else int(random.integers(64))
        kind = random.integers(7)
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content[at : at + 1] = bytes([random.integers(256)])
        elif kind == 2:
            content[at : at + 4] = b"\xff\xff\xff\x7f"
        elif kind == 3:
            content[at:at] = random.bytes(int(random.integers(1, 30)))
        elif kind == 4:
            del content[at : at + int(random.integers(1, 60))]
        elif kind == 5:
            content[at : at + 8] = bytes(8)
        else:
            content = content[:at] + other[at:]
    return bytes(content)


def fuzz(folder: Path, n: int, seed: int) -> tuple[int, int, int]:
    """Decode ``n`` mutated files; how many were decoded, how many skipped, and the memory that it took, in bytes."""
    random = np.random.default_rng(seed)
    files = originals()
    names = []
    for i in range(n):
        ending, data = files[random.integers(len(files))]
        names.append(f"{i:06d}.{ending}")
        (folder / names[-1]).write_bytes(mutated(data, files[random.integers(len(files))][1], random))
    Image.new("L", (16, 16), 200).save(folder / "good.png")
    with peak_memory() as peak:
        before = peak[0]
        collection = open_images(folder, size=32, frames=True, cache=folder.parent / "cache")
    decoded = {path.partition("[")[0] for path in collection.paths}
    skipped = {path.partition("[")[0] for path, _ in collection.skipped}
    assert decoded | skipped == {*names, "good.png"}
    assert all(reason for _, reason in collection.skipped)
    assert collection.images.shape[1:3] == (32, 32)
    return len(decoded), len(skipped), peak[0] - before


def test_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz(tmp_path / "files", 700, seed=1)
    assert decoded > 50
    assert skipped > 50
    assert peak < MOST_MEMORY


def test_mutated_files_are_cut_into_tiles_or_listed(tmp_path):
    random = np.random.default_rng(3)
    files = originals()
    names = {f"{i:04d}.{files[i % len(files)][0]}" for i in range(200)}
    for name in sorted(names):
        data = dict(files)[name.partition(".")[2]]
        (tmp_path / name).write_bytes(mutated(data, files[random.integers(len(files))][1], random))
    collection = open_images(tmp_path, tiles=8, max_empty=1, cache_limit=0.1)
    paths = [*collection.paths, *(path for path, _ in collection.skipped)]
    assert {path.partition("#")[0].partition("[")[0] for path in paths} == names
    assert len(collection) > 100


@pytest.mark.slow
def test_twenty_thousand_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz(tmp_path / "files", 20_000, seed=2)
    print(f"\n{decoded} decoded, {skipped} skipped, peak {peak / 2**20:.0f} MiB")
    assert peak < MOST_MEMORY
