"""The training loop: epochs of steps, validation, the best weights, and a checkpoint after each epoch."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.adam import BETA_2
from latentmap.autoencoder.training.augmentation import augment
from latentmap.autoencoder.training.autograd import AutogradEngine
from latentmap.autoencoder.training.batches import Batches, VectorBatches
from latentmap.autoencoder.training.checkpoint import read_checkpoint, write_checkpoint
from latentmap.autoencoder.training.corruption import corrupt
from latentmap.autoencoder.training.evaluation import reconstruction_errors
from latentmap.autoencoder.training.fused import FusedEngine
from latentmap.autoencoder.training.fused_layers import is_fusible
from latentmap.core.errors import TrainingError
from latentmap.core.progress import Callback, Progress

EpochCallback = Callable[[int, dict[str, float]], None]
# Difference between the seeds of successive epochs.
EPOCH_SEED_STRIDE = 1_000_003
# Fraction of the steps in which the cosine schedule rises, and the fraction of the peak rate at its end.
WARM_UP_FRACTION = 0.05
FINAL_RATE_FRACTION = 1e-3

History = dict[str, list[float]]


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes
    ----------
    epochs, learning_rate, schedule, max_grad_norm, patience, denoising, noise_level, augmentation
        Parameters of :class:`latentmap.Autoencoder`, with ``"auto"`` replaced by values.
    beta_2 : float
        Decay rate of Adam's second moment.
    optimizer : {"adam", "muon"}
        Optimiser of the weight matrices.
    """

    epochs: int
    learning_rate: float
    schedule: str = "cosine"
    beta_2: float = BETA_2
    optimizer: str = "adam"
    max_grad_norm: float | None = None
    patience: int | None = None
    denoising: str | None = None
    noise_level: float = 0.0
    augmentation: tuple[str, ...] = ()

    def rate(self, progress: float) -> float:
        """Return the learning rate of the schedule.

        Parameters
        ----------
        progress : float
            Completed fraction of the training, in [0, 1].

        Returns
        -------
        float
        """
        if self.schedule == "constant":
            return self.learning_rate
        if progress < WARM_UP_FRACTION:
            return self.learning_rate * progress / WARM_UP_FRACTION
        decay = 0.5 + 0.5 * math.cos(math.pi * (progress - WARM_UP_FRACTION) / (1 - WARM_UP_FRACTION))
        return self.learning_rate * (FINAL_RATE_FRACTION + (1 - FINAL_RATE_FRACTION) * decay)


