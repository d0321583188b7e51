"""The public names are there, and are loaded only when used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import latentmap as lm


@pytest.mark.parametrize("name", lm.__all__)
def test_every_public_name_loads(name):
    assert getattr(lm, name) is not None
    assert name in dir(lm)


def test_importing_loads_nothing_heavy():
    code = "import sys, latentmap; print([m for m in ('torch', 'sklearn', 'numpy', 'matplotlib') if m in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'latentmap' has no attribute 'KMean'"):
        _ = lm.KMean
