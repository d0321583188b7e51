"""Networks: the patch form equals torch's convolutions, and the initialisation scales activations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from latentmap.autoencoder.networks import ConvNetwork, DenseNetwork, PyramidNetwork, build_network
from latentmap.autoencoder.networks.activations import make_activation
from latentmap.autoencoder.networks.initialization import PREACTIVATION_STD, most_linear_mean


def torch_twin(network: ConvNetwork) -> nn.Sequential:
    """The same autoencoder from torch's own layers, with the same weights; takes and gives (n, c, h, w)."""
    channels = network.image_shape[2]
    rows, columns = network.rows, network.columns
    twin = nn.Sequential(
        nn.Conv2d(channels, 32, 2, 2),
        nn.ELU(),
        nn.Conv2d(32, 64, 2, 2),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(64 * rows * columns, network.latent_dim),
        nn.ELU(),
        nn.Linear(network.latent_dim, 64 * rows * columns),
        nn.ELU(),
        nn.Unflatten(1, (64, rows, columns)),
        nn.ConvTranspose2d(64, 32, 2, 2),
        nn.ELU(),
        nn.ConvTranspose2d(32, channels, 2, 2),
        nn.Sigmoid(),
    )
    with torch.no_grad():
        for index, layer in ((0, network.conv), (2, network.conv_1)):  # (out, 2·2·in) → (out, in, 2, 2)
            weight = layer.weight.view(layer.out_features, 2, 2, -1)
            twin[index].weight.copy_(weight.permute(0, 3, 1, 2))
            twin[index].bias.copy_(layer.bias)
        # torch flattens channels first, we channels last
        order = torch.arange(64 * rows * columns).view(rows, columns, 64).permute(2, 0, 1).flatten()
        twin[5].weight.copy_(network.dense.weight[:, order])
        twin[5].bias.copy_(network.dense.bias)
        twin[7].weight.copy_(network.dense_1.weight[order])
        twin[7].bias.copy_(network.dense_1.bias[order])
        for index, layer in ((10, network.conv_transpose), (12, network.conv_transpose_1)):  # (2·2·out, in)
            weight = layer.weight.view(2, 2, len(layer.bias), -1)
            twin[index].weight.copy_(weight.permute(3, 2, 0, 1))
            twin[index].bias.copy_(layer.bias)
    return twin


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 5), channels=st.integers(1, 4), latent_dim=st.integers(1, 9))
def test_patch_form_equals_torchs_convolutions(rows, columns, channels, latent_dim):
    network = ConvNetwork((4 * rows, 4 * columns, channels), latent_dim, "elu")
    generator = torch.Generator().manual_seed(rows)
    images = torch.rand(6, *network.image_shape, generator=generator)
    network.initialize(generator, images)
    expected = torch_twin(network)(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 13), width=st.integers(1, 13), channels=st.integers(1, 3))
def test_padding_is_cropped_again(height, width, channels):
    network = ConvNetwork((height, width, channels), 3, "elu")
    images = torch.rand(2, height, width, channels)
    assert torch.equal(network.unflatten(network.flatten(images)), images)


@pytest.mark.parametrize("name", ["dense", "conv"])
@pytest.mark.parametrize("activation", ["elu", "relu", "tanh"])
def test_activations_start_in_their_most_linear_part(name, activation):
    network = build_network(name, (16, 12, 3), 8, activation)
    generator = torch.Generator().manual_seed(0)
    sample = torch.rand(500, 16, 12, 3, generator=generator) ** 3
    received: list[torch.Tensor] = []
    for module in network.modules():
        if type(module) is type(make_activation(activation)):
            module.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0].clone()))
    network.initialize(generator, sample)
    received.clear()
    with torch.no_grad():
        output = network(sample)
    assert len(received) == (2 if name == "dense" else 5)
    for values in received:
        assert float(values.std()) == pytest.approx(PREACTIVATION_STD, rel=0.01)
        assert float(values.mean()) == pytest.approx(0.0 if activation == "tanh" else 1.0, abs=0.01)
    assert float(output.mean()) == pytest.approx(float(sample.mean()), abs=0.05)


def test_every_latent_dimension_starts_active():
    network = DenseNetwork((10, 10, 1), 16, "relu")
    generator = torch.Generator().manual_seed(0)
    sample = torch.rand(300, 10, 10, 1, generator=generator)
    network.initialize(generator, sample)
    assert float((network.encode(sample) > 0).float().mean(0).min()) > 0.5


@pytest.mark.parametrize(("activation", "mean"), [("relu", 1), ("elu", 1), ("gelu", 1), ("tanh", 0), ("sigmoid", 0)])
def test_most_linear_part_of_known_activations(activation, mean):
    assert most_linear_mean(make_activation(activation)) == mean


def test_same_generator_gives_the_same_weights():
    sample = torch.rand(20, 8, 8, 1)
    weights = []
    for _ in range(2):
        network = ConvNetwork((8, 8, 1), 3, "elu")
        network.initialize(torch.Generator().manual_seed(5), sample)
        weights.append(np.concatenate([p.detach().numpy().ravel() for p in network.parameters()]))
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize(
    ("shape", "levels"), [((28, 28, 1), 3), ((256, 256, 3), 6), ((8, 8, 1), 1), ((4, 9, 3), 0), ((1000, 10, 1), 2)]
)
def test_the_pyramid_pads_little_whatever_the_shape(shape, levels):
    network = PyramidNetwork(shape, 3, "elu")
    assert network.n_levels == levels
    size = network.flatten(torch.zeros(1, *shape)).numel()
    assert size <= 1.4 * np.prod(shape)
    assert sum(p.numel() for p in network.parameters()) < 15e6
