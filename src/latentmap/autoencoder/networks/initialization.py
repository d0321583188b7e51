"""Weights to begin with: orthogonal, and scaled on a batch of data.

Two things make the course chapter's networks end ten epochs at a third more error than they need. A random network
shrinks or swells what passes through it, and an ELU or ReLU that begins in its flat part stays there: such a unit
carries nothing, and a latent dimension that carries nothing is lost for good.

So the weights are drawn orthogonal (Saxe et al. 2014), and then, layer by layer and with a batch of real images flowing
through, scaled so that what each activation receives has one and the same variance (after layer-sequential unit
variance, Mishkin and Matas 2016) and shifted into the straight part of the activation. Training so starts from a nearly
linear map, that is near to PCA, with no unit asleep, and bends it from there. The output starts at the mean image.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

# Standard deviation of what an activation receives at the start.
STD = 0.5


def initialize_in_order(
    network: nn.Module,
    hidden: Sequence[nn.Module],
    output: nn.Module,
    activation: nn.Module,
    *,
    generator: torch.Generator,
    sample: Tensor,
) -> None:
    """Initialise the ``hidden`` layers, each on what the ones before it make of ``sample``, and the ``output`` layer.

    Parameters
    ----------
    network : Module
        Called with ``sample``; every layer has a ``weight`` (out, in) and a ``bias``.
    hidden : sequence of Module
        In the order in which ``network`` calls them; ``activation`` follows each.
    output : Module
        The last layer, before the sigmoid: its bias draws the mean of the sample.
    activation : Module
    generator : torch.Generator
        Source of the random weights, on the CPU.
    sample : Tensor (n, *image_shape), float in [0, 1]
    """
    mean = straightest_mean(activation)
    for layer in (*hidden, output):
        _set_orthogonal(layer, generator)
    handles = [layer.register_forward_hook(partial(_standardize, mean=mean)) for layer in hidden]
    handles.append(output.register_forward_hook(partial(_center, images=sample)))
    try:
        with torch.no_grad():
            network(sample)
    finally:
        for handle in handles:
            handle.remove()


def straightest_mean(activation: nn.Module) -> float:
    """Zero or one: where ``activation`` is closest to a straight line for inputs of standard deviation ``STD``.

    One for ReLU, ELU and their kin, which bend at zero; zero for tanh and others that are straight there.
    """
    noise = STD * torch.special.ndtri(torch.linspace(0.005, 0.995, 199))
    with torch.no_grad():
        straightness = [float(torch.corrcoef(torch.stack([noise, activation(noise + mean)]))[0, 1]) for mean in (0, 1)]
    return float(straightness[1] > straightness[0])


def _set_orthogonal(layer: nn.Module, generator: torch.Generator) -> None:
    weight = _weight(layer)
    with torch.no_grad():
        # drawn on the CPU, so that the start is the same on every device
        drawn = torch.empty(weight.shape)
        nn.init.orthogonal_(drawn, generator=generator)
        weight.copy_(drawn)
        _bias(layer).zero_()


def _standardize(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, mean: float) -> Tensor:
    """A forward hook: scale and shift ``layer`` so that its output has the wanted mean and deviation; pass that on."""
    bias = _bias(layer)
    by_channel = output.reshape(-1, len(bias))  # one bias a channel, so a mean over all that share it
    means = by_channel.mean(0)
    spread = float((by_channel - means).std(correction=0))
    scale = STD / spread if spread > 1e-6 else 1.0  # constant images have no spread to scale to
    _weight(layer).mul_(scale)
    bias.copy_(mean - means * scale)
    scaled: Tensor = layer.forward(*inputs)
    return scaled


def _center(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor, images: Tensor) -> None:
    """A forward hook: shift the last layer so that the sigmoid after it draws the mean of ``images``."""
    bias = _bias(layer)
    bias.copy_(torch.logit(images.reshape(-1, len(bias)).mean(0), eps=1e-3) - output.reshape(-1, len(bias)).mean(0))


def _weight(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight


def _bias(layer: nn.Module) -> Tensor:
    assert isinstance(layer.bias, Tensor)
    return layer.bias
