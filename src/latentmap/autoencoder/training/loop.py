"""The training loop, on one page: epochs of steps, the best weights, and a checkpoint after each epoch."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.networks.chain import ChainNetwork
from latentmap.autoencoder.training.adam import BETA_2
from latentmap.autoencoder.training.augmentation import augment
from latentmap.autoencoder.training.autograd import AutogradSteps
from latentmap.autoencoder.training.batches import Batches
from latentmap.autoencoder.training.checkpoint import read_checkpoint, write_checkpoint
from latentmap.autoencoder.training.corruption import corrupt
from latentmap.autoencoder.training.evaluation import reconstruction_errors
from latentmap.autoencoder.training.fused import FusedSteps, fusible
from latentmap.core.errors import TrainingError
from latentmap.core.progress import Callback, Progress

EpochCallback = Callable[[int, dict[str, float]], None]
# Between the seeds of two epochs.
EPOCH_STRIDE = 1_000_003
# Share of the steps in which the cosine schedule rises to its full rate, and the share of it that it ends on.
WARM_UP = 0.05
LAST_SHARE = 1e-3

History = dict[str, list[float]]


@dataclass(frozen=True)
class Recipe:
    """How to train; the parameters are those of :class:`latentmap.Autoencoder`, and Adam's ``beta_2``."""

    epochs: int
    learning_rate: float
    schedule: str = "cosine"
    beta_2: float = BETA_2
    max_grad_norm: float | None = None
    patience: int | None = None
    denoising: str | None = None
    noise_level: float = 0.0
    augmentation: tuple[str, ...] = ()

    def rate(self, progress: float) -> float:
        """Learning rate after this share of the training."""
        if self.schedule == "constant":
            return self.learning_rate
        if progress < WARM_UP:
            return self.learning_rate * progress / WARM_UP
        falling = 0.5 + 0.5 * math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))
        return self.learning_rate * (LAST_SHARE + (1 - LAST_SHARE) * falling)


class Steps(Protocol):
    """One step of Adam after the other."""

    def step(self, inputs: NDArray[Any], targets: NDArray[Any], learning_rate: float, progress: float) -> float:
        """Learn from a batch; the loss before it."""

    def state(self) -> dict[str, Tensor]:
        """The content of a checkpoint."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from there."""

    def close(self) -> None:
        """Leave the network to itself."""


def make_steps(network: Network, dtype: torch.dtype, recipe: Recipe) -> Steps:
    """The fused kernels where they can take the network, torch's gradients anywhere else."""
    if isinstance(network, ChainNetwork) and fusible(network):
        return FusedSteps(network, dtype, recipe.max_grad_norm, recipe.beta_2)
    return AutogradSteps(network, dtype, recipe.max_grad_norm, recipe.beta_2)


def train(
    network: Network,
    batches: Batches,
    recipe: Recipe,
    *,
    dtype: torch.dtype = torch.float32,
    validation: NDArray[Any] | None = None,
    checkpoint: Path | None = None,
    key: str = "",
    callback: Callback | None = None,
    on_epoch: EpochCallback | None = None,
) -> History:
    """Train ``network`` in place, from the weights that it has.

    Parameters
    ----------
    network : Network
        On the device on which to train.
    batches : Batches
        The images, epoch after epoch.
    recipe : Recipe
    dtype : torch.float32 or torch.bfloat16
        Of the factors of products.
    validation : ndarray (m, *image_shape), optional
        Stored pixels of images not trained on; their error after each epoch is recorded as ``val_loss``, and the
        weights of the best epoch are the ones kept.
    checkpoint : path, optional
        File that is written after each epoch. When it is there already with the same ``key``, training goes on where
        it ended, to the same weights.
    callback : callable, optional
        Called after every batch.
    on_epoch : callable, optional
        Called with the number of each epoch, from 1, and its figures.

    Returns
    -------
    dict of lists, one value an epoch
        ``loss``: mean over the images, each as it was before its step. ``learning_rate`` of the last step, ``seconds``,
        and with ``validation`` ``val_loss``.

    Raises
    ------
    TrainingError
        If the loss becomes infinite or NaN.
    """
    steps = make_steps(network, dtype, recipe)
    record = _Record()
    try:
        kept = read_checkpoint(checkpoint, key) if checkpoint is not None else None
        if kept is not None:
            record = _resume(network, steps, *kept)
        while record.n_epochs < recipe.epochs and not record.is_idle(recipe.patience):
            begun = time.perf_counter()
            figures = _epoch(network, steps, batches, recipe, record.n_epochs, callback)
            if validation is not None:
                figures["val_loss"] = float(np.mean(reconstruction_errors(network, validation, batches.scale)))
            record.add(figures | {"seconds": time.perf_counter() - begun}, network)
            if checkpoint is not None:
                _keep(checkpoint, key, network, steps, record)
            if on_epoch is not None:
                on_epoch(record.n_epochs, figures)
    finally:
        steps.close()
    if record.best_weights:
        network.load_state_dict(record.best_weights)
    network.eval()
    return record.history


