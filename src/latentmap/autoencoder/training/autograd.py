"""Steps of any network on any device, with gradients by torch."""

import warnings
from itertools import groupby
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.adam import BETA_1, BETA_2, EPSILON, rate_shares
from latentmap.autoencoder.training.devices import to_device


class AutogradSteps:
    """Steps of Adam on a network's own loss.

    Parameters
    ----------
    network : Network
        Trained in place.
    dtype : torch.float32 or torch.bfloat16
        Of the factors of products; weights and moments are float32.
    max_grad_norm : float, optional
        Longer gradients are scaled down to this length.
    beta_2 : float
        Of Adam.
    """

    def __init__(
        self, network: Network, dtype: torch.dtype, max_grad_norm: float | None = None, beta_2: float = BETA_2
    ) -> None:
        self._network = network
        self._dtype = dtype
        self._max_grad_norm = max_grad_norm
        self._names = {parameter: name for name, parameter in network.named_parameters()}
        shares = rate_shares(network)
        groups = groupby(sorted(self._names, key=lambda p: shares[self._names[p]]), lambda p: shares[self._names[p]])
        self._optimizer = torch.optim.Adam(
            [{"params": list(parameters), "share": share} for share, parameters in groups],
            lr=1.0,
            betas=(BETA_1, beta_2),
            eps=EPSILON,
            fused=True,
        )
        self._n_parts = 1

    def step(self, inputs: NDArray[Any], targets: NDArray[Any], learning_rate: float, progress: float) -> float:
        """Learn from a batch.

        When memory does not hold it, it is taken in halves, with the same result, and a warning says so.

        Parameters
        ----------
        inputs, targets : (n, *image_shape) uint8, or float32 in [0, 1]
        learning_rate : float
        progress : float
            Share of the training that is done.

        Returns
        -------
        float
            The loss before the step.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate * group["share"]
        while True:
            try:
                loss = self._gradient(inputs, targets, progress)
                break
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error) or self._n_parts >= len(inputs):
                    raise
                self._n_parts *= 2
            self._optimizer.zero_grad(set_to_none=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            warnings.warn(
                f"out of memory: from here on each batch is taken in {self._n_parts} parts of at most "
                f"{-(-len(inputs) // self._n_parts)} images; the result is the same",
                stacklevel=2,
            )
        if self._max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._max_grad_norm)
        self._optimizer.step()
        return loss

    def _gradient(self, inputs: NDArray[Any], targets: NDArray[Any], progress: float) -> float:
        self._optimizer.zero_grad(set_to_none=True)
        device = next(self._network.parameters()).device
        n, total = len(inputs), 0.0
        size = -(-n // self._n_parts)
        for begin in range(0, n, size):
            part = slice(begin, begin + size)
            x = to_device(inputs[part], device)
            target = x if inputs is targets else to_device(targets[part], device)
            with torch.autocast(device.type, self._dtype, enabled=self._dtype != torch.float32):
                loss = self._network.loss(x, target, progress)
            share = len(x) / n
            (loss * share).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach()) * share
        return total

    def state(self) -> dict[str, Tensor]:
        """Adam's moments by parameter, and the number of steps."""
        state = self._optimizer.state
        steps = max((int(values["step"]) for values in state.values()), default=0)
        return {"steps": torch.tensor(steps)} | {
            f"{kind}.{name}": state[parameter][kind]
            for parameter, name in self._names.items()
            if parameter in state
            for kind in ("exp_avg", "exp_avg_sq")
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from :meth:`state`, after the network's weights have been loaded."""
        for parameter, name in self._names.items():
            self._optimizer.state[parameter] = {
                "step": state["steps"].to(torch.float32).to(parameter.device),
                "exp_avg": state[f"exp_avg.{name}"].to(parameter.device),
                "exp_avg_sq": state[f"exp_avg_sq.{name}"].to(parameter.device),
            }

    def close(self) -> None:
        """Nothing is held."""


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()  # the CPU's allocator and MPS raise a plain RuntimeError
    return "out of memory" in text or "can't allocate memory" in text
