"""The training loop, on one page: Adam on the mean squared error between images and their reconstructions."""

import copy
import time
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from latentmap.networks import Network
from latentmap.progress import Callback, Progress

# Keras' epsilon, with which the course chapter's figures were made; torch's own default is 1e-8.
ADAM_EPSILON = 1e-7
# Inputs to a unit up to which it learns at the full rate. Adam moves every weight by about the learning rate, and with
# very many inputs these moves add up to more than the activation can bear.
FULL_RATE_INPUTS = 4096
# Images on which the weights are scaled before training, and images that pass through the network at once when nothing
# is learned. Of large images fewer, so that their values together stay below a limit: activations take many times that.
INITIALIZATION_SAMPLE = 1024
INFERENCE_BATCH = 512
MOST_VALUES = 2**22

History = dict[str, list[float]]


class TrainingError(ValueError):
    """The loss left the numbers."""


@dataclass(frozen=True)
class PixelScale:
    """The straight line that takes stored pixels to the [0, 1] in which networks see them.

    ``low`` becomes 0 and ``high`` becomes 1.
    """

    low: float
    high: float

    @classmethod
    def of(cls, images: NDArray[Any]) -> "PixelScale":
        """Scale of a collection.

        The range of the type for uint8 and bool, none for floats that lie in [0, 1], and the range of the values found
        for anything else.
        """
        if images.dtype == np.uint8:
            return cls(0.0, 255.0)
        low, high = float(images.min()), float(images.max())
        if images.dtype.kind in "bf" and low >= 0.0 and high <= 1.0:
            return cls(0.0, 1.0)
        return cls(low, high if high > low else low + 1.0)

    def to_tensor(self, images: NDArray[Any], device: torch.device) -> Tensor:
        """Stored pixels (n, ...) → float32 on ``device``."""
        if images.dtype == np.uint8 and (self.low, self.high) == (0.0, 255.0):
            # four times fewer bytes to move than floats
            return torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device).float().div_(255)
        unit = (images.astype(np.float64) - self.low) / (self.high - self.low)
        return torch.from_numpy(unit.astype(np.float32)).to(device)


def train(
    network: Network,
    images: NDArray[Any],
    scale: PixelScale,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    generator: torch.Generator,
    validation: NDArray[Any] | None = None,
    patience: int | None = None,
    callback: Callback | None = None,
) -> History:
    """Initialise ``network`` and train it in place.

    Parameters
    ----------
    network : Network
        On the device on which to train.
    images : ndarray (n, *network.image_shape)
        Stored pixels; ``scale`` says how to read them. Batches are converted as they are needed.
    generator : torch.Generator
        Draws the weights and the order of the images.
    validation : ndarray (m, *network.image_shape), optional
        Images not trained on; their loss after each epoch is recorded as ``val_loss``, and the weights of the best
        epoch are the ones kept.
    patience : int, optional
        Stop when ``val_loss`` has not fallen for so many epochs.
    callback : callable, optional
        Called after every batch.

    Returns
    -------
    dict of lists, one value an epoch
        ``loss``: mean over the batches, each as it was before its step. ``seconds``. ``val_loss`` with ``validation``.

    Raises
    ------
    TrainingError
        If the loss becomes infinite or NaN.
    """
    device = next(network.parameters()).device
    n = len(images)
    sample = torch.randperm(n, generator=generator)[: at_once(INITIALIZATION_SAMPLE, images.shape[1:])].numpy()
    network.initialize(generator, scale.to_tensor(images[sample], device))
    optimizer = torch.optim.Adam(_by_rate(network, learning_rate), eps=ADAM_EPSILON, fused=True)
    n_batches = -(-n // batch_size)
    history: History = {"loss": [], "seconds": []}
    if validation is not None:
        history["val_loss"] = []
    best_loss, best_weights, best_epoch = float("inf"), None, 0
    for epoch in range(epochs):
        begun = time.perf_counter()
        network.train()
        order = torch.randperm(n, generator=generator).numpy()
        total = torch.zeros((), dtype=torch.float64)
        for batch in range(n_batches):
            x = scale.to_tensor(images[order[batch * batch_size : (batch + 1) * batch_size]], device)
            loss = functional.mse_loss(network(x), x)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach().cpu() * len(x)
            if callback is not None:
                mean = float(total) / min((batch + 1) * batch_size, n)
                callback(Progress(epoch * n_batches + batch + 1, epochs * n_batches, {"loss": mean}))
        history["loss"].append(_finite(float(total) / n, epoch, learning_rate))
        if validation is not None:
            val_loss = float(np.mean(reconstruction_errors(network, validation, scale)))
            history["val_loss"].append(val_loss)
            if val_loss < best_loss:
                best_loss, best_weights, best_epoch = val_loss, copy.deepcopy(network.state_dict()), epoch
        history["seconds"].append(time.perf_counter() - begun)
        if patience is not None and epoch - best_epoch >= patience:
            break
    if best_weights is not None:
        network.load_state_dict(best_weights)
    network.eval()
    return history


def reconstruction_errors(network: Network, images: NDArray[Any], scale: PixelScale) -> NDArray[np.float32]:
    """Mean squared error of each image's reconstruction: (n, *image_shape) → (n,) float32, in units of [0, 1]²."""
    device = next(network.parameters()).device
    network.eval()
    errors = np.empty(len(images), np.float32)
    with torch.inference_mode():
        batch_size = at_once(INFERENCE_BATCH, images.shape[1:])
        for begin in range(0, len(images), batch_size):
            x = scale.to_tensor(images[begin : begin + batch_size], device)
            errors[begin : begin + len(x)] = (network(x) - x).square_().flatten(1).mean(1).cpu().numpy()
    return errors


def _by_rate(network: Network, learning_rate: float) -> list[dict[str, Any]]:
    """Adam's parameter groups: layers with very many inputs learn at a rate that falls with their number.

    This is how rates scale with width in Yang et al. (2021), Tuning large neural networks via zero-shot
    hyperparameter transfer.
    """
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for parameter in network.parameters():
        inputs = parameter.shape[1] if parameter.ndim == 2 else 1
        groups.setdefault(min(1.0, FULL_RATE_INPUTS / inputs), []).append(parameter)
    return [{"params": parameters, "lr": learning_rate * share} for share, parameters in groups.items()]


def at_once(n_images: int, image_shape: tuple[int, ...]) -> int:
    """``n_images``, or as many of ``image_shape`` as keep to the limit; at least 16."""
    return min(n_images, max(16, MOST_VALUES // prod(image_shape)))


def _finite(loss: float, epoch: int, learning_rate: float) -> float:
    if not np.isfinite(loss):
        raise TrainingError(f"the loss became {loss} in epoch {epoch + 1}: try a learning_rate below {learning_rate:g}")
    return loss
