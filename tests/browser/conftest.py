"""A run, its explorer in a process of its own, and a real Chromium that looks at it.

By default the run is a small one of MNIST's test images. LATENTMAP_RUN names another, such as `demo`; it is copied.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentmap.images.mnist import load_mnist
from latentmap.run import RunOptions, make_run

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = [
    # a software renderer, and no connections of the browser's own
    *("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
]
PATIENCE = 240.0 if "LATENTMAP_RUN" in os.environ else 30.0  # six maps of 70,000 images take a while
PATIENCE_FOR_WORK = 240.0  # seconds for maps and networks that are made while the page waits


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("made") / "digits"
    given = os.environ.get("LATENTMAP_RUN")
    if given:
        shutil.copytree(given, path)
        return path
    images, labels = load_mnist("test")
    make_run(images[:3000], path, RunOptions(epochs=2), labels=labels[:3000])
    return path


HUES = ("blue", "brown", "green", "orange", "red", "violet", "yellow")
COLORS = [(40, 80, 200), (110, 70, 30), (30, 150, 60), (240, 140, 20), (200, 30, 40), (140, 60, 180), (240, 220, 60)]


def colored_images(n: int, side: int = 16) -> np.ndarray:
    """Pictures in colour, of as many kinds as there are hues, in turn."""
    random = np.random.default_rng(4)
    images = random.integers(0, 40, (n, side, side, 3), dtype=np.uint8)
    for number, image in enumerate(images):
        kind = number % len(HUES)
        top = kind * (side - 6) // len(HUES)
        image[top : top + 6, 2:-2] = np.clip(COLORS[kind] + random.integers(-15, 16, 3), 0, 255)
    return images


@pytest.fixture(scope="session")
def colors(tmp_path_factory) -> Path:
    """A run of small files in colour, in a folder for each hue, with three exact duplicates."""
    folder = tmp_path_factory.mktemp("colors")
    images = colored_images(91)
    images[[13, 20, 27]] = images[6]
    for number, image in enumerate(images):
        below = folder / "source" / HUES[number % len(HUES)]
        below.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(below / f"{number:02d}.png")
    make_run(folder / "source", folder / "colors", RunOptions(epochs=1, latent_dim=4, n_clusters=len(HUES)))
    return folder / "colors"


@pytest.fixture(params=["made", "colors"])
def edited(request, tmp_path) -> Iterator["Served"]:
    """An explorer of a copy of its own, of digits and of the images in colour."""
    found = serve(Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "run")))
    yield found
    found.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or set CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@dataclass
class Served:
    """An explorer in a process of its own."""

    run: Path
    process: "subprocess.Popen[str]"
    url: str
    readers: str = ""  # the address for readers

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait()


def serve(run: Path, port: int = 0, *options: str) -> Served:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-m", "latentmap", "explore", str(run), "--no-browser", "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, encoding="utf-8")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("explorer"), line
    word, address = process.stdout.readline().split()[:2]
    return Served(run, process, line.split()[1], address if word == "readers" else "")


@pytest.fixture(scope="module")
def served(made, tmp_path_factory) -> Iterator[Served]:
    run = Path(shutil.copytree(made, tmp_path_factory.mktemp("served") / "digits"))
    found = serve(run)
    yield found
    found.stop()


@pytest.fixture(scope="module", params=["digits", "colors"])
def both(request, tmp_path_factory) -> Iterator[Served]:
    """An explorer of digits, and one of the images in colour."""
    if request.param == "digits":
        yield request.getfixturevalue("served")
        return
    run = request.getfixturevalue("colors")
    found = serve(Path(shutil.copytree(run, tmp_path_factory.mktemp("served") / "colors")))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def serving() -> Iterator[Callable[[Path], Served]]:
    """Serve further runs until the tests of a file end."""
    begun: list[Served] = []

    def serve_too(run: Path) -> Served:
        begun.append(serve(run))
        return begun[-1]

    yield serve_too
    for one in begun:
        one.stop()


@dataclass
class Page:
    """A page of the explorer, with what tests ask of it."""

    page: Any
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        # a refused request is logged by the browser too, and is asserted on where it is meant
        if message.type == "error" and "status of 4" not in message.text:
            self.errors.append(message.text)

    def open(self, url: str, *, has_pictures: bool = True) -> "Page":
        self.page.goto(url)
        is_drawn = "latentmap.state.nSprites > 0" if has_pictures else "document.querySelector('.label')"
        self.until(f"window.latentmap && {is_drawn}")
        return self

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def until(self, expression: str, patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not self.ask(expression):
            assert time.monotonic() < end, f"never true: {expression}; errors: {self.errors}"
            time.sleep(0.05)

    def until_true(self, condition: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"never true; errors: {self.errors}"
            time.sleep(0.05)

    def state(self, name: str) -> Any:
        return self.ask(f"latentmap.state.{name}")

    def stage(self) -> tuple[float, float, float, float]:
        box = self.page.locator(".map").bounding_box()
        return box["x"], box["y"], box["width"], box["height"]

    def point(self, image: int) -> tuple[float, float]:
        """Where an image lies, in pixels of the page."""
        left, top, _, _ = self.stage()
        x, y = self.ask(f"latentmap.placeOf({image})")
        return left + x, top + y

    def is_free(self, image: int) -> bool:
        """Whether no label of a group is where an image lies, or as near as a finger is wide."""
        x, y = self.point(image)
        return bool(
            self.ask(
                f"""[...document.querySelectorAll('.label')].map((one) => one.getBoundingClientRect()).every((box) =>
                {x} < box.left - 28 || {x} > box.right + 28 || {y} < box.top - 28 || {y} > box.bottom + 28)"""
            )
        )

    def drag(self, points: list[tuple[float, float]]) -> None:
        mouse = self.page.mouse
        mouse.move(*points[0])
        mouse.down()
        for point in points[1:]:
            mouse.move(*point, steps=4)
        mouse.up()

    def box(self, share: float = 0.5) -> None:
        """Draw a box round the middle of the map."""
        left, top, width, height = self.stage()
        self.page.keyboard.press("Escape")
        self.page.click("[data-tool=box]")
        side = share * min(width, height) / 2
        x, y = left + width / 2, top + height / 2
        self.drag([(x - side, y - side), (x + side, y + side)])

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_timeout(250)
        loaded = "[...document.images].every(image => image.complete)"
        self.until_true(lambda: all(frame.evaluate(loaded) for frame in self.page.frames))
        self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture
def look(chromium) -> Iterator[Any]:
    """Open pages; when the test ends none of them may have had an error."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, color_scheme="dark", accept_downloads=True)
    pages: list[Page] = []

    def open_page(url: str, **how: bool) -> Page:
        pages.append(Page(context.new_page()))
        return pages[-1].open(url, **how)

    yield open_page
    context.close()
    assert [error for page in pages for error in page.errors] == []