def _epoch(
    network: Network, steps: Steps, batches: Batches, recipe: Recipe, epoch: int, callback: Callback | None
) -> dict[str, float]:
    """Learn from every image once. All that is random comes from the seed and the number of the epoch."""
    network.train()
    torch.manual_seed(batches.seed + EPOCH_STRIDE * epoch)  # of what networks draw: samples, random slopes
    random = np.random.default_rng((batches.seed, epoch, 1))
    done, total = epoch * len(batches), recipe.epochs * len(batches)
    loss, n_seen, rate = 0.0, 0, 0.0
    for targets in batches.epoch(epoch):
        if recipe.augmentation:
            targets = augment(targets, recipe.augmentation, random)  # noqa: PLW2901 - input and target alike
        inputs = corrupt(targets, recipe.denoising, recipe.noise_level, random) if recipe.denoising else targets
        progress = (done + 0.5) / total
        rate = recipe.rate(progress)
        loss += steps.step(inputs, targets, rate, progress) * len(targets)
        done, n_seen = done + 1, n_seen + len(targets)
        if callback is not None:
            callback(Progress(done, total, {"loss": loss / n_seen}))
    loss /= n_seen
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss became {loss} in epoch {epoch + 1}: try a learning_rate below {recipe.learning_rate:g}, "
            "or max_grad_norm=1"
        )
    return {"loss": loss, "learning_rate": rate}


@dataclass
class _Record:
    """How far training has come, and the best weights so far where there are images to validate on."""

    history: History = field(default_factory=dict)
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def n_epochs(self) -> int:
        return len(self.history.get("loss", ()))

    def is_idle(self, patience: int | None) -> bool:
        """Whether so many epochs have brought nothing better."""
        return patience is not None and self.n_epochs - 1 - self.best_epoch >= patience

    def add(self, figures: dict[str, float], network: Network) -> None:
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)
        losses = self.history.get("val_loss", [])
        if losses and losses[-1] < min(losses[:-1], default=math.inf):
            self.best_epoch = self.n_epochs - 1
            self.best_weights = {name: values.detach().clone() for name, values in network.state_dict().items()}


def _keep(path: Path, key: str, network: Network, steps: Steps, record: _Record) -> None:
    groups = {"weights": network.state_dict(), "steps": steps.state(), "best": record.best_weights}
    tensors = {f"{group}/{name}": values for group, found in groups.items() for name, values in found.items()}
    write_checkpoint(path, key, tensors, {"history": record.history, "best_epoch": record.best_epoch})


def _resume(network: Network, steps: Steps, tensors: dict[str, Tensor], facts: dict[str, Any]) -> _Record:
    def group(name: str) -> dict[str, Tensor]:
        return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}

    network.load_state_dict(group("weights"))
    steps.restore(group("steps"))
    return _Record(facts["history"], facts["best_epoch"], group("best"))
