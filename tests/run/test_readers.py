"""atlas.parquet opens as it is in the tools that people have."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from latentmap.run import Run, RunOptions, make_run, tables


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    options = RunOptions(epochs=1, latent_dim=5, n_clusters=3)
    return make_run(images, tmp_path_factory.mktemp("run"), options, labels=[str(i % 3) for i in range(40)])


def atlas_of(run: Run) -> Path:
    return run.path / "atlas.parquet"


def test_pandas(run):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(atlas_of(run))
    np.testing.assert_array_equal(np.stack(frame["latent"]), run.latents())
    np.testing.assert_array_equal(frame["x"], run.map()[:, 0])
    picture = Image.open(io.BytesIO(frame["image"][7]["bytes"]))
    np.testing.assert_array_equal(np.asarray(picture), run.images().images[7])


def test_polars(run):
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(atlas_of(run))
    np.testing.assert_array_equal(frame["latent"].to_numpy(), run.latents())
    assert frame["label"].to_list() == [str(i % 3) for i in range(40)]
    assert frame.group_by("group").len()["len"].sum() == 40


def test_duckdb(run):
    duckdb = pytest.importorskip("duckdb")
    rows = duckdb.sql(f"select id, latent[1], octet_length(image.bytes) from '{atlas_of(run)}' order by id").fetchall()
    assert [row[0] for row in rows] == list(range(40))
    np.testing.assert_allclose([row[1] for row in rows], run.latents()[:, 0])
    assert all(row[2] > 50 for row in rows)


def test_a_column_is_read_whole_from_parts_with_and_without_nulls(tmp_path):
    values = [*range(5), None, *range(6, 12)]
    path = tmp_path / "table.parquet"
    pq.write_table(
        pa.table({"a": values, "b": pa.array([[float(i), 0.0] for i in range(12)], pa.list_(pa.float32(), 2))}),
        path,
        row_group_size=5,
    )
    np.testing.assert_array_equal(tables.read_column(path, "a"), [np.nan if one is None else one for one in values])
    np.testing.assert_array_equal(tables.read_column(path, "b")[:, 0], np.arange(12))
