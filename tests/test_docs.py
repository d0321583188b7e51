"""What README and docs show works: their Python runs, their tables are those of the results, docstrings hold."""

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

import latentmap
from latentmap.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [
    module.name for module in pkgutil.walk_packages(latentmap.__path__, "latentmap.") if "__main__" not in module.name
]


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_on_the_page_runs(page, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http", "mailto")):
            assert (page.parent / target).exists(), target


def test_every_option_of_the_command_is_in_the_reference():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    for name, subcommand in get_command(app).commands.items():
        assert f"latentmap {name}" in text
        for option in subcommand.params:
            for flag in option.opts:
                assert f"`{flag}`" in text or not flag.startswith("--"), f"{name} {flag}"


def test_tables_are_those_of_the_results():
    line = [sys.executable, "-m", "benchmarks.tables", "--check"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    subprocess.run(line, cwd=ROOT, check=True, env=environment)
