"""Muon: singular values, blocks of columns, and the number of steps that follow the collection."""

import numpy as np
import pytest
import torch

from latentmap.autoencoder import Autoencoder
from latentmap.autoencoder.training.defaults import choose_batch_size, choose_epochs
from latentmap.autoencoder.training.muon import BLOCK_COLUMNS, is_matrix, orthogonalize, step_matrix


def drawn(rows: int, columns: int) -> torch.Tensor:
    """A matrix whose singular values fall from 1 to 0.1."""
    generator = torch.Generator().manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(rows, columns, generator=generator), full_matrices=False)
    return left * torch.logspace(0, -1, len(right)) @ right


@pytest.mark.parametrize("shape", [(64, 300), (300, 64), (40, 40), (5, 3), (2, 2), (2, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_become_nearly_equal(shape, dtype):
    matrix = drawn(*shape)
    found = orthogonalize(1e3 * matrix, dtype)
    values = torch.linalg.svdvals(found)
    assert found.shape == shape
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    polar = left @ right
    assert float((found * polar).sum() / found.norm() / polar.norm()) > 0.97
    torch.testing.assert_close(orthogonalize(matrix, dtype), found, rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("columns", [128, 130, 101])
def test_wide_and_tall_matrices_are_divided_into_blocks(columns):
    found = orthogonalize(drawn(100, columns))
    n_blocks = -(-columns // BLOCK_COLUMNS)
    width = -(-columns // n_blocks)
    for block in found.split(width, dim=1):
        values = n_blocks**0.5 * torch.linalg.svdvals(block)
        assert 0.3 < float(values.min()) <= float(values.max()) < 1.3


def test_a_gradient_of_zero_changes_nothing():
    weight = torch.ones(3, 4)
    step_matrix(weight, torch.zeros(3, 4), torch.zeros(3, 4), 0.1)
    assert torch.equal(weight, torch.ones(3, 4))


def test_steps_descend_by_the_learning_rate():
    target = drawn(8, 5)
    weight, momentum = torch.zeros(8, 5), torch.zeros(8, 5)
    step_matrix(weight, weight - target, momentum, 0.01)
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(0.01 * (8 / 5) ** 0.5, rel=0.3)
    for rate in np.linspace(0.02, 0, 200):
        step_matrix(weight, weight - target, momentum, float(rate))
    assert float((weight - target).norm() / target.norm()) < 0.05


def test_biases_are_no_matrices():
    assert is_matrix(torch.ones(2, 3))
    assert not is_matrix(torch.ones(7))
    assert not is_matrix(torch.ones(1, 7))


def test_muon_needs_fewer_steps_than_adam(bars):
    errors = {
        name: -Autoencoder(latent_dim=4, epochs=12, optimizer=name, random_state=0).fit(bars).score(bars)
        for name in ("adam", "muon")
    }
    assert errors["muon"] < 0.8 * errors["adam"]


def test_the_number_of_steps_grows_with_the_collection():
    steps = []
    for n in (5, 50, 300, 1000, 3000, 9999, 70_000, 1_000_000):
        batch_size = choose_batch_size("auto", "pyramid", n)
        epochs = choose_epochs(n, batch_size, "muon")
        assert 2 <= epochs < choose_epochs(n, batch_size, "adam")
        steps.append(epochs * -(-n // batch_size))
    assert steps == sorted(steps)
    assert steps[0] == 600
    assert steps[-1] < 40_000
