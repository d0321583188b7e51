"""Files of labels, vectors and places, and the image that is asked about, at an address."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from latentmap.cli import app
from latentmap.core.errors import RunError, SourceError
from latentmap.images import open_images
from latentmap.images.remote.given_files import split_address
from latentmap.run import Run, RunOptions, make_run
from latentmap.run.adding import add_images
from remote_servers import web_server

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

N = 24
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.standard_normal((N, 5)).astype(np.float32)
PLACES = RANDOM.standard_normal((N, 2)).astype(np.float32)
OPTIONS = RunOptions(groups="kmeans", n_clusters=2)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "site"
    (folder / "in").mkdir(parents=True)
    for i in range(N):
        Image.fromarray(RANDOM.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / "in" / f"{i:02}.png")
    rows = "".join(f"{i:02}.png,{'even' if i % 2 == 0 else 'odd'}\n" for i in range(N))
    (folder / "labels.csv").write_text("path,label\n" + rows)
    np.savez(folder / "clip.npz", vectors=VECTORS, other=VECTORS * 2)
    np.save(folder / "places.npy", PLACES)
    (folder / "bad.csv").write_text("path,name\na,b\n")
    with web_server(folder) as server:
        yield folder, server.address


def test_labels_vectors_and_places_are_those_of_the_files(site, tmp_path):
    folder, address = site
    made = make_run(
        folder / "in",
        tmp_path / "run",
        OPTIONS,
        labels=f"{address}/labels.csv?token=se7ret",
        vectors=f"{address}/clip.npz:other",
        places=f"{address}/places.npy",
    )
    np.testing.assert_allclose(made.latents(), VECTORS * 2)
    np.testing.assert_allclose(made.map(), PLACES)
    assert made.images().labels[:2].tolist() == ["even", "odd"]
    state = (made.path / "run.json").read_text()
    assert "se7ret" not in state
    assert json.loads(state)["source"]["labels"] == f"{address}/labels.csv"
    assert not (made.path / "cache" / "downloads").exists()
    for i in range(2):
        Image.fromarray(RANDOM.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"new{i}.png")
    np.save(folder / "more.npy", VECTORS[:2] + 1)
    added = add_images(made.path, [str(folder / f"new{i}.png") for i in range(2)], vectors=f"{address}/more.npy")
    assert added.n_added == 2


def test_labels_of_open_images(site):
    folder, address = site
    assert open_images(folder / "in", labels=f"{address}/labels.csv").labels[:2].tolist() == ["even", "odd"]


def test_an_image_at_an_address_is_the_one_of_the_file(site, tmp_path):
    folder, address = site
    array = np.stack([np.asarray(Image.open(folder / "in" / f"{i:02}.png")) for i in range(N)])
    made = make_run(array, tmp_path / "run", RunOptions(epochs=1, latent_dim=3, features="latent"))
    assert made.similar(f"{address}/in/07.png", 3) == made.similar(folder / "in" / "07.png", 3)
    shown = CliRunner().invoke(app, ["similar", str(made.path), f"{address}/in/07.png", "-n", "1"])
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[1].startswith("7\t")
    with pytest.raises(RunError, match=r"/missing\.png: cannot be decoded \(.*\): pass an image file"):
        Run.open(made.path).similar(f"{address}/missing.png?sig=se7ret")


def test_what_is_not_there_or_no_such_file_is_a_sentence_with_the_address(site, tmp_path):
    folder, address = site
    for options, sentence in (
        ({"labels": f"{address}/none.csv"}, f"{address}/none.csv: .*pass the address of a file"),
        ({"labels": f"{address}/bad.csv"}, f"{address}/bad.csv: columns path, name: name the one with the labels"),
        ({"vectors": f"{address}/clip.npz:third"}, f"{address}/clip.npz: no array 'third'"),
    ):
        with pytest.raises(SourceError, match=sentence):
            make_run(folder / "in", tmp_path / "run", OPTIONS, **options)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("https://host:8080/a.npz?x=1:y", ("https://host:8080/a.npz?x=1", "y")),
        ("s3://bucket/a.parquet:x,y", ("s3://bucket/a.parquet", "x,y")),
        ("s3://bucket/a:b", ("s3://bucket/a:b", None)),
        ("https://host:8080/a.npy", ("https://host:8080/a.npy", None)),
    ],
)
def test_names_behind_an_address(given, parts):
    assert split_address(given) == parts
