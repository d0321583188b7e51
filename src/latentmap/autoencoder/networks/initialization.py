"""Initial weights: orthogonal, and scaled on a batch of data.

With common random weights, the course chapter's networks have a third more error after ten epochs, for two reasons. The
variance of activations shrinks or grows from layer to layer, and an ELU or ReLU that starts in its flat part stays
there: such a unit is inactive, and an inactive latent dimension is never used.

Weights are therefore drawn orthogonal (Saxe et al. 2014). Then they are scaled layer by layer, on a batch of real
images, so that the input of each activation has the same variance (layer-sequential unit variance, Mishkin and Matas
2016), and shifted into the most linear part of the activation. Training thus starts from a nearly linear map, close to
PCA, without inactive units. The initial output is the mean image.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

# Initial standard deviation of the input of an activation.
PREACTIVATION_STD = 0.5


def initialize_in_order(
    network: nn.Module,
    hidden: Sequence[nn.Module],
    output: nn.Module,
    activation: nn.Module,
    *,
    generator: torch.Generator,
    sample: Tensor,
    inputs: Tensor | None = None,
) -> None:
    """Initialise layers in the order of the forward pass, each on the output of those before it.

    Parameters
    ----------
    network : Module
        Network that is called with ``sample`` or ``inputs``. Every layer has a ``weight`` (out, in) and a ``bias``.
    hidden : sequence of Module
        Layers before the last one, in the order of the forward pass; ``activation`` follows each.
    output : Module
        Last layer, before the sigmoid. Its bias is set so that the output is the mean of the sample.
    activation : Module
        Elementwise activation.
    generator : torch.Generator
        Source of the random weights, on the CPU.
    sample : Tensor of shape (n, *image_shape), float
        Training images in [0, 1].
    inputs : Tensor of shape (n, d), float, optional
        What the network is called with instead of the sample: the vectors that a decoder draws the images from.
    """
    mean = most_linear_mean(activation)
    for layer in (*hidden, output):
        _set_orthogonal(layer, generator)
    handles = [layer.register_forward_hook(partial(_standardize, mean=mean)) for layer in hidden]
    handles.append(output.register_forward_hook(partial(_center, images=sample)))
    try:
        with torch.no_grad():
            network(sample if inputs is None else inputs)
    finally:
        for handle in handles:
            handle.remove()


def most_linear_mean(activation: nn.Module) -> float:
    """Return the mean of the inputs, 0 or 1, for which an activation is closest to linear.

    Parameters
    ----------
    activation : Module
        Elementwise activation.

    Returns
    -------
    float
        1 for ReLU, ELU and similar ones, which bend at zero; 0 for tanh and others that are linear there.
    """
    noise = PREACTIVATION_STD * torch.special.ndtri(torch.linspace(0.005, 0.995, 199))
    with torch.no_grad():
        linearity = [float(torch.corrcoef(torch.stack([noise, activation(noise + mean)]))[0, 1]) for mean in (0, 1)]
    return float(linearity[1] > linearity[0])


def _set_orthogonal(layer: nn.Module, generator: torch.Generator) -> None:
    weight = _weight(layer)
    with torch.no_grad():
        # drawn on the CPU, so that the weights are the same on every device
        drawn = torch.empty(weight.shape)
        nn.init.orthogonal_(drawn, generator=generator)
        weight.copy_(drawn)
        _bias(layer).zero_()


def _standardize(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, mean: float) -> Tensor:
    """Forward hook: scale and shift a layer so that its output has the given mean and PREACTIVATION_STD."""
    bias = _bias(layer)
    by_channel = output.reshape(-1, len(bias))  # one bias for each channel, so one mean over all of its values
    means = by_channel.mean(0)
    std = float((by_channel - means).std(correction=0))
    scale = PREACTIVATION_STD / std if std > 1e-6 else 1.0  # constant images have no deviation to scale
    _weight(layer).mul_(scale)
    bias.copy_(mean - means * scale)
    scaled: Tensor = layer.forward(*inputs)
    return scaled


def _center(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor, images: Tensor) -> None:
    """Forward hook: shift the last layer so that the sigmoid after it returns the mean of ``images``."""
    bias = _bias(layer)
    bias.copy_(torch.logit(images.reshape(-1, len(bias)).mean(0), eps=1e-3) - output.reshape(-1, len(bias)).mean(0))


def _weight(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight


def _bias(layer: nn.Module) -> Tensor:
    assert isinstance(layer.bias, Tensor)
    return layer.bias
