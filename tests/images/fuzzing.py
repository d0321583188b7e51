"""Mutations of files, each of which must be decoded or listed with a reason."""

from pathlib import Path

import numpy as np
from PIL import Image

from latentmap.images import open_images
from latentmap.run.executor import peak_memory


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


def fuzz_files(
    folder: Path, files: list[tuple[str, bytes]], n: int, seed: int, n_kept: int = 0, **options: object
) -> tuple[int, int, int]:
    """Decode ``n`` mutated files; how many were decoded, how many skipped, and the memory that it took, in bytes."""
    random = np.random.default_rng(seed)
    names = []
    for i in range(n):
        ending, data = files[random.integers(len(files))]
        names.append(f"{i:06d}.{ending}")
        other = files[random.integers(len(files))][1]
        kept, rest = data[:n_kept], data[n_kept:]  # first bytes, without which the format is not recognised
        (folder / names[-1]).write_bytes(kept + mutated(rest, other[n_kept:], random))
    Image.new("L", (16, 16), 200).save(folder / "good.png")
    with peak_memory() as peak:
        before = peak[0]
        collection = open_images(folder, size=32, frames=True, cache=folder.parent / "cache", **options)
    decoded = {path.partition("[")[0] for path in collection.paths}
    skipped = {path.partition("[")[0] for path, _ in collection.skipped}
    assert decoded | skipped == {*names, "good.png"}
    assert all(reason for _, reason in collection.skipped)
    assert collection.images.shape[1:3] == (32, 32)
    return len(decoded), len(skipped), peak[0] - before
