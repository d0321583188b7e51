"""The public names are there, and are loaded only when used."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import latentmap as lm


@pytest.mark.parametrize("name", sorted(set(lm.__all__) - {"__version__"}))
def test_a_public_name_loads_what_it_names(name):
    found = getattr(lm, name)
    assert found.__name__ in (name, f"latentmap.{name}")
    assert found.__module__.startswith("latentmap.") if not isinstance(found, ModuleType) else found.__doc__
    assert name in dir(lm)


def test_public_names_are_those_that_type_checkers_see():
    tree = ast.parse(Path(lm.__file__).read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for node in checked.body for alias in node.names}
    assert seen == set(lm.__all__) - {"__version__"}


def test_importing_loads_nothing_heavy():
    code = "import sys, latentmap; print([m for m in ('torch', 'sklearn', 'numpy', 'matplotlib') if m in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'latentmap' has no attribute 'KMean'"):
        _ = lm.KMean
