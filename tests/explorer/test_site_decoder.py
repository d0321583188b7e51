"""A folder of static files with a decoder has what the page needs to draw what the server draws."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import latentmap
from latentmap.core.errors import MissingPackageError, RunError
from latentmap.explorer import export_site, site_decoder
from latentmap.explorer.atlas_view import AtlasView
from latentmap.images.pixel_types import as_pixels
from latentmap.run import RunOptions, make_run

onnxruntime = pytest.importorskip("onnxruntime")
N = 40


def deep_images(n: int) -> np.ndarray:
    """Images of two channels of 16 bits."""
    return np.random.default_rng(0).integers(0, 60_000, (n, 8, 8, 2)).astype(np.uint16)


@pytest.fixture(scope="module")
def of_vectors(tmp_path_factory) -> Path:
    """A run of given vectors with a decoder to channels."""
    path = tmp_path_factory.mktemp("vectors") / "run"
    vectors = np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32)
    options = RunOptions(epochs=1, decoder=True, network="dense", perplexity=5.0, n_clusters=2, groups="kmeans")
    make_run(deep_images(N), path, options, vectors=vectors)
    return path


def latents_of(site: Path) -> np.ndarray:
    files = sorted((site / "data" / "latents").glob("*.bin"))
    parts = [pa.ipc.open_stream(gzip.decompress(file.read_bytes())).read_all() for file in files]
    return pa.concat_tables(parts)["latent"].to_numpy()


@pytest.mark.parametrize("kind", ["network", "vectors"])
def test_the_network_and_the_vectors_draw_what_the_server_draws(kind, finished, of_vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(site_decoder, "N_BYTES_OF_LATENTS", 2**9)
    run = finished if kind == "network" else of_vectors
    site, data = export_site(run, tmp_path / "out", decoder=True), AtlasView(run)
    facts = json.loads((site / "data" / "site.json").read_bytes())
    assert facts["hasDecoder"]
    rows = facts["site"]["decoder"]["rows"]
    assert len(list((site / "data" / "latents").glob("*.bin"))) == -(-data.n // rows) > 1
    latents = latents_of(site).reshape(data.n, -1)
    np.testing.assert_array_equal(latents, data.latents[data.order])
    network = gzip.decompress((site / "data" / "decoder" / "network.bin").read_bytes())
    session = onnxruntime.InferenceSession(network)
    drawn = np.concatenate([session.run(None, {session.get_inputs()[0].name: one[None]})[0] for one in latents[:5]])
    largest = facts["site"]["decoder"]["largest"]
    assert largest == (255 if kind == "network" else 65535)
    expected = data.draw(data.latents[data.order[:5]])
    found = as_pixels(drawn, data.run.pixel_dtype).reshape(expected.shape)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= largest // 255
    for place in (str(Path(latentmap.__file__).parent), sys.prefix):
        assert place.encode() not in network


def test_the_runtime_is_that_of_the_licence_beside_it(finished, tmp_path):
    site = export_site(finished, tmp_path / "out", decoder=True)
    folder = site / "data" / "decoder"
    code = (folder / "onnxruntime.js").read_bytes()
    version = code.split(b"ONNX Runtime Web v")[1].split()[0].decode()
    assert f"ONNX Runtime Web {version}," in (folder / "LICENSE.txt").read_text(encoding="utf-8")
    assert gzip.decompress((folder / "onnxruntime.bin").read_bytes())[:4] == b"\0asm"


def test_without_being_asked_for_nothing_of_a_decoder_is_there(finished, tmp_path):
    site = export_site(finished, tmp_path / "out")
    facts = json.loads((site / "data" / "site.json").read_bytes())
    assert not facts["hasDecoder"]
    assert "decoder" not in facts["site"]
    assert not (site / "data" / "decoder").exists()
    assert not (site / "data" / "latents").exists()


def test_what_cannot_be_decoded_ends_as_a_sentence(finished, tmp_path, monkeypatch):
    vectors = np.random.default_rng(1).normal(size=(N, 5)).astype(np.float32)
    options = RunOptions(perplexity=5.0, n_clusters=2, groups="kmeans")
    make_run(deep_images(N), tmp_path / "run", options, vectors=vectors)
    out = tmp_path / "www" / "out"
    with pytest.raises(RunError, match="nothing can be decoded: leave out --decoder"):
        export_site(tmp_path / "run", out, decoder=True)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"latentmap\[onnx\]"):
        export_site(finished, out, decoder=True)
    assert list(out.parent.iterdir()) == []
