"""Kernels between two products: equal to NumPy in float64, within the precision of float32 and bfloat16."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from latentmap.autoencoder.training import elementwise as kernels

# Kind, its parameter, and torch's module.
KINDS = [
    (kernels.IDENTITY, 0.0, nn.Identity()),
    (kernels.ELU, 1.0, nn.ELU()),
    (kernels.ELU, 0.3, nn.ELU(0.3)),
    (kernels.LEAKY_RELU, 0.0, nn.ReLU()),
    (kernels.LEAKY_RELU, 0.01, nn.LeakyReLU()),
    (kernels.TANH, 0.0, nn.Tanh()),
    (kernels.SIGMOID, 0.0, nn.Sigmoid()),
    (kernels.SILU, 0.0, nn.SiLU()),
]
DTYPES = {torch.float32: 2e-6, torch.bfloat16: 2e-2}


def stored(values: NDArray[np.float64], dtype: torch.dtype) -> NDArray[np.generic]:
    tensor = torch.tensor(values, dtype=torch.float32).to(dtype)
    return (tensor.view(torch.uint16) if dtype == torch.bfloat16 else tensor).numpy().copy()


def read(values: NDArray[np.generic], dtype: torch.dtype) -> NDArray[np.float64]:
    return torch.from_numpy(values).view(dtype).double().numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "alpha", "module"), KINDS)
def test_activation_and_its_gradient_equal_torchs(kind, alpha, module, dtype):
    random = np.random.default_rng(0)
    z, dy = random.normal(size=(2, 7, 37)) * 4
    z[0, :4] = -300, 300, 0, -1e-3
    bias = random.normal(size=37).astype(np.float32)
    product, slope = stored(z, dtype), stored(dy, dtype)
    x = torch.tensor(read(product, dtype) + bias, requires_grad=True)
    expected = module(x)
    expected.backward(torch.tensor(read(slope, dtype)))
    y = np.empty_like(product) if kind == kernels.SILU else product
    if kind == kernels.SILU:
        kernels.activate_silu(product, bias, y)
    else:
        kernels.activate(kind, alpha, product, bias)
    tolerance = DTYPES[dtype]
    np.testing.assert_allclose(read(y, dtype), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    sums = np.ones(37, np.float32)
    kernels.activation_backward(kind, alpha, slope, product, sums)
    np.testing.assert_allclose(read(slope, dtype), x.grad.numpy(), rtol=4 * tolerance, atol=10 * tolerance)
    np.testing.assert_allclose(sums, 1 + x.grad.numpy().sum(0), rtol=4 * tolerance, atol=50 * tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pixels", [np.uint8, np.float32])
@pytest.mark.parametrize("cross_entropy", [False, True])
def test_loss_and_its_gradient_equal_torchs(dtype, pixels, cross_entropy):
    random = np.random.default_rng(1)
    z, bias = random.normal(size=(6, 21)) * 5, random.normal(size=21).astype(np.float32)
    target = random.integers(0, 256, (6, 21)).astype(pixels)
    if pixels == np.float32:
        target /= np.float32(255)
    unit = target / 255 if pixels == np.uint8 else target
    weight = np.where(np.arange(21) % 5 == 4, 0, 1 / 100).astype(np.float32)
    product = stored(z, dtype)
    x = torch.tensor(read(product, dtype) + bias, requires_grad=True)
    expected = (torch.tensor(weight) * (torch.sigmoid(x) - torch.tensor(unit)) ** 2).sum()
    entropy = binary_cross_entropy_with_logits(x, torch.tensor(unit).expand_as(x).double(), reduction="none")
    (torch.tensor(weight) * entropy / 2).sum().backward() if cross_entropy else expected.backward()
    sums = np.zeros(21, np.float32)
    loss = kernels.loss_backward(cross_entropy, product, bias, target, weight, sums)
    tolerance = DTYPES[dtype]
    assert loss == pytest.approx(float(expected.detach()), rel=tolerance)
    np.testing.assert_allclose(read(product, dtype), x.grad.numpy(), rtol=tolerance, atol=1e-2 * tolerance)
    np.testing.assert_allclose(sums, x.grad.numpy().sum(0), rtol=tolerance, atol=1e-1 * tolerance)


@settings(max_examples=200, deadline=None)
@given(arrays(np.float32, 40, elements=st.floats(-(2.0**120), 2.0**120, width=32)))
def test_bfloat16_is_the_nearest(values):
    out = np.empty((1, 40), np.uint16)
    kernels.convert(values[None], out)
    nearest = torch.from_numpy(values).bfloat16().double().numpy()
    found = read(out[0], torch.bfloat16)
    ties = np.abs(np.abs(found - values) - np.abs(nearest - values)) <= 1e-12 * np.abs(values)  # both are nearest
    assert (np.isclose(found, nearest, rtol=0, atol=0) | ties).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.randoms(use_true_random=False))
def test_gather_reorders_columns_and_pads(n, size, random):
    stored_pixels = np.random.default_rng(n).integers(1, 255, (n, size), dtype=np.uint8)
    order = np.array([random.randint(-1, size - 1) for _ in range(size + 2)])
    out = np.empty((n, size + 2), np.uint8)
    kernels.gather_columns(stored_pixels, order, out)
    np.testing.assert_array_equal(out, np.where(order >= 0, stored_pixels[:, order], 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_over_threads_and_parts(dtype):
    values = np.random.default_rng(2).normal(size=(3, 5000))
    rows = stored(values, dtype)
    expected = read(rows, dtype).sum(0)
    total = np.empty(4000, np.float32)
    kernels.add_rows(rows, 500, 4500, total)
    np.testing.assert_allclose(total, expected[500:4500], rtol=1e-5, atol=1e-5)
    assert kernels.squared_norm(rows) == pytest.approx((expected**2).sum(), rel=1e-5)
    kernels.accumulate(rows[:2, :4000], np.broadcast_to(total, (2, 4000)).copy())
    part = np.ones((3, 5000), np.float32)
    kernels.accumulate(rows, part)
    np.testing.assert_allclose(part, 1 + read(rows, dtype), rtol=1e-6, atol=1e-6)
