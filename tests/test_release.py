"""What a release names: one version everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

import latentmap

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == latentmap.__version__
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == latentmap.__version__


@pytest.mark.parametrize("name", ["build", "twine"])
def test_packages_of_the_release_are_pinned(name):
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.search(rf"^{name}==", pinned, re.MULTILINE)