class TrainingEngine(Protocol):
    """An implementation of training steps: the gradient of the loss, and an optimiser."""

    def step(self, inputs: NDArray[Any], targets: NDArray[Any], learning_rate: float, progress: float) -> float:
        """Train on a batch.

        Parameters
        ----------
        inputs, targets : ndarray of shape (n, *image_shape), uint8 or float32
            Images to encode and images to reconstruct: pixels from 0 to 255, or in [0, 1].
        learning_rate : float
            Learning rate of this step.
        progress : float
            Completed fraction of the training, in [0, 1].

        Returns
        -------
        float
            Loss before the step.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments by parameter, and the number of steps.

        Returns
        -------
        dict of str to Tensor
            ``"steps"``, and the moments of the optimiser, as ``"KIND.NAME"``.
        """

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Resume from :meth:`state_dict`, after the network's weights have been loaded.

        Parameters
        ----------
        state : dict of str to Tensor
            Moments and number of steps.
        """

    def close(self) -> None:
        """Release threads and buffers; the network keeps its weights."""


def make_engine(network: Network, dtype: torch.dtype, recipe: Recipe) -> TrainingEngine:
    """Make the training engine of a network: fused kernels if they support it, otherwise torch's autograd.

    Parameters
    ----------
    network : Network
        Network on the device to train on; it is trained in place.
    dtype : torch.dtype
        Type of the factors of matrix products, ``torch.float32`` or ``torch.bfloat16``.
    recipe : Recipe
        Settings, of which those of the optimiser are used.

    Returns
    -------
    TrainingEngine
    """
    if is_fusible(network):
        return FusedEngine(network, dtype, recipe.max_grad_norm, recipe.beta_2, recipe.optimizer)
    return AutogradEngine(network, dtype, recipe.max_grad_norm, recipe.beta_2, recipe.optimizer)


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
    """Train a network in place, from its current weights.

    Parameters
    ----------
    network : Network
        Network on the device to train on.
    batches : Batches
        Training images.
    recipe : Recipe
        Settings.
    dtype : torch.dtype, default=torch.float32
        Type of the factors of matrix products, ``torch.float32`` or ``torch.bfloat16``.
    validation : ndarray of shape (m, *image_shape), optional
        Stored pixels of images that are not trained on. Their error after each epoch is recorded as ``val_loss``, and
        the weights of the epoch with the lowest one are kept.
    checkpoint : path, optional
        File that is written after each epoch. If it exists and has the same ``key``, training resumes from it and
        gives the same weights.
    key : str, default=""
        Hash of everything that the weights depend on.
    callback : callable, optional
        Function that is called with a Progress after each batch.
    on_epoch : callable, optional
        Function that is called with the number of each epoch, from 1, and its metrics by name.

    Returns
    -------
    dict of str to list of float
        One value for each epoch: ``loss`` (mean over the images, each before its step), ``learning_rate`` of the last
        step, ``seconds`` and, with ``validation``, ``val_loss``.

    Raises
    ------
    TrainingError
        If the loss becomes NaN or infinite.
    """
    engine = make_engine(network, dtype, recipe)
    record = _TrainingRecord()
    try:
        saved = read_checkpoint(checkpoint, key) if checkpoint is not None else None
        if saved is not None:
            record = _resume(network, engine, *saved)
        while record.n_epochs < recipe.epochs and not record.is_out_of_patience(recipe.patience):
            begin = time.perf_counter()
            metrics = _train_epoch(network, engine, batches, recipe, record.n_epochs, callback)
            if validation is not None:
                metrics["val_loss"] = float(np.mean(reconstruction_errors(network, validation, batches.scale)))
            record.add(metrics | {"seconds": time.perf_counter() - begin}, network)
            if checkpoint is not None:
                _save_checkpoint(checkpoint, key, network, engine, record)
            if on_epoch is not None:
                on_epoch(record.n_epochs, metrics)
    finally:
        engine.close()
    if record.best_weights:
        network.load_state_dict(record.best_weights)
    network.eval()
    return record.history


def _train_epoch(
    network: Network, engine: TrainingEngine, batches: Batches, recipe: Recipe, epoch: int, callback: Callback | None
) -> dict[str, float]:
    """Train on every image once. All randomness comes from the seed and the number of the epoch."""
    network.train()
    torch.manual_seed(batches.seed + EPOCH_SEED_STRIDE * epoch)  # of latent samples and random activations
    random = np.random.default_rng((batches.seed, epoch, 1))
    done, total = epoch * len(batches), recipe.epochs * len(batches)
    loss, n_seen, rate = 0.0, 0, 0.0
    for inputs, targets in _pairs(batches, recipe, epoch, random):
        progress = (done + 0.5) / total
        rate = recipe.rate(progress)
        loss += engine.step(inputs, targets, rate, progress) * len(targets)
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


def _pairs(
    batches: Batches, recipe: Recipe, epoch: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Inputs and targets of each step: images, corrupted and not, or vectors and the images to draw from them."""
    if isinstance(batches, VectorBatches):
        yield from batches.pairs(epoch, random if recipe.augmentation else None)
        return
    for images in batches.epoch(epoch):
        targets = augment(images, recipe.augmentation, random) if recipe.augmentation else images
        yield (corrupt(targets, recipe.denoising, recipe.noise_level, random) if recipe.denoising else targets), targets


@dataclass
class _TrainingRecord:
    """Metrics of the epochs so far and, with validation, the weights of the best one."""

    history: History = field(default_factory=dict)
    best_epoch: int = -1
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def n_epochs(self) -> int:
        return len(self.history.get("loss", ()))

    def is_out_of_patience(self, patience: int | None) -> bool:
        """Return whether ``val_loss`` has not decreased for ``patience`` epochs."""
        return patience is not None and self.n_epochs - 1 - self.best_epoch >= patience

    def add(self, metrics: dict[str, float], network: Network) -> None:
        """Add the metrics of an epoch, and keep its weights if it is the best one."""
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(value)
        losses = self.history.get("val_loss", [])
        if losses and losses[-1] < min(losses[:-1], default=math.inf):
            self.best_epoch = self.n_epochs - 1
            self.best_weights = {name: values.detach().clone() for name, values in network.state_dict().items()}


def _save_checkpoint(path: Path, key: str, network: Network, engine: TrainingEngine, record: _TrainingRecord) -> None:
    groups = {"weights": network.state_dict(), "steps": engine.state_dict(), "best": record.best_weights}
    tensors = {f"{group}/{name}": values for group, members in groups.items() for name, values in members.items()}
    write_checkpoint(path, key, tensors, {"history": record.history, "best_epoch": record.best_epoch})


def _resume(
    network: Network, engine: TrainingEngine, tensors: dict[str, Tensor], facts: dict[str, Any]
) -> _TrainingRecord:
    def group(name: str) -> dict[str, Tensor]:
        return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}

    network.load_state_dict(group("weights"))
    engine.load_state_dict(group("steps"))
    return _TrainingRecord(facts["history"], facts["best_epoch"], group("best"))
