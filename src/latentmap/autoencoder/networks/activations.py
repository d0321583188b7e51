"""Activations by the names of their classes in torch."""

import difflib
import inspect

from torch import nn
from torch.nn.modules import activation as torch_activations

from latentmap.core.errors import InputError

# Not functions of a single value, or without defaults for their arguments.
_NOT_ELEMENTWISE = {
    "GLU",
    "LogSoftmax",
    "MultiheadAttention",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Threshold",
}

# The backward pass of these needs only their output, so they may overwrite their input.
_IN_PLACE = {"ELU", "LeakyReLU", "ReLU"}


def activation_names() -> list[str]:
    """Return the names of the elementwise activations of ``torch.nn``, in lower case, such as ``"leakyrelu"``.

    Returns
    -------
    list of str
        Names in alphabetical order.
    """
    return sorted(_classes())


def make_activation(name: str) -> nn.Module:
    """Make an activation.

    Parameters
    ----------
    name : str
        One of :func:`activation_names`, in upper or lower case, with or without underscores.

    Returns
    -------
    Module

    Raises
    ------
    InputError
        If torch has no elementwise activation of this name.
    """
    classes = _classes()
    key = name.lower().replace("_", "")
    if key not in classes:
        near = difflib.get_close_matches(key, classes, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"activation={name!r} is not in torch.nn: {hint}choose among {', '.join(sorted(classes))}")
    activation = classes[key]
    module: nn.Module = activation(inplace=True) if activation.__name__ in _IN_PLACE else activation()
    return module


def _classes() -> dict[str, type[nn.Module]]:
    return {
        name.lower(): value
        for name, value in vars(torch_activations).items()
        if inspect.isclass(value)
        and issubclass(value, nn.Module)
        and value.__module__ == torch_activations.__name__
        and name in torch_activations.__all__
        and name not in _NOT_ELEMENTWISE
    }
