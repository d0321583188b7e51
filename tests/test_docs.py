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


def sections_of_commands() -> dict[str, str]:
    """What the reference says of each command."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    parts = re.split(r"^### `latentmap (\w+)", text.split("\n## A run on disk")[0], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_option_of_a_command_is_in_its_section_of_the_reference():
    sections = sections_of_commands()
    commands = get_command(app).commands
    assert set(sections) == set(commands)
    for name, subcommand in commands.items():
        for option in subcommand.params:
            for flag in (*option.opts, *option.secondary_opts):
                if flag.startswith("--"):
                    assert f"`{flag}`" in sections[name], f"{name} {flag}"


def test_defaults_in_the_reference_are_those_of_the_command():
    options = {flag: option for option in get_command(app).commands["run"].params for flag in option.opts}
    rows = re.findall(r"^\| `(--[\w-]+)`[^|]*\| ([^|]*) \|", sections_of_commands()["run"], re.MULTILINE)
    assert len(rows) >= 17
    for flag, default in rows:
        value = options[flag].default
        if isinstance(value, bool):
            assert default == ("on" if value else "off"), flag
        elif value is not None and default:
            assert default == (f"{value:g}" if isinstance(value, float) else str(value)), flag


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_tables_are_whole(page):
    """Each row lies in a table with a head, and has as many cells."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for block in re.split(r"\n\s*\n", text):
        rows = [line.strip() for line in block.splitlines() if line.strip().startswith("|")]
        if not rows:
            continue
        cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
        assert len(rows) > 1, rows[0]
        assert re.fullmatch(r"[|:\- ]+", rows[1]), f"a table without a head: {rows[0]}"
        assert set(cells) == {cells[0]}, f"rows of different length below {rows[0]}"


def test_tables_are_those_of_the_results():
    line = [sys.executable, "-m", "benchmarks.tables", "--check"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    subprocess.run(line, cwd=ROOT, check=True, env=environment)
