"""Damaged files of a dozen formats: each is decoded or listed with a reason, and none takes anything else with it."""

import io

import numpy as np
import pytest
from fuzzing import fuzz_files, mutated
from PIL import Image

from latentmap.images import load_mnist, open_images

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


def test_mutated_files_are_decoded_or_listed(tmp_path):
    (tmp_path / "files").mkdir()
    decoded, skipped, peak = fuzz_files(tmp_path / "files", originals(), 700, seed=1)
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
    decoded, skipped, peak = fuzz_files(tmp_path / "files", originals(), 20_000, seed=2)
    print(f"\n{decoded} decoded, {skipped} skipped, peak {peak / 2**20:.0f} MiB")
    assert peak < MOST_MEMORY
