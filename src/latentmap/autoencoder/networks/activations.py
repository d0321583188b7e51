"""Activations by the names that torch gives them."""

import difflib
import inspect

from torch import nn
from torch.nn.modules import activation as torch_activations

from latentmap.core.errors import InputError

# Not functions of one value: they mix, halve or need arguments.
_NOT_ELEMENTWISE = {
    "GLU",
    "LogSoftmax",
    "MultiheadAttention",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Threshold",
}

# Their backward pass needs only their result, so they may overwrite their input.
_IN_PLACE = {"ELU", "LeakyReLU", "ReLU"}


def activation_names() -> list[str]:
    """Names that ``activation=`` takes: torch's classes in ``torch.nn``, in lower case (``"leakyrelu"``)."""
    return sorted(_classes())


def make_activation(name: str) -> nn.Module:
    """Make the activation called ``name``, in any case and with or without underscores: ``"elu"``, ``"leaky_relu"``.

    Raises
    ------
    InputError
        If torch has no elementwise activation of that name.
    """
    classes = _classes()
    key = name.lower().replace("_", "")
    if key not in classes:
        near = difflib.get_close_matches(key, classes, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"activation={name!r} is not in torch.nn: {hint}there are {', '.join(sorted(classes))}")
    made = classes[key]
    module: nn.Module = made(inplace=True) if made.__name__ in _IN_PLACE else made()
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
