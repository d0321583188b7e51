"""Adam (Kingma and Ba 2015), and the rates of its layers."""

from typing import Any

import numpy as np
from torch import nn

from latentmap.autoencoder.training.elementwise import BLOCK, ONE, add_rows, narrow
from latentmap.core.parallel import Array, compiled

BETA_1, BETA_2 = 0.9, 0.999
# Keras' epsilon, with which the course chapter's figures were made; torch's own default is 1e-8.
EPSILON = 1e-7
# Inputs to a unit up to which it learns at the full rate. Adam moves every weight by about the learning rate, and with
# very many inputs these moves add up to more than the activation can bear.
FULL_RATE_INPUTS = 4096


def rate_shares(network: nn.Module) -> dict[str, float]:
    """Parameter → share of the learning rate: for layers with very many inputs it falls with their number.

    This is how rates scale with width in Yang et al. (2021), Tuning large neural networks via zero-shot
    hyperparameter transfer.
    """
    return {
        name: min(1.0, FULL_RATE_INPUTS / (parameter.shape[1] if parameter.ndim == 2 else 1))
        for name, parameter in network.named_parameters()
    }


def update(
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
    """One step of a part of the weights, in place, in one pass: Algorithm 1 of the paper.

    Parameters
    ----------
    part : slice
        Which of the weights.
    weights, exp_avg, exp_avg_sq : (size,) float32
    copies : (size,) float32 or bfloat16
        Set to the new weights.
    gradients : (n, size) float32 or bfloat16
        Their sum is the gradient.
    beta_2 : float
        Share of the second moment that a step keeps.
    scale : float
        Factor on the gradient.
    n_steps : int
        The number of this step, from 1.
    """
    step_size = learning_rate / (1 - BETA_1**n_steps)
    root = (1 - beta_2**n_steps) ** -0.5
    numbers = (np.float32(x) for x in (step_size, scale, BETA_1, beta_2, root, EPSILON))
    _update(part.start, part.stop, weights, copies, gradients, exp_avg, exp_avg_sq, *numbers)


@compiled
def _update(
    begin: int,
    end: int,
    weights: Array,
    copies: Array,
    gradients: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    step_size: Any,
    scale: Any,
    first: Any,
    second: Any,
    root: Any,
    epsilon: Any,
) -> None:
    gradient = np.empty(BLOCK, np.float32)
    for start in range(begin, end, BLOCK):
        stop = min(start + BLOCK, end)
        g = gradient[: stop - start]
        add_rows(gradients, start, stop, g)
        w, c = weights[start:stop], copies[start:stop]
        m, v = exp_avg[start:stop], exp_avg_sq[start:stop]
        for i in range(g.size):
            slope = scale * g[i]
            m[i] = first * m[i] + (ONE - first) * slope
            v[i] = second * v[i] + (ONE - second) * slope * slope
            w[i] -= step_size * m[i] / (np.sqrt(v[i]) * root + epsilon)
            c[i] = narrow(c, w[i])
