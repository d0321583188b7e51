"""Description of the software and the machine that a result was computed with."""

import platform
from importlib.metadata import version
from typing import Any

import latentmap

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "pyarrow", "pillow", "matplotlib")


def describe_environment() -> dict[str, Any]:
    """Describe the environment.

    Returns
    -------
    dict
        ``versions``: of latentmap, Python and the packages that affect results; ``platform``: operating system and
        processor; ``threads``: number of threads that torch uses.
    """
    import torch

    return {
        "versions": {"latentmap": latentmap.__version__, "python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }
