"""The versions and the machine that a result was made with."""

import platform
from importlib.metadata import version
from typing import Any

import latentmap

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "pyarrow", "pillow", "matplotlib")


def describe_environment() -> dict[str, Any]:
    """``versions`` of Python and of the packages that bear on results, ``platform``, and ``threads`` of torch."""
    import torch

    return {
        "versions": {"latentmap": latentmap.__version__, "python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }
