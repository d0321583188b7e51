"""Muon (Jordan et al. 2024): steps along the momentum of a weight matrix, with its singular values made equal.

A few directions dominate the gradient of an autoencoder's weight matrices. Adam scales each weight by itself and learns
the other directions slowly. Muon replaces the momentum G = U S Vᵀ by nearly U Vᵀ, so that all directions learn at one
rate. Biases have no directions; they are trained with Adam.

The singular values are made equal by Newton-Schulz iterations, which are odd polynomials of the matrix: G q(GᵀG). The
polynomials are composed in the small matrix GᵀG, and G itself is multiplied only twice. Matrices with more than 64 rows
and columns are divided into blocks of at most 64 columns, which keeps GᵀG small: a step costs about 4 · 64 flop for
each weight.

References
----------
Jordan et al. (2024), Muon: an optimizer for hidden layers in neural networks.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentmap.autoencoder.training.adam import rate_factors

MOMENTUM = 0.95
# Learning rate of Adam for the biases, as a fraction of that for the matrices.
BIAS_RATE_FRACTION = 0.15
# Columns of a block; blocks of the whole width do not end with a lower error, and cost several times more.
BLOCK_COLUMNS = 64
# Polynomial x -> a x + b x³ + c x⁵, whose iterations take every singular value near 1; those of the reference
# implementation. Three iterations end with the same error as five.
A, B, C = 3.4445, -4.7750, 2.0315
N_ITERATIONS = 3
SMALLEST_NORM = 1e-12


def is_matrix(parameter: Tensor) -> bool:
    """Return whether a parameter is trained with Muon: a matrix with more than one row and column.

    Parameters
    ----------
    parameter : Tensor
        Weight or bias.

    Returns
    -------
    bool
    """
    return parameter.ndim == 2 and min(parameter.shape) > 1


def adam_rate_factors(network: nn.Module, optimizer: str) -> dict[str, float]:
    """Return the factor on the learning rate with which Adam trains each parameter.

    Parameters
    ----------
    network : Module
        Network to train.
    optimizer : {"adam", "muon"}
        Optimiser of the weight matrices.

    Returns
    -------
    dict of str to float
        Factor by the name of the parameter; 0 for those that Muon trains.
    """
    if optimizer == "adam":
        return rate_factors(network)
    return {name: 0.0 if is_matrix(parameter) else BIAS_RATE_FRACTION for name, parameter in network.named_parameters()}


def step_matrix(
    weight: Tensor, gradient: Tensor, momentum: Tensor, learning_rate: float, dtype: torch.dtype = torch.float32
) -> None:
    """Make one step of Muon for a weight matrix, in place.

    Parameters
    ----------
    weight : Tensor of shape (out, in), float32
        Weights; they are changed in place.
    gradient : Tensor of shape (out, in), float32
        Gradient; it is overwritten.
    momentum : Tensor of shape (out, in), float32
        Sum of the gradients so far, decayed; it is changed in place.
    learning_rate : float
        Spectral norm of the step of a matrix with as many rows as columns or fewer.
    dtype : torch.dtype, default=torch.float32
        Type of the factors of the two large products.
    """
    with torch.no_grad():
        momentum.mul_(MOMENTUM).add_(gradient)
        n_out, n_in = weight.shape
        # the outputs of a layer then change by the same amount, whatever its shape
        size = learning_rate * max(1.0, n_out / n_in) ** 0.5
        weight.sub_(orthogonalize(gradient.add_(momentum, alpha=MOMENTUM), dtype), alpha=size)


def orthogonalize(matrix: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Make the singular values of a matrix, or of its blocks of columns, nearly equal.

    Parameters
    ----------
    matrix : Tensor of shape (rows, columns), float32
        Matrix.
    dtype : torch.dtype, default=torch.float32
        Type of the factors of the two large products.

    Returns
    -------
    Tensor of shape (rows, columns), float32
        Matrix with a spectral norm of about 1. Of m blocks, each has a spectral norm of about m**-0.5.
    """
    rows, columns = matrix.shape
    if rows < columns and rows <= BLOCK_COLUMNS:
        return orthogonalize(matrix.t(), dtype).t()
    n_blocks = -(-columns // BLOCK_COLUMNS)
    width = -(-columns // n_blocks)
    padded = functional.pad(matrix, (0, n_blocks * width - columns)) if columns % n_blocks else matrix
    blocks = padded.reshape(rows, n_blocks, width).transpose(0, 1).to(dtype)
    gram = torch.bmm(blocks.transpose(1, 2), blocks).float()
    norms = gram.diagonal(dim1=1, dim2=2).sum(1).sqrt_().clamp_min_(SMALLEST_NORM)[:, None, None]
    gram /= norms**2
    polynomial = factor = _polynomial(gram)
    for _ in range(N_ITERATIONS - 1):
        gram = torch.bmm(gram, torch.bmm(polynomial, polynomial))
        polynomial = _polynomial(gram)
        factor = torch.bmm(factor, polynomial)
    factor = (factor / (norms * n_blocks**0.5)).to(dtype)
    result = torch.bmm(blocks, factor).float()
    return result.transpose(0, 1).reshape(rows, n_blocks * width)[:, :columns]


def _polynomial(grams: Tensor) -> Tensor:
    """Return a + b G + c G² for each G."""
    result = torch.baddbmm(grams, grams, grams, beta=B, alpha=C)
    result.diagonal(dim1=1, dim2=2).add_(A)
    return result
