"""Runs on another device than the CPU: the same tables, the same keys, and a record of the device.

Tests have no GPU. The work is done by the operations of torch that a GPU would do, on the CPU.
"""

import json

import numpy as np
import pytest
import torch
from quick_runs import OPTIONS, images
from typer.testing import CliRunner

from latentmap import add_images, map_images
from latentmap.autoencoder.training import evaluation, loop
from latentmap.cli import app
from latentmap.core.errors import InputError
from latentmap.neighbors import search
from latentmap.run import Run, RunOptions, make_run, tables
from latentmap.tsne import estimator


def patch_devices(patch):
    """Make every named device one that torch has and that is the CPU, without the kernels of the CPU."""
    for module in (loop, evaluation):
        patch.setattr(module, "is_fusible", lambda network: False)
    for module in (search, estimator):
        patch.setattr(module, "accelerator", lambda name: None if name == "cpu" else torch.device("cpu"))


def squares(n=60):
    """Grey images with a bright square at one of three places."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 40, (n, 8, 8), dtype=np.uint8)
    for image, place in zip(pixels, np.arange(n) % 3, strict=True):
        image[2 * place : 2 * place + 3, 2 * place : 2 * place + 3] = 230
    return pixels


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run by the kernels of the CPU, and by the operations of torch."""
    folder = tmp_path_factory.mktemp("devices")
    settings = {"epochs": 1, "latent_dim": 4, "features": "latent", "precision": "float32", "quiet": True}
    kernels = map_images(squares(), folder / "cpu", device="cpu", **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch_devices(patch)
        return kernels, map_images(squares(), folder / "torch", **settings)


def column(run, file, name):
    return tables.read_column(run.path / file, name)


def test_the_tables_are_the_same_within_rounding(runs):
    kernels, ours = runs
    for name in ("latent", "error"):
        expected = column(kernels, "latents.parquet", name)
        np.testing.assert_allclose(column(ours, "latents.parquet", name), expected, atol=1e-3 * abs(expected).max())
    near, expected = (column(run, "neighbors.parquet", "neighbors") for run in (ours, kernels))
    assert (near == expected).mean() > 0.95  # nearly equal distances change places
    np.testing.assert_array_equal(column(ours, "groups.parquet", "group"), column(kernels, "groups.parquet", "group"))
    found, known = (json.loads((run.path / "metrics.json").read_bytes()) for run in (ours, kernels))
    assert found["reconstruction_error"] == pytest.approx(known["reconstruction_error"], rel=1e-3)
    assert found["trustworthiness"] == pytest.approx(known["trustworthiness"], abs=0.05)


def test_the_device_is_recorded_and_the_keys_do_not_depend_on_it(runs):
    kernels, ours = runs
    assert [run.state["options"]["device"] for run in runs] == ["cpu", "auto"]
    assert [run.state["device"] for run in runs] == ["cpu", "cpu"]
    assert all(kernels.stages[name]["key"] == ours.stages[name]["key"] for name in kernels.stages)


def test_a_model_of_the_cpu_stays_there_and_others_go_wherever_they_are_loaded(runs):
    assert [run.model().device for run in runs] == ["cpu", "auto"]


def test_another_device_repeats_nothing(quick, tmp_path):
    said = []
    make_run(images(8, 0), tmp_path / "run", OPTIONS)
    make_run(images(8, 0), tmp_path / "run", RunOptions(**OPTIONS.as_dict() | {"device": "cpu"}), say=said.append)
    stages = ("decode", "train", "encode", "features", "map", "group", "find", "report")
    assert [line for line in said if "kept" in line] == [f"{stage}: kept" for stage in stages]


def test_runs_from_before_there_were_devices_open_and_repeat_nothing(quick, tmp_path):
    make_run(images(8, 0), tmp_path / "run", OPTIONS)
    state = json.loads((tmp_path / "run" / "run.json").read_bytes())
    del state["device"], state["options"]["device"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(state))
    assert Run.open(tmp_path / "run").options.device == "auto"
    said = []
    make_run(images(8, 0), tmp_path / "run", OPTIONS, say=said.append)
    assert not [line for line in said if "done in" in line]


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_a_device_that_is_not_here_ends_the_run_before_it_begins(tmp_path):
    with pytest.raises(InputError, match="device='cuda' cannot be used: torch .* sees only cpu"):
        map_images(squares(), tmp_path / "run", device="cuda", quiet=True)
    assert not (tmp_path / "run").exists()
    np.save(tmp_path / "images.npy", squares())
    result = CliRunner().invoke(
        app, ["run", str(tmp_path / "images.npy"), "-o", str(tmp_path / "run"), "--device", "cuda:1"]
    )
    assert result.exit_code == 2
    assert "latentmap: device='cuda:1' cannot be used: torch" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_images_are_added_to_a_run_of_a_machine_with_a_gpu(runs):
    path = runs[1].path
    state = json.loads((path / "run.json").read_bytes())
    state["options"]["device"], state["device"] = "cuda:1", "cuda:1 (NVIDIA X1)"
    (path / "run.json").write_text(json.dumps(state))
    addition = add_images(path, squares(63)[60:], quiet=True)
    assert addition.n_added == 3
    assert Run.open(path).state["device"] == "cuda:1 (NVIDIA X1)"


def test_the_name_of_the_device_is_said(quick, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("latentmap.run.make.describe_device", lambda device: "cuda (NVIDIA X1)")
    make_run(images(8, 0), tmp_path / "run", OPTIONS, say=said.append)
    assert said[0] == "  on cuda (NVIDIA X1)"
    assert Run.open(tmp_path / "run").state["device"] == "cuda (NVIDIA X1)"
