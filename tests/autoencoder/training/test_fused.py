"""Fused engine: gradients equal autograd and steps equal torch's Adam, in parts and on several threads."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from latentmap.autoencoder.networks import build_network
from latentmap.autoencoder.training import fused
from latentmap.autoencoder.training.adam import EPSILON
from latentmap.autoencoder.training.autograd import AutogradEngine
from latentmap.autoencoder.training.fused import FusedEngine
from latentmap.autoencoder.training.fused_layers import is_fusible

ACTIVATIONS = ["elu", "relu", "leakyrelu", "tanh", "sigmoid", "silu"]


def make(name: str, shape: tuple[int, ...], activation: str = "elu", n: int = 40) -> tuple[torch.nn.Module, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)
    network = build_network(name, shape, 5, activation)
    network.initialize(torch.Generator().manual_seed(1), torch.from_numpy(pixels).float() / 255)
    return network, pixels


def gradients(network: torch.nn.Module, x: np.ndarray, target: np.ndarray) -> tuple[float, dict[str, torch.Tensor]]:
    unit = [torch.from_numpy(part / np.float32(255) if part.dtype == np.uint8 else part) for part in (x, target)]
    loss = network.loss(*unit, progress=1.0)
    found = torch.autograd.grad(loss, list(network.parameters()))
    return float(loss), dict(zip(dict(network.named_parameters()), found, strict=True))


def gradient_of_first_step(engine: FusedEngine | AutogradEngine) -> dict[str, torch.Tensor]:
    """Return ten times Adam's first moments, which is the gradient after one step."""
    return {
        name.removeprefix("exp_avg."): 10 * x for name, x in engine.state_dict().items() if name.startswith("exp_avg.")
    }


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["dense", "conv", "pyramid"]),
    height=st.integers(1, 19),
    width=st.integers(1, 19),
    channels=st.integers(1, 3),
    n=st.integers(1, 90),
    activation=st.sampled_from(ACTIVATIONS),
    floats=st.booleans(),
)
@example("pyramid", 3, 10, 3, 1, "elu", False)  # an error far below the cross entropy
def test_gradient_equals_autograd(name, height, width, channels, n, activation, floats):
    network, pixels = make(name, (height, width, channels), activation, n)
    target = pixels / np.float32(255) if floats else pixels
    inputs = target if n % 2 else np.clip(target + np.float32(0.1), 0, 1).astype(np.float32) if floats else 255 - target
    loss, expected = gradients(network, inputs, target)
    engine = FusedEngine(network, torch.float32)
    assert engine.step(inputs, target, 1e-3, 1.0) == pytest.approx(loss, rel=1e-4)
    for key, found in gradient_of_first_step(engine).items():
        torch.testing.assert_close(found, expected[key], rtol=1e-3, atol=2e-5 * float(expected[key].abs().max()) + 1e-7)
    engine.close()


@pytest.mark.parametrize("name", ["dense", "conv", "pyramid"])
def test_bfloat16_gives_the_gradient_to_a_few_percent(name):
    network, pixels = make(name, (28, 28, 1))
    _, expected = gradients(network, pixels, pixels)
    engine = FusedEngine(network, torch.bfloat16)
    engine.step(pixels, pixels, 1e-3, 1.0)
    found = torch.cat([x.flatten() for x in gradient_of_first_step(engine).values()])
    wanted = torch.cat([x.flatten() for x in expected.values()])
    assert float((found - wanted).norm() / wanted.norm()) < 0.05


