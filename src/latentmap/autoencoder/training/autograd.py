"""Training steps of any network on any device, with gradients by torch's autograd."""

import warnings
from itertools import groupby
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentmap.autoencoder.networks import Network
from latentmap.autoencoder.training.adam import BETA_1, BETA_2, EPSILON
from latentmap.autoencoder.training.muon import adam_rate_factors, step_matrix
from latentmap.autoencoder.training.transfer import to_device
from latentmap.core.devices import is_out_of_memory, release_cached


class AutogradEngine:
    """Training steps with torch's autograd and Adam or Muon, on the loss of the network.

    Parameters
    ----------
    network : Network
        Network to train in place.
    dtype : torch.dtype
        Type of the factors of matrix products, ``torch.float32`` or ``torch.bfloat16``; weights and moments are
        float32.
    max_grad_norm : float, optional
        Gradients with a larger norm are scaled down to this norm.
    beta_2 : float, default=0.999
        Decay rate of Adam's second moment.
    optimizer : {"adam", "muon"}, default="adam"
        Optimiser of the weight matrices; biases are trained with Adam.
    """

    def __init__(
        self,
        network: Network,
        dtype: torch.dtype,
        max_grad_norm: float | None = None,
        beta_2: float = BETA_2,
        optimizer: str = "adam",
    ) -> None:
        self._network = network
        self._dtype = dtype
        self._max_grad_norm = max_grad_norm
        self._names = {parameter: name for name, parameter in network.named_parameters()}
        factors = adam_rate_factors(network, optimizer)
        groups = groupby(sorted(self._names, key=lambda p: factors[self._names[p]]), lambda p: factors[self._names[p]])
        self._momenta = {
            parameter: torch.zeros_like(parameter) for parameter in self._names if not factors[self._names[parameter]]
        }
        self._optimizer = torch.optim.Adam(
            [{"params": list(parameters), "rate_factor": factor} for factor, parameters in groups if factor],
            lr=1.0,
            betas=(BETA_1, beta_2),
            eps=EPSILON,
            fused=True,
        )
        self._n_parts = 1

    def step(self, inputs: NDArray[Any], targets: NDArray[Any], learning_rate: float, progress: float) -> float:
        """Train on a batch.

        If memory does not suffice, the batch is processed in parts, with the same result, and a warning is issued.

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

        Raises
        ------
        RuntimeError, MemoryError
            If memory does not suffice for one image, or torch fails for another reason.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate * group["rate_factor"]
        while True:
            try:
                loss = self._gradient(inputs, targets, progress)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._n_parts >= len(inputs):
                    raise
                self._n_parts *= 2
            self._network.zero_grad(set_to_none=True)
            release_cached()
            warnings.warn(
                f"out of memory: each batch is now processed in {self._n_parts} parts of at most "
                f"{-(-len(inputs) // self._n_parts)} images; the result is the same",
                stacklevel=2,
            )
        if self._max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._max_grad_norm)
        self._optimizer.step()
        for parameter, momentum in self._momenta.items():
            if parameter.grad is not None:
                step_matrix(parameter, parameter.grad, momentum, learning_rate, self._dtype)
        return loss

    def _gradient(self, inputs: NDArray[Any], targets: NDArray[Any], progress: float) -> float:
        self._network.zero_grad(set_to_none=True)
        device = next(self._network.parameters()).device
        n, total = len(inputs), 0.0
        size = -(-n // self._n_parts)
        for begin in range(0, n, size):
            part = slice(begin, begin + size)
            x = to_device(inputs[part], device)
            target = x if inputs is targets else to_device(targets[part], device)
            with torch.autocast(device.type, self._dtype, enabled=self._dtype != torch.float32):
                loss = self._network.loss(x, target, progress)
            weight = len(x) / n
            (loss * weight).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach()) * weight
        return total

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments by parameter, and the number of steps.

        Returns
        -------
        dict of str to Tensor
            ``"steps"``; ``"exp_avg.NAME"`` for each parameter, the momentum if Muon trains it; and
            ``"exp_avg_sq.NAME"`` for each that Adam trains.
        """
        state = self._optimizer.state
        steps = max((int(values["step"]) for values in state.values()), default=0)
        moments = {
            f"{kind}.{name}": state[parameter][kind]
            for parameter, name in self._names.items()
            if parameter in state
            for kind in ("exp_avg", "exp_avg_sq")
        }
        momenta = {f"exp_avg.{self._names[parameter]}": momentum for parameter, momentum in self._momenta.items()}
        return {"steps": torch.tensor(steps)} | moments | momenta

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Resume from :meth:`state_dict`, after the network's weights have been loaded.

        Parameters
        ----------
        state : dict of str to Tensor
            Moments and number of steps.
        """
        for parameter, momentum in self._momenta.items():
            momentum.copy_(state[f"exp_avg.{self._names[parameter]}"])
        for parameter, name in self._names.items():
            if parameter in self._momenta:
                continue
            self._optimizer.state[parameter] = {
                "step": state["steps"].to(torch.float32).to(parameter.device),
                "exp_avg": state[f"exp_avg.{name}"].to(parameter.device),
                "exp_avg_sq": state[f"exp_avg_sq.{name}"].to(parameter.device),
            }

    def close(self) -> None:
        """Do nothing: this engine has no threads."""
