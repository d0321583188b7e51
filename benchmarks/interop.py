"""Opens a run's atlas.parquet as it is with the tools that it is made for, and its exports with theirs.

Run with ``python -m benchmarks.interop RUN`` where pandas, polars, duckdb, datasets and embedding-atlas are installed.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.record import RESULTS, machine

PORT = 18765


def pandas(atlas: Path) -> dict[str, Any]:
    import pandas as pd

    frame = pd.read_parquet(atlas)
    return {"rows": len(frame), "columns": list(frame.columns), "dimensions": len(frame["latent"][0])}


def polars(atlas: Path) -> dict[str, Any]:
    import polars as pl

    frame = pl.read_parquet(atlas)
    return {"rows": frame.height, "columns": frame.columns, "latent": str(frame["latent"].dtype)}


def duckdb(atlas: Path) -> dict[str, Any]:
    import duckdb as db

    rows = db.sql(f"select count(*), count(image.bytes), max(len(latent)) from '{atlas}'").fetchall()
    (counts,) = rows
    return dict(zip(("rows", "pictures", "dimensions"), counts, strict=True))


def datasets(atlas: Path) -> dict[str, Any]:
    from datasets import Image, load_dataset

    data = load_dataset("parquet", data_files=str(atlas), split="train").cast_column("image", Image())
    return {"rows": len(data), "picture": list(data[0]["image"].size), "dimensions": len(data[0]["latent"])}


def imagefolder(atlas: Path) -> dict[str, Any]:
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "latentmap", "export", str(atlas.parent), "imagefolder", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        data = load_dataset("imagefolder", data_dir=str(out), split="train")
        return {"rows": len(data), "columns": data.column_names, "picture": list(data[0]["image"].size)}


def embedding_atlas(atlas: Path) -> dict[str, Any]:
    """Its server is started on the file, and asked for what it serves."""
    command = ["embedding-atlas", str(atlas), "--image", "image", "--x", "x", "--y", "y", "--port", str(PORT)]
    # a browser is asked for nothing, and models for nothing: the places are there
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            time.sleep(0.5)
            try:
                with urllib.request.urlopen(f"http://localhost:{PORT}/data/metadata.json") as answer:
                    metadata = json.load(answer)
                break
            except OSError:
                continue
        with urllib.request.urlopen(f"http://localhost:{PORT}/data/dataset.parquet") as answer:
            table = pq.read_table(io.BytesIO(answer.read()))
        return {"rows": len(table), "places": metadata.get("props", metadata).get("data", {}).get("projection")}
    finally:
        process.terminate()
        process.wait()


READERS = {
    "pandas": pandas,
    "polars": polars,
    "duckdb": duckdb,
    "datasets": datasets,
    "datasets imagefolder": imagefolder,
    "embedding-atlas": embedding_atlas,
}


def main() -> None:
    atlas = (Path(sys.argv[1]) / "atlas.parquet").resolve()
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    results = {}
    for name, read in READERS.items():
        results[name] = {"version": version(name.split()[0]), **read(atlas)}
        print(name, results[name], flush=True)
        assert results[name]["rows"] == pq.read_metadata(atlas).num_rows
    record = {"command": "python -m benchmarks.interop RUN", "machine": machine(), "results": results}
    path = RESULTS / "interop.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