@pytest.mark.parametrize("name", ["dense", "conv", "pyramid"])
@pytest.mark.parametrize("max_grad_norm", [None, 1e-3])
@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 3e-3), ("muon", 2e-2)])
def test_steps_equal_those_of_autograd(name, max_grad_norm, optimizer, rate):
    networks = [make(name, (12, 12, 1))[0] for _ in range(2)]
    pixels = make(name, (12, 12, 1))[1]
    before = torch.cat([p.detach().flatten() for p in networks[0].parameters()])
    ours, torchs = (
        engine(network, torch.float32, max_grad_norm, optimizer=optimizer)
        for engine, network in zip((FusedEngine, AutogradEngine), networks, strict=True)
    )
    for number in range(6):
        batch = pixels[5 * number : 5 * number + 8]
        assert ours.step(batch, batch, rate, 1.0) == pytest.approx(torchs.step(batch, batch, rate, 1.0), rel=1e-3)
    ours.close()
    for a, b in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=5e-4 if optimizer == "muon" else 2e-4)
    after = torch.cat([p.detach().flatten() for p in networks[0].parameters()])
    assert float((after - before).norm() / before.norm()) > 0.01
    assert EPSILON == 1e-7


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_and_threads_change_only_rounding(monkeypatch, dtype):
    found = []
    for part_bytes, threads in ((2**25, 1), (2**25, 3), (1, 2), (40_000, 1)):
        monkeypatch.setattr(fused, "MAX_PART_BYTES", part_bytes)
        monkeypatch.setattr(fused, "MIN_CHUNK_SIZE", 4)
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        network, pixels = make("pyramid", (20, 20, 1), n=50)
        engine = FusedEngine(network, dtype)
        losses = [engine.step(pixels[:k], pixels[:k], 1e-3, 1.0) for k in (50, 7, 33)]
        engine.close()
        found.append((losses, torch.cat([p.detach().flatten() for p in network.parameters()])))
    for losses, weights in found[1:]:
        assert losses == pytest.approx(found[0][0], rel=1e-4 if dtype == torch.float32 else 1e-2)
        assert float((weights - found[0][1]).abs().mean()) < (1e-5 if dtype == torch.float32 else 1e-3)


def test_padding_does_not_count_in_the_loss():
    network, pixels = make("conv", (5, 6, 1))
    engine = FusedEngine(network, torch.float32)
    loss, _ = gradients(network, pixels, pixels)
    assert engine.step(pixels, pixels, 1e-9, 1.0) == pytest.approx(loss, rel=1e-5)


def test_wide_layers_have_a_lower_rate():
    network, pixels = make("conv", (128, 128, 1), n=3)
    before = {name: values.detach().clone() for name, values in network.named_parameters()}
    engine = FusedEngine(network, torch.float32)
    engine.step(pixels, pixels, 1e-3, 1.0)
    engine.close()
    step = {name: float((values - before[name]).abs().max()) for name, values in network.named_parameters()}
    assert step["conv_1.weight"] == pytest.approx(1e-3, rel=0.02)
    assert step["dense.weight"] == pytest.approx(1e-3 * 4096 / (32 * 32 * 64), rel=0.02)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_state_is_exchanged_between_the_engines(optimizer):
    network, pixels = make("conv", (8, 8, 1))
    ours = FusedEngine(network, torch.float32, optimizer=optimizer)
    for _ in range(3):
        ours.step(pixels, pixels, 1e-3, 1.0)
    state = {name: values.clone() for name, values in ours.state_dict().items()}
    weights = {name: values.clone() for name, values in network.state_dict().items()}
    ours.step(pixels, pixels, 1e-3, 1.0)
    ours.close()
    expected = torch.cat([p.detach().flatten() for p in network.parameters()])
    for kind in (FusedEngine, AutogradEngine):
        engine = kind(network, torch.float32, optimizer=optimizer)
        network.load_state_dict(weights)
        engine.load_state_dict(state)
        engine.step(pixels, pixels, 1e-3, 1.0)
        engine.close()
        found = torch.cat([p.detach().flatten() for p in network.parameters()])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_parameters_have_their_own_memory_after_close():
    network, pixels = make("dense", (6, 6, 1))
    engine = FusedEngine(network, torch.bfloat16)
    engine.step(pixels, pixels, 1e-3, 1.0)
    engine.close()
    assert len({p.untyped_storage().data_ptr() for p in network.parameters()}) == len(list(network.parameters()))


def test_torchs_number_of_threads_is_restored():
    network, pixels = make("dense", (6, 6, 1))
    before = torch.get_num_threads()
    FusedEngine(network, torch.float32).step(pixels, pixels, 1e-3, 1.0)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("name", "activation", "expected"),
    [("pyramid", "elu", True), ("conv", "silu", True), ("dense", "softplus", False), ("variational", "elu", False)],
)
def test_supported_networks(name, activation, expected):
    assert is_fusible(build_network(name, (8, 8, 1), 3, activation)) is expected
