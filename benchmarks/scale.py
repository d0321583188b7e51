"""`latentmap run` on 10,000, 100,000 and 1,000,000 images of 32×32: seconds and peak memory of each stage.

Run with ``python -m benchmarks.scale``, or with the numbers to try behind it. The images are letters and figures of
the Noto fonts, turned, sheared and shifted at random, kept as PNG files in one Parquet table for each number.
``python -m benchmarks.scale features`` measures the visual features of a million images of 28×28 instead: MNIST,
shifted at random and with noise, in a memory-mapped file.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import latentmap as lm
from benchmarks.collections import glyphs
from benchmarks.labelled.packages import DATA
from benchmarks.record import load, peak_memory, save
from latentmap.run.stages.features_stage import N_FEW_COMPONENTS

SIZES = (10_000, 100_000, 1_000_000)
EPOCHS = 2
CHUNK = 10_000
MAX_SHIFT = 2
NOISE = 8
FEATURES_OF = "features-of"  # the argument of the process that computes features
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "scale.png"


def make_table(n: int) -> Path:
    """A Parquet table of ``n`` different pictures, unless it is there."""
    path = DATA / f"glyphs-{n}.parquet"
    if path.exists():
        return path
    drawn = [Image.fromarray(image) for part in glyphs() for image in part]
    random = np.random.default_rng(n)
    schema = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))])
    temporary = path.with_suffix(".tmp")
    with pq.ParquetWriter(temporary, schema, compression="none") as writer:
        for begin in range(0, n, CHUNK):
            rows = [{"bytes": _deformed(drawn, random), "path": f"{i:07d}.png"} for i in range(begin, begin + CHUNK)]
            writer.write_table(pa.table({"image": rows}, schema))
    temporary.replace(path)
    return path


def _deformed(drawn: list[Image.Image], random: np.random.Generator) -> bytes:
    import io

    a, b, c, d = np.eye(2).ravel() + random.normal(scale=0.12, size=4)
    x, y = random.normal(scale=1.5, size=2)
    matrix = (a, b, 16 - 16 * (a + b) + x, c, d, 16 - 16 * (c + d) + y)
    picture = drawn[random.integers(len(drawn))].transform(
        (32, 32), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def measure(n: int) -> dict[str, Any]:
    """One run from the table to the report."""
    source, out = make_table(n), DATA / f"run-{n}"
    shutil.rmtree(out, ignore_errors=True)
    begun = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "latentmap",
        "run",
        str(source),
        "-o",
        str(out),
        "--epochs",
        str(EPOCHS),
        "--quiet",
    ]
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - begun
    state = json.loads((out / "run.json").read_bytes())
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    figures: dict[str, Any] = {
        "n": n,
        "epochs": EPOCHS,
        "seconds": seconds,
        "disk_mb": disk / 1e6,
        "stages": {
            name: {"seconds": record["seconds"], "peak_memory_mb": record["peak_memory_mb"]}
            for name, record in state["stages"].items()
        },
    }
    figures["peak_memory_mb"] = max(record["peak_memory_mb"] for record in figures["stages"].values())
    return figures


def make_array(n: int) -> Path:
    """A file of ``n`` different images of 28×28, unless it is there."""
    path = DATA / f"digits-{n}.npy"
    if path.exists():
        return path
    digits = np.pad(lm.load_mnist("all")[0], ((0, 0), (MAX_SHIFT, MAX_SHIFT), (MAX_SHIFT, MAX_SHIFT)))
    random = np.random.default_rng(n)
    temporary = path.with_suffix(".tmp")
    array = np.lib.format.open_memmap(temporary, "w+", np.uint8, (n, 28, 28))
    for begin in range(0, n, CHUNK):
        rows = np.arange(begin, min(begin + CHUNK, n))
        down, right = random.integers(2 * MAX_SHIFT + 1, size=(2, len(rows), 1)) + np.arange(28)
        shifted = digits[(rows % len(digits))[:, None, None], down[:, :, None], right[:, None, :]]
        noise = random.integers(-NOISE, NOISE + 1, shifted.shape, np.int16)
        array[rows] = np.clip(shifted + noise, 0, 255)
    array.flush()
    temporary.replace(path)
    return path


def measure_features(n: int) -> dict[str, Any]:
    """Visual features as a run computes them, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", FEATURES_OF, str(make_array(n))]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def _features_of(path: Path) -> dict[str, Any]:
    images = np.load(path, mmap_mode="r")
    begun, worked = time.perf_counter(), time.process_time()
    features = lm.ImageFeatures(n_components=N_FEW_COMPONENTS, random_state=0).fit_transform(images)
    return {
        "n": len(images),
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - worked,
        "peak_memory_mb": peak_memory() / 2**20,
        "input_mb": images.nbytes / 2**20,
        "output_mb": features.nbytes / 2**20,
    }


def draw(results: list[dict[str, Any]]) -> None:
    """Seconds of each stage against the number of images."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    n = [one["n"] for one in results]
    for stage in results[0]["stages"]:
        left.plot(n, [one["stages"][stage]["seconds"] for one in results], "o-", label=stage)
    left.plot(n, [results[-1]["seconds"] * size / n[-1] for size in n], ":", color="#9aa3ad", label="linear")
    left.set(xscale="log", yscale="log", xlabel="images of 32×32", ylabel="seconds", title="Time of each stage")
    left.legend(fontsize=8)
    for stage in results[0]["stages"]:
        right.plot(n, [one["stages"][stage]["peak_memory_mb"] / 1024 for one in results], "o-", label=stage)
    right.axhline(2, color="#9aa3ad", linestyle=":")
    right.set(xscale="log", xlabel="images of 32×32", ylabel="GiB", ylim=(0, 2.6), title="Peak memory of each stage")
    figure.savefig(FIGURE, dpi=110)


def main() -> None:
    """Measure whole runs, or the features alone."""
    if sys.argv[1:2] == [FEATURES_OF]:
        print(json.dumps(_features_of(Path(sys.argv[2]))))
    elif sys.argv[1:] == ["features"]:
        _save(features=measure_features(SIZES[-1]))
    else:
        _measure_runs([int(size) for size in sys.argv[1:]] or list(SIZES))


def _measure_runs(sizes: list[int]) -> None:
    results = []
    for n in sizes:
        results.append(measure(n))
        print(json.dumps(results[-1]), flush=True)
    if tuple(sizes) == SIZES:
        _save(rows=results)
        draw(results)


def _save(**measured: Any) -> None:
    """Write these results, and keep the others."""
    try:
        known = load("scale")["results"]
    except FileNotFoundError:
        known = {}
    print(save("scale", known | measured))


if __name__ == "__main__":
    main()
