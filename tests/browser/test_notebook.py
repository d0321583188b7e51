"""The explorer as a widget in a real JupyterLab: two runs in one notebook, and the notebook without its kernel."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Error, Frame

from browser.conftest import PATIENCE, SHOTS
from latentmap.run import RunOptions, make_run

if find_spec("jupyterlab") is None or find_spec("anywidget") is None:
    pytest.skip("no JupyterLab: pip install jupyterlab 'latentmap[notebook]'", allow_module_level=True)

TOKEN = "secret"
N_IMAGES = {"left": 300, "right": 200}


def cell(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "id": str(abs(hash(source))), "metadata": {}, "source": source, "outputs": []} | {
        "execution_count": None
    }


def notebook(*sources: str) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": [cell(one) for one in sources],
    }


@dataclass
class Lab:
    """A JupyterLab in a process of its own."""

    folder: Path
    url: str


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed, (name, n) in enumerate(N_IMAGES.items()):
        random = np.random.default_rng(seed)
        kinds = random.integers(0, 4, n)
        images = random.integers(0, 60, (n, 12, 12), dtype=np.uint8)
        for image, kind in zip(images, kinds, strict=True):
            image[3 * kind : 3 * kind + 3] += 190
        make_run(images, folder / name, RunOptions(epochs=1, latent_dim=4, perplexity=10.0), labels=kinds)
    return folder


@pytest.fixture(scope="module")
def lab(runs, tmp_path_factory) -> Iterator[Lab]:
    folder, own = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("jupyter")
    places = {f"JUPYTER_{name}_DIR": str(own / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = (
        os.environ | places | {"IPYTHONDIR": str(own / "ipython"), "JUPYTERLAB_SETTINGS_DIR": str(own / "settings")}
    )
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "RUNS": str(runs)}
    settings = own / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    options = {"ServerApp.port": "0", "ServerApp.root_dir": folder, "IdentityProvider.token": TOKEN}
    process = subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in options.items())],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield Lab(folder, wait_for_server(own / "RUNTIME", process))
    process.terminate()
    process.wait()


def wait_for_server(folder: Path, process: "subprocess.Popen[bytes]") -> str:
    """The address of the server, which writes it into a file."""
    end = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for path in folder.glob("jpserver-*.json"):
            try:
                url = str(json.loads(path.read_text())["url"])
                urllib.request.urlopen(f"{url}api?token={TOKEN}").close()
                return url
            except (OSError, ValueError):
                pass
        time.sleep(0.1)
    raise AssertionError("JupyterLab did not start")


class Page:
    """A notebook in JupyterLab."""

    def __init__(self, page: Any, lab: Lab) -> None:
        self.page, self.lab = page, lab
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, name: str) -> "Page":
        self.page.goto(f"{self.lab.url}lab/tree/{name}?token={TOKEN}&reset")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=1000 * PATIENCE)
        self.page.wait_for_function("window.jupyterapp")
        return self

    def command(self, name: str) -> None:
        self.page.evaluate(f"jupyterapp.commands.execute('{name}')")

    def wait_for_kernel(self) -> None:
        self.until(
            lambda: self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.kernelDisplayStatus === 'idle'")
        )

    def run(self, source: str) -> str:
        """Run a new cell at the end; what it printed, or its error."""
        n = self.page.evaluate(
            """(source) => {
                const { content } = jupyterapp.shell.currentWidget;
                const { sharedModel } = content.model;
                sharedModel.insertCell(sharedModel.cells.length, { cell_type: "code", source });
                content.activeCellIndex = sharedModel.cells.length - 1;
                jupyterapp.commands.execute("notebook:run-cell");
                return content.activeCellIndex;
            }""",
            source,
        )
        model = f"jupyterapp.shell.currentWidget.content.model.sharedModel.cells[{n}]"
        self.until(lambda: self.page.evaluate(f"{model}.execution_count !== null"))
        outputs = self.page.evaluate(f"{model}.toJSON().outputs")
        return "".join(one.get("evalue") or "".join(one.get("text", [])) for one in outputs)

    def frame(self, name: str) -> Frame | None:
        """The frame that shows the map of a run; None until it does."""
        for frame in self.page.frames[1:]:
            try:
                if (
                    frame.evaluate("window.latentmap && latentmap.state.nSprites > 0 && latentmap.model.facts.name")
                    == name
                ):
                    return frame
            except Error:  # it is being loaded
                pass
        return None

    def map(self, name: str) -> Frame:
        self.until(lambda: self.frame(name))
        found = self.frame(name)
        assert found is not None
        return found

    def until(self, condition: Any) -> None:
        end = time.monotonic() + 2 * PATIENCE
        while not condition():
            assert time.monotonic() < end, f"never true; errors: {self.errors}"
            self.page.wait_for_timeout(50)

    def until_state(self, frame: Frame, expression: str) -> None:
        self.until(lambda: frame.evaluate(expression))

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture
def open_notebook(chromium, lab) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1400, "height": 1250})
    pages: list[Page] = []

    def begin(name: str) -> Page:
        pages.append(Page(context.new_page(), lab))
        return pages[-1].open(name)

    yield begin
    context.close()
    assert [error for page in pages for error in page.errors] == []


@pytest.mark.slow
def test_a_notebook_with_two_maps(open_notebook, lab):
    sources = [
        "import os\nimport latentmap as lm\nruns = os.environ['RUNS']",
        *(f"{name} = lm.explore(runs + '/{name}', height=480)\n{name}" for name in N_IMAGES),
    ]
    (lab.folder / "maps.ipynb").write_text(json.dumps(notebook(*sources)))
    page = open_notebook("maps.ipynb")
    page.wait_for_kernel()
    page.command("notebook:run-all-cells")
    left, right = page.map("left"), page.map("right")

    # what Python sets, the page shows; and only the page of that widget
    assert page.run("left.selection = [3, 5, 8]; left.view = {'zoom': 1.5}; left.color_by = 'label'") == ""
    page.until_state(left, "latentmap.state.nSelected === 3 && Math.abs(latentmap.state.zoom - 1.5) < 1e-6")
    assert left.evaluate("latentmap.model.idsOf(latentmap.model.selectedRows())") == [3, 5, 8]
    page.until_state(left, "latentmap.state.colorBy === 'label'")
    assert page.run("right.groups = {0: 'stripes'}") == ""
    page.until_state(right, "document.querySelector(\".groups li[data-group='0'] input\").value === 'stripes'")
    assert right.evaluate("[latentmap.state.nSelected, latentmap.state.zoom, latentmap.state.colorBy]") == [
        0,
        0,
        "group",
    ]

    # what is done in the page, Python reads and is told of
    page.run("seen = []\nleft.observe(lambda change: seen.append((change.name, change.new)))")
    left.evaluate("latentmap.model.select(latentmap.model.rowsOfGroup(1))")
    ids = left.evaluate("latentmap.model.idsOf(latentmap.model.selectedRows())")
    assert len(ids) > 3
    left.locator("[title^='Zoom in']").first.click()
    left.select_option(".color", "group")
    left.fill(".groups li[data-group='0'] input", "from the page")
    left.press(".groups li[data-group='0'] input", "Enter")
    page.until_state(left, "latentmap.state.revision === 1")
    page.page.wait_for_timeout(500)
    printed = page.run(
        "import json; print(json.dumps([left.selection, left.view, left.color_by, left.groups[0]['name']]))"
    )
    selection, view, color, name = json.loads(printed)
    assert (selection, color, name) == (ids, "group", "from the page")
    assert view["zoom"] == pytest.approx(2.0)
    names = page.run("print(sorted({name for name, _ in seen if not name.startswith('_')}))")
    assert names.strip() == "['color_by', 'groups', 'selection', 'view']"
    assert page.run("print(right.selection, right.view['zoom'])").strip() == "[] 0.0"
    assert (
        page.run("left.selection = [300]")
        == "selection: there is no image 300: pass ids of images, whole numbers from 0 to 299"
    )

    # nothing of the notebook is taken over
    left.locator(".map").click(position={"x": 4, "y": 4})
    cells = page.page.locator(".jp-Cell").count()
    page.page.keyboard.press("d")
    page.page.keyboard.press("d")  # deletes a cell where the notebook hears it
    page.page.keyboard.press("v")
    assert page.page.locator(".jp-Cell").count() == cells
    assert page.page.evaluate("location.hash") == ""
    assert "maps" in page.page.title()
    assert page.page.locator(".jp-RenderedImage img").evaluate_all(
        "all => all.map(one => getComputedStyle(one).display)"
    ) == ["none", "none"]
    page.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    page.shoot("notebook-two-maps")

    # a cell that is moved loads its page again, which shows the same
    page.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 1")
    page.command("notebook:move-cell-down")
    left = page.map("left")
    page.until_state(left, f"latentmap.state.nSelected === {len(ids)} && Math.abs(latentmap.state.zoom - 2) < 1e-6")

    # closing takes the page away and leaves the picture
    page.page.wait_for_timeout(2500)  # until the picture is drawn
    page.run("right.close()")
    page.until(lambda: len(page.page.frames) == 2)
    page.until(lambda: page.page.locator(".jp-RenderedImage img:visible").count() == 1)

    page.command("docmanager:save")
    page.until(lambda: "image/png" in (lab.folder / "maps.ipynb").read_text())
    saved_picture(open_notebook, lab, page)


def saved_picture(open_notebook: Any, lab: Lab, page: Page) -> None:
    """The saved notebook shows its pictures: with a new kernel, and, changed by others, with none."""
    saved = json.loads((lab.folder / "maps.ipynb").read_text())
    bundles = [one["data"] for part in saved["cells"] for one in part["outputs"] if "data" in one]
    pictures = [one["image/png"] for one in bundles if "image/png" in one]
    assert len(pictures) == 2
    assert all(one.startswith("iVBORw0KGgo") for one in pictures)
    page.command("kernelmenu:shutdown")
    again = open_notebook("maps.ipynb")
    again.until(lambda: again.page.locator(".jp-RenderedImage img:visible").count() == 2)
    again.shoot("notebook-saved")
    saved["metadata"]["title"] = "a copy"  # which JupyterLab does not trust
    (lab.folder / "copy.ipynb").write_text(json.dumps(saved))
    copy = open_notebook("copy.ipynb")
    copy.wait_for_kernel()
    copy.command("kernelmenu:shutdown")
    copy.until(lambda: copy.page.locator(".jp-RenderedImage img:visible").count() == 2)
    copy.shoot("notebook-without-kernel")
