"""Runs whose stages take no time, for tests of what is written, kept and swapped rather than of what is learned."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from latentmap.run import Run, RunOptions, make, tables
from latentmap.run.adding import Addition, adding_images
from latentmap.run.executor import run_stage
from latentmap.run.stages import write_results
from latentmap.run.work import Work

OPTIONS = RunOptions(epochs=1, latent_dim=3, n_clusters=3, features="latent")


def images(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (n, 6, 6), dtype=np.uint8)


def report(folder: Path) -> list[str]:
    (folder / "figures").mkdir(exist_ok=True)
    tables.write_table(folder / "figures" / "map.png", {"n": [len(Run(folder).images())]})
    return ["figures/map.png"]


def make_with_report(source, path, options, draw: Callable[[Path], list[str]], **settings) -> Run:
    """Make a run as map_images does, with a report that ``draw`` writes into the folder."""
    with make.making_run(source, path, options, **settings) as work:
        run_stage(work, "report", lambda work: [*write_results(work), *draw(work.folder)])
    return Run(path)


def add_with_report(path, source, draw: Callable[[Path], list[str]]) -> Addition:
    """Add images to a run as latentmap.add_images does, with a report that ``draw`` writes into the folder."""
    with adding_images(path, source) as (work, addition):
        run_stage(work, "report", lambda work: [*write_results(work), *draw(work.folder)])
    return addition


def quick_stages() -> dict[str, Callable]:
    """Stages that write what the real ones do, of values that depend on the options, without learning anything."""

    def train(work):
        (work.folder / "model").mkdir(exist_ok=True)
        tables.write_table(work.folder / "model" / "weights.safetensors", {"seed": [work.options.seed]})
        return ["model/weights.safetensors"]

    def encode(work):
        values = work.pixels.reshape(len(work.pixels), -1)[:, :3].astype(np.float32) + work.options.seed
        columns = {"latent": tables.vectors(values), "error": values[:, 0]}
        tables.write_table(work.folder / "latents.parquet", {"id": np.arange(len(values)), **columns})
        return ["latents.parquet"]

    def group(work):
        n = len(work.pixels)
        columns = {
            "group": np.arange(n, dtype=np.int32) % work.options.n_clusters,
            "confidence": np.ones(n, np.float32),
        }
        columns |= {"block": np.zeros(n, np.int32), "tree": np.full(n, "")}
        tables.write_table(work.folder / "groups.parquet", {"id": np.arange(n), **columns})
        return ["groups.parquet"]

    def map_(work):
        n = len(work.pixels)
        xy = np.arange(n, dtype=np.float32) * work.options.perplexity
        tables.write_table(work.folder / "map.parquet", {"id": np.arange(n), "x": xy, "y": xy})
        return ["map.parquet"]

    def find(work):
        n = len(work.pixels)
        ones = np.ones(n, np.float32)
        columns = {"id": np.arange(n), "isolation": ones, "outlier": ones, "is_outlier": ones > 1}
        tables.write_table(work.folder / "outliers.parquet", columns)
        none = np.zeros(0)
        pairs = {"id": none.astype(int), "duplicate_of": none.astype(int), "exact": none > 0}
        pairs |= {"distance": none.astype(np.float32), "difference": none.astype(np.float32)}
        tables.write_table(work.folder / "duplicates.parquet", pairs)
        return ["outliers.parquet", "duplicates.parquet"]

    def join(work):
        from latentmap.run.atlas import write_atlas

        write_atlas(work.folder, work.images, work.latents, {})
        return ["atlas.parquet", *report(work.folder)]

    decode = make.FUNCTIONS["decode"]
    return {
        **{"decode": decode, "train": train, "encode": encode, "group": group},
        "features": lambda work: [],
        **{"map": map_, "find": find, "report": join},
    }


def place(work: Work, part: Path, number: int) -> float:
    n = work.state["added"][number - 1]["n"]
    ones = np.ones(n, np.float32)
    columns = {"id": np.arange(n), "latent": tables.vectors(np.ones((n, 3), np.float32)), "error": ones}
    columns |= {"group": np.zeros(n, np.int32), "confidence": ones, "tree": np.full(n, "")}
    columns |= {"x": ones * work.options.perplexity, "y": ones, "isolation": ones, "outlier": ones}
    columns |= {"duplicate_of": np.zeros(n, np.int64), "strange": ones > 1, "added": np.full(n, number, np.int16)}
    tables.write_table(part / "placed.parquet", columns)
    return 0.0
