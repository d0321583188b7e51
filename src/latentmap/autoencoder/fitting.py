"""Preparation of a training: the validation split, the initial network and the key of the checkpoint."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.evaluation import N_INITIALIZATION_IMAGES, max_batch_size
from latentmap.autoencoder.training.pixels import PixelScale, to_unit_interval
from latentmap.core.errors import InputError

# Images that enter the key of a checkpoint.
N_KEY_IMAGES = 1000
# Parameters of Autoencoder that do not change the weights; the seed enters the key by its value.
NOT_IN_KEY = ("callback", "checkpoint", "tensorboard", "verbose", "random_state")

Rows = NDArray[np.intp]


def split_rows(n: int, fraction: float, generator: torch.Generator) -> tuple[Rows, Rows | None]:
    """Split ``n`` images at random into those to train on and those to validate on.

    Parameters
    ----------
    n : int
        Number of images.
    fraction : float
        Fraction to validate on, in [0, 1).
    generator : torch.Generator
        Source of the random order.

    Returns
    -------
    training, validation : ndarray of intp
        Row numbers in ascending order; ``validation`` is None if ``fraction`` is 0.

    Raises
    ------
    InputError
        If one of the two parts would be empty.
    """
    if not fraction:
        return np.arange(n), None
    n_validation = round(n * fraction)
    if not 1 <= n_validation < n:
        raise InputError(
            f"validation_fraction={fraction:g} of {n} images leaves {n_validation} to validate on and "
            f"{n - n_validation} to train on: both need at least one"
        )
    order = torch.randperm(n, generator=generator).numpy()
    return np.sort(order[n_validation:]), np.sort(order[:n_validation])


def initialize_network(
    network: Network, images: NDArray[Any], rows: Rows, scale: PixelScale, generator: torch.Generator
) -> None:
    """Draw the weights of a network and scale them on a random sample of the training images.

    Parameters
    ----------
    network : Network
        Network on its device; it is changed in place.
    images : ndarray of shape (n, *image_shape)
        Stored pixels.
    rows : ndarray of shape (m,), intp
        Rows of the training images.
    scale : PixelScale
        Map from stored pixels to [0, 1].
    generator : torch.Generator
        Source of the sample and of the weights, on the CPU.
    """
    n_sample = max_batch_size(N_INITIALIZATION_IMAGES, images.shape[1:])
    chosen = torch.randperm(len(rows), generator=generator)[:n_sample]
    sample = to_unit_interval(scale.prepare(images[np.sort(rows[chosen.numpy()])]))
    device = next(network.parameters()).device
    network.initialize(generator, torch.from_numpy(sample).to(device))


def copy_weights(network: Network, trained: Network) -> None:
    """Copy the weights of the last fit, for ``warm_start``.

    Parameters
    ----------
    network : Network
        Network to start from; it is changed in place.
    trained : Network
        Network of the last fit.

    Raises
    ------
    InputError
        If the layers of the two networks differ.
    """
    weights = trained.state_dict()
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    if shapes != {key: value.shape for key, value in weights.items()}:
        raise InputError(
            "warm_start=True, but the network of the last fit has other layers: keep network, latent_dim and "
            "the size of the images, or set warm_start=False"
        )
    network.load_state_dict(weights)


def checkpoint_key(parameters: Mapping[str, Any], images: NDArray[Any], seed: int, *, warm: bool) -> str:
    """Hash everything that the weights depend on; of the images, about 1,000.

    Parameters
    ----------
    parameters : mapping
        Parameters of the estimator by name.
    images : ndarray of shape (n, *image_shape)
        Stored pixels.
    seed : int
        Seed that was drawn from ``random_state``.
    warm : bool
        Whether the estimator has been fitted before.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    settings = {name: value for name, value in parameters.items() if name not in NOT_IN_KEY}
    if "device" in settings:
        settings["device"] = "auto"  # a training may be resumed on another device
    facts = {"settings": settings, "seed": seed, "shape": images.shape, "warm": warm}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    digest.update(np.ascontiguousarray(images[:: max(1, len(images) // N_KEY_IMAGES)]))
    return digest.hexdigest()
