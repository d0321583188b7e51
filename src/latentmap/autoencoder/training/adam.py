"""Adam (Kingma and Ba 2015), and the learning rates of wide layers."""

from typing import Any

import numpy as np
from torch import nn

from latentmap.autoencoder.training.elementwise import N_VALUES_PER_BLOCK, add_rows
from latentmap.autoencoder.training.stored_values import ONE, narrow
from latentmap.core.parallel import Array, compiled

BETA_1, BETA_2 = 0.9, 0.999
# Keras' epsilon, with which the course chapter's figures were made; torch's default is 1e-8.
EPSILON = 1e-7
# Inputs of a unit up to which it learns at the full rate. Adam changes every weight by about the learning rate, and
# with very many inputs these changes add up to more than the activation can bear.
MAX_FULL_RATE_INPUTS = 4096


def rate_factors(network: nn.Module) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter, which falls with the number of inputs of wide layers.

    Parameters
    ----------
    network : Module
        Network to train.

    Returns
    -------
    dict of str to float
        Factor in (0, 1] by the name of the parameter.

    References
    ----------
    Yang et al. (2021), Tuning large neural networks via zero-shot hyperparameter transfer.
    """
    return {
        name: min(1.0, MAX_FULL_RATE_INPUTS / (parameter.shape[1] if parameter.ndim == 2 else 1))
        for name, parameter in network.named_parameters()
    }


def update_weights(
    part: slice,
    weights: Array,
    copies: Array,
    gradients: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    learning_rate: float,
    beta_2: float,
    scale: float,
    n_steps: int,
) -> None:
    """Make one step of Adam for a part of the weights, in place and in one pass (Algorithm 1 of the paper).

    Parameters
    ----------
    part : slice
        Part of the weights to change.
    weights : ndarray of shape (size,), float32
        Weights; they are changed in place.
    copies : ndarray of shape (size,), float32 or bfloat16 as uint16
        Set to the new weights.
    gradients : ndarray of shape (n, size), float32 or bfloat16 as uint16
        Partial gradients, whose sum is the gradient.
    exp_avg, exp_avg_sq : ndarray of shape (size,), float32
        First and second moment of the gradient; they are changed in place.
    learning_rate : float
        Learning rate of this step.
    beta_2 : float
        Decay rate of the second moment.
    scale : float
        Factor on the gradient.
    n_steps : int
        Number of this step, from 1.
    """
    step_size = learning_rate / (1 - BETA_1**n_steps)
    root = (1 - beta_2**n_steps) ** -0.5
    numbers = (np.float32(x) for x in (step_size, scale, BETA_1, beta_2, root, EPSILON))
    _update_weights(part.start, part.stop, weights, copies, gradients, exp_avg, exp_avg_sq, *numbers)


@compiled
def _update_weights(
    begin: int,
    end: int,
    weights: Array,
    copies: Array,
    gradients: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    step_size: Any,
    scale: Any,
    beta_1: Any,
    beta_2: Any,
    root: Any,
    epsilon: Any,
) -> None:
    gradient = np.empty(N_VALUES_PER_BLOCK, np.float32)
    for start in range(begin, end, N_VALUES_PER_BLOCK):
        stop = min(start + N_VALUES_PER_BLOCK, end)
        g = gradient[: stop - start]
        add_rows(gradients, start, stop, g)
        w, c = weights[start:stop], copies[start:stop]
        m, v = exp_avg[start:stop], exp_avg_sq[start:stop]
        for i in range(g.size):
            slope = scale * g[i]
            m[i] = beta_1 * m[i] + (ONE - beta_1) * slope
            v[i] = beta_2 * v[i] + (ONE - beta_2) * slope * slope
            w[i] -= step_size * m[i] / (np.sqrt(v[i]) * root + epsilon)
            c[i] = narrow(c, w[i])
