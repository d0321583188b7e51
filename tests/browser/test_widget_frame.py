"""The widget in a page that stands for a notebook: the channel is real, and there is no server."""

import base64
import json
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Frame

from browser.conftest import PATIENCE
from latentmap.explorer.app import unguarded_app
from latentmap.explorer.handlers.page_files import STATIC
from latentmap.explorer.server import Server
from latentmap.explorer.widget_channel import WidgetChannel
from latentmap.images.collection import as_png
from latentmap.run import RunOptions, make_run

# The model of a widget as a notebook makes it, with a kernel that is asked through functions of Playwright.
NOTEBOOK = """async (source) => {
    const { default: widget } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (one) => String.fromCharCode(one)).join(""));
    const bytes = (text) => new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
    const notebook = (window.notebook = {});
    notebook.show = (name, state) => {
        const listeners = {};
        state._picture = bytes(state._picture);
        const model = {
            listeners, state, saved: {},
            get: (name) => state[name],
            set: (name, value) => { state[name] = value; model.saved[name] = value; },
            save_changes: () => undefined,
            send: (message, _, buffers = []) => void toKernel(name, JSON.stringify(message), buffers.map(text)),
            on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
            off: (event, listener) => listeners[event]?.delete(listener),
            emit: (event, ...values) => [...(listeners[event] ?? [])].forEach((one) => one(...values)),
        };
        const el = document.body.appendChild(document.createElement("div"));
        notebook[name] = { model, el, end: widget.render({ model, el }) };
    };
    notebook.hear = (name, message, buffers) => notebook[name].model.emit("msg:custom", message, buffers.map(bytes));
}"""
PICTURE = base64.b64encode(as_png(np.zeros((30, 40), np.uint8))).decode()
STATE = {
    "_picture": PICTURE,
    "_still": "img.still",
    "_height": 420,
    "_address": "",
    "_revision": 0,
    "color_by": "group",
}


class Notebook:
    """A page with widgets, and the kernel's side of their channels."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.messages: queue.Queue[tuple[str, dict[str, Any], list[Any]]] = queue.Queue()
        self.channels: dict[str, WidgetChannel] = {}
        self.servers: list[Server] = []
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.expose_function("toKernel", self._receive)
        page.set_content("<!doctype html><title>notebook</title><body><img class=still alt=map width=9 height=9>")
        page.evaluate(NOTEBOOK, (STATIC / "widget.js").read_text(encoding="utf-8"))

    def _receive(self, name: str, message: str, buffers: list[str]) -> None:
        self.channels[name].receive(json.loads(message), [base64.b64decode(one) for one in buffers])

    def show(self, name: str, run: Path) -> Frame:
        """Show the widget of a run, and wait for its map; until then it shows a picture."""
        server = Server(run)
        self.servers.append(server)
        self.channels[name] = WidgetChannel(
            unguarded_app(server), lambda *message: self.messages.put((name, *message)), STATIC
        )
        left, bottom, side = server.data.square
        view = {"x": left + side / 2, "y": bottom + side / 2, "zoom": 0}
        self.page.evaluate("([name, state]) => notebook.show(name, state)", [name, STATE | {"view": view}])
        frame = self.page.frames[-1]
        frame.wait_for_function("document.querySelector('img')?.naturalWidth === 40")
        self.until(lambda: frame.evaluate("window.latentmap && latentmap.state.nSprites > 0"))
        return frame

    def until(self, condition: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"never true; errors: {self.errors}"
            self.page.wait_for_timeout(20)
            while not self.messages.empty():
                name, message, buffers = self.messages.get()
                texts = [base64.b64encode(one).decode() for one in buffers]
                self.page.evaluate("([name, ...what]) => notebook.hear(name, ...what)", [name, message, texts])


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("left", "right")):
        images = np.random.default_rng(seed).integers(0, 255, (40 + 20 * seed, 8, 8), dtype=np.uint8)
        make_run(images, folder / name, RunOptions(epochs=1, latent_dim=4, perplexity=5.0))
    return folder


@pytest.fixture
def notebook(chromium) -> Iterator[Notebook]:
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    made = Notebook(context.new_page())
    yield made
    context.close()
    for channel in made.channels.values():
        channel.close()
    for server in made.servers:
        server.close()
    assert made.errors == []


def test_two_widgets_share_nothing(notebook, runs):
    asked: list[str] = []
    notebook.page.on("request", lambda request: asked.append(request.url))
    left, right = notebook.show("left", runs / "left"), notebook.show("right", runs / "right")
    assert [frame.evaluate("latentmap.state.n") for frame in (left, right)] == [40, 60]
    left.evaluate("latentmap.model.select([0, 1])")
    left.evaluate("latentmap.camera.set(latentmap.camera.x, latentmap.camera.y, 1)")
    saved = "notebook.left.model.saved"
    notebook.until(lambda: notebook.page.evaluate(f"{saved}.view?.zoom === 1 && {saved}._selection?.byteLength === 8"))
    assert notebook.page.evaluate("notebook.right.model.saved.view") is None
    assert right.evaluate("latentmap.state.nSelected") == 0
    # pictures come by the channel too
    left.evaluate("latentmap.inspector.pin(0)")
    loaded = "[...document.images].length > 5 && [...document.images].every((one) => one.naturalWidth > 0)"
    notebook.until(lambda: left.evaluate(loaded))
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []
    # and of the notebook nothing is changed but the still picture, which is hidden
    assert notebook.page.title() == "notebook"
    assert notebook.page.evaluate("[location.hash, typeof latentmap, document.body.className]") == ["", "undefined", ""]
    assert notebook.page.evaluate("getComputedStyle(document.querySelector('.still')).display") == "none"


def test_what_the_widget_says_is_shown_and_a_page_that_ends_leaves_nothing(notebook, runs):
    frame = notebook.show("left", runs / "left")
    selection = base64.b64encode(np.array([3, 7], "<i4").tobytes()).decode()
    notebook.page.evaluate(
        """(text) => {
            const { model } = notebook.left;
            model.state._selection = new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
            model.state.view = { ...model.state.view, zoom: 1.25 };
            model.emit("change:_selection");
            model.emit("change:view");
        }""",
        selection,
    )
    shown = "latentmap.model.idsOf(latentmap.model.selectedRows()).join() === '3,7' && latentmap.state.zoom === 1.25"
    notebook.until(lambda: frame.evaluate(shown))
    # the language is changed by loading the page again, which shows the same
    frame.click(".more-button")
    frame.click(".icon.language")
    notebook.until(lambda: frame.evaluate(f"document.documentElement.lang === 'ko' && window.latentmap && {shown}"))
    count = "Object.values(notebook.left.model.listeners).reduce((sum, one) => sum + one.size, 0)"
    assert notebook.page.evaluate(count) > 0
    notebook.page.evaluate("notebook.left.end()")
    assert notebook.page.evaluate(count) == 0
    assert notebook.page.evaluate("notebook.left.el.childElementCount") == 0
    assert notebook.page.evaluate("getComputedStyle(document.querySelector('.still')).display") != "none"


@pytest.mark.slow
def test_a_silent_kernel_is_named(notebook, runs):
    frame = notebook.show("left", runs / "left")
    notebook.channels["left"].receive = lambda *_: None  # type: ignore[method-assign]
    frame.evaluate("latentmap.server.ping()")  # fails after a while
    frame.locator(".connection").wait_for(timeout=40_000)
    assert "The kernel does not answer" in frame.locator(".connection").inner_text()
