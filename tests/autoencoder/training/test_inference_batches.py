"""Batches of encoding on a device: the same results in any number of them, and smaller ones when memory runs out."""

import numpy as np
import pytest
import torch

from latentmap import Autoencoder
from latentmap.autoencoder.fitting import checkpoint_key
from latentmap.autoencoder.training import evaluation
from latentmap.autoencoder.training.evaluation import map_batches


@pytest.fixture(scope="module")
def model(bars):
    return Autoencoder("dense", latent_dim=4, epochs=1, device="cpu", random_state=0).fit(bars)


def encode(model, pixels, function=None):
    network = model.network_
    images = pixels[..., None]
    return map_batches(function or network.encode, images, (4,), network, model.scale_)


def test_torch_encodes_as_the_kernels_do(model, bars, monkeypatch):
    monkeypatch.setattr(evaluation, "INFERENCE_BATCH_SIZE", 64)
    np.testing.assert_allclose(encode(model, bars), model.transform(bars), atol=1e-5)


def test_batches_are_halved_when_memory_runs_out(model, bars):
    expected = encode(model, bars)
    sizes = []

    def function(x):
        if len(x) > 80:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(x))
        return model.network_.encode(x)

    with pytest.warns(UserWarning, match="out of memory: images are now processed in chunks of 75"):
        found = encode(model, bars, function)
    assert sizes == [75] * 4
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_batches_of_a_device_are_larger_but_bounded():
    size = evaluation._inference_batch_size
    assert [size(shape, torch.device("cpu")) for shape in ((28, 28), (8192, 8192))] == [512, 16]
    assert [size(shape, torch.device("meta")) for shape in ((28, 28), (512, 512), (8192, 8192))] == [4096, 64, 1]


def test_a_checkpoint_serves_every_device(bars):
    keys = {
        checkpoint_key({"epochs": 3} | given, bars, 0, warm=False)
        for given in ({"device": "auto"}, {"device": "cpu"}, {"device": "cuda:1"})
    }
    assert len(keys) == 1
    assert keys != {checkpoint_key({"epochs": 4, "device": "auto"}, bars, 0, warm=False)}


def test_a_model_is_loaded_onto_the_device_that_is_asked_for(model, tmp_path):
    model.save(tmp_path)
    assert Autoencoder.load(tmp_path, device="auto").device == "auto"
    assert Autoencoder.load(tmp_path).device == "cpu"
    with pytest.raises(ValueError, match="device='gpu' cannot be used: choose auto, cpu"):
        Autoencoder.load(tmp_path, device="gpu")
