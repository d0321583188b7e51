"""Latent vectors and errors by the kernels: those of torch's layers, for every network that training fuses."""

import numpy as np
import pytest
import torch

from latentmap.autoencoder.networks import build_network
from latentmap.autoencoder.training import fused_encoding
from latentmap.autoencoder.training.evaluation import (
    encode_with_errors,
    latent_vectors,
    map_batches,
    reconstruction_errors,
)
from latentmap.autoencoder.training.fused_layers import is_fusible
from latentmap.autoencoder.training.pixels import PixelScale

SHAPES = {"pyramid": (13, 9, 3), "dense": (6, 5, 1), "conv": (11, 14, 1), "vectors": (7,)}


def with_layers(network, images, scale):
    """Latent vectors and errors by torch's own layers."""
    latents = map_batches(network.encode, images, (network.latent_dim,), network, scale)
    shown = map_batches(network.decode, latents, network.image_shape, network)
    return latents, np.square(shown - scale.prepare(images) / scale.high).reshape(len(images), -1).mean(1)


@pytest.mark.parametrize("activation", ["elu", "relu", "leakyrelu", "tanh", "sigmoid", "silu", "gelu"])
@pytest.mark.parametrize("kind", list(SHAPES))
def test_they_are_those_of_the_layers(kind, activation):
    shape = SHAPES[kind]
    network = build_network("pyramid" if kind == "vectors" else kind, shape, 5, activation)
    generator = torch.Generator().manual_seed(0)
    network.initialize(generator, torch.rand(64, *shape, generator=generator))
    assert is_fusible(network) is (activation != "gelu")
    pixels = np.random.default_rng(0).integers(0, 256, (70, *shape), np.uint8)
    for images, scale in ((pixels, PixelScale(0, 255)), (pixels / np.float32(255), PixelScale(0, 1))):
        latents, errors = with_layers(network, images, scale)
        found = encode_with_errors(network, images, scale)
        assert found[0] == pytest.approx(latents, abs=1e-5)
        assert found[1] == pytest.approx(errors, abs=1e-6)
        assert np.array_equal(latent_vectors(network, images, scale), found[0])
        assert np.array_equal(reconstruction_errors(network, images, scale), found[1])


def test_parts_change_nothing_but_rounding(monkeypatch):
    network = build_network("pyramid", (8, 8, 1), 3, "silu")
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), np.uint8)
    expected = encode_with_errors(network, images, PixelScale(0, 255))
    monkeypatch.setattr(fused_encoding, "MAX_PART_SIZE", 7)
    monkeypatch.setattr(fused_encoding, "PARTS_PER_RELEASE", 2)
    for one, other in zip(encode_with_errors(network, images, PixelScale(0, 255)), expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_a_mapped_file_gives_the_same_and_threads_are_as_before(tmp_path):
    network = build_network("dense", (6, 5, 1), 3, "elu")
    images = np.random.default_rng(0).integers(0, 256, (300, 6, 5, 1), np.uint8)
    np.save(tmp_path / "images.npy", images)
    threads = torch.get_num_threads()
    mapped = latent_vectors(network, np.load(tmp_path / "images.npy", mmap_mode="r"), PixelScale(0, 255))
    assert np.array_equal(mapped, latent_vectors(network, images, PixelScale(0, 255)))
    assert torch.get_num_threads() == threads
