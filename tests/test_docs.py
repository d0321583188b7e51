"""README, docs and docstrings: their Python runs, links and tables are right, and commands and names are documented."""

import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command

import latentmap
from latentmap.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = ROOT / "docs" / "reference" / "commands.md"
N_SCANS = 300
MODULES = [
    module.name for module in pkgutil.walk_packages(latentmap.__path__, "latentmap.") if "__main__" not in module.name
]


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def blocks_of(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="session")
def scans(tmp_path_factory) -> Path:
    """A folder with what the pages refer to: the images ``scans``, one of them broken, and their run ``scans-map``."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "scans").mkdir()
    for i, image in enumerate(latentmap.load_mnist("test")[0][:N_SCANS]):
        Image.fromarray(image).save(folder / "scans" / f"{i:03d}.png")
    (folder / "scans" / "broken.png").write_text("no image")
    latentmap.map_images(str(folder / "scans"), folder / "scans-map", epochs=1, quiet=True)
    return folder


def pages_with_python() -> list[Path]:
    """The pages with Python blocks; of a page and its translation, whose blocks are equal, the first."""
    pages = {tuple(re.sub(" *#.*", "", block) for block in blocks_of(page)): page for page in reversed(PAGES)}
    return [page for page in PAGES if page in pages.values() and blocks_of(page)]


@pytest.mark.parametrize("page", pages_with_python(), ids=page_id)
def test_python_on_the_page_runs(page, scans, tmp_path, monkeypatch):
    shutil.copytree(scans, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    if "notebook" in page.stem:
        monkeypatch.setattr("latentmap.explorer.notebooks.is_in_notebook", lambda: True)
    names: dict[str, object] = {}
    for block in blocks_of(page):
        exec(compile(block, str(page), "exec"), names)


def anchors_of(page: Path) -> set[str]:
    """The anchors of the headings, as the site and GitHub make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http", "mailto")):
            continue
        name, _, anchor = target.partition("#")
        found = page.parent / name if name else page
        assert found.exists(), target
        assert not anchor or anchor in anchors_of(found), target


def test_pages_name_no_place_on_the_network_to_load_from():
    """The site is read offline: pictures lie beside the pages, and fonts are the browser's."""
    for page in PAGES:
        assert not re.search(r"!\[[^]]*\]\(https?:|<(img|script|link|iframe)\b", page.read_text(encoding="utf-8")), page
    assert re.search(r"^  font: false$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)


def test_each_public_name_is_in_the_reference():
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference" / "api").glob("*.md"))
    shown = set(re.findall(r"^::: latentmap\.([\w.]+)$", pages, re.MULTILINE))
    errors = {name for name in latentmap.__all__ if name.endswith("Error")}  # they are on one page, with their tree
    assert shown >= set(latentmap.__all__) - {"__version__"} - errors | {"core.errors"}


def sections_of_commands() -> dict[str, str]:
    """The text of the reference on each command."""
    text = COMMANDS.read_text(encoding="utf-8")
    parts = re.split(r"^### `latentmap (\w+)", text.split("\n## Exit status")[0], flags=re.MULTILINE)
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
    """Each row is in a table with a head, and has as many cells as the head."""
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
