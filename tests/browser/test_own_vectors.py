"""The page of a run of given vectors, and of one without pictures: what needs a network or pictures is not there."""

import numpy as np
import pytest

from latentmap.images.mnist import load_mnist
from latentmap.run import RunOptions, make_run

N = 200
OPTIONS = RunOptions(metric="cosine", n_clusters=4)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    labels = load_mnist("test")[1][:N]
    random = np.random.default_rng(0)
    return random.normal(size=(10, 8))[labels] * 3 + random.normal(size=(N, 8))


@pytest.fixture(scope="module")
def url_of_vectors(vectors, serving, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("served") / "own"
    make_run(load_mnist("test")[0][:N], path, OPTIONS, vectors=vectors)
    return serving(path).url


@pytest.fixture(scope="module")
def url_of_points(vectors, serving, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("served") / "points"
    make_run(None, path, OPTIONS, vectors=vectors)
    return serving(path).url


def names(page, attribute: str) -> list[str]:
    return page.ask(f"[...document.querySelectorAll('[{attribute}]')].map((one) => one.getAttribute('{attribute}'))")


def pin(page) -> None:
    """Click on a point that no label covers."""
    image = next(one for one in range(N) if page.is_free(one))
    page.page.mouse.click(*page.point(image))
    page.until("document.querySelectorAll('.inspector .strip .thumb').length === 8")


def test_a_run_of_given_vectors_shows_nothing_that_needs_a_network(look, url_of_vectors):
    page = look(url_of_vectors)
    assert names(page, "data-tool") == ["pan", "box", "lasso"]
    assert page.ask("document.querySelector('[data-open=choose], [data-act=choose]')") is None
    pin(page)
    assert page.ask("document.querySelectorAll('.inspector .pair figure').length") == 1
    assert page.ask("document.querySelector('[data-act=way]')") is None
    assert "error" not in page.ask("[...document.querySelectorAll('.inspector th')].map((one) => one.textContent)")
    page.page.click("[data-open=learn]")
    assert names(page, "data-tab") == ["perplexity", "kmeans", "activations"]
    page.shoot("given-vectors")


def test_a_picture_that_is_pasted_is_answered_with_a_sentence(look, url_of_vectors):
    page = look(url_of_vectors)
    page.ask(
        """(() => { const data = new DataTransfer();
        data.items.add(new File(["x"], "x.png", { type: "image/png" }));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data })); })()"""
    )
    page.until("document.querySelector('.message')?.textContent.includes('vectors of this run were given')")
    assert page.ask("document.querySelector('.dropped').hidden")


def test_points_without_pictures_are_dots(look, url_of_points):
    page = look(url_of_points, has_pictures=False)
    assert page.state("nSprites") == 0
    assert page.ask("document.querySelector('.title .count').textContent") == f"{N} points"
    assert page.ask("document.querySelector('select.pictures')") is None
    pin(page)
    assert page.ask("document.querySelectorAll('.inspector .strip .point').length") == 8
    assert page.ask("document.querySelectorAll('.inspector img').length") == 0
    page.page.keyboard.press("Enter")
    assert page.ask("document.querySelector('dialog.lightbox')") is None
    page.box()
    page.until("latentmap.state.nSelected > 0")
    assert names(page, "data-export") == ["csv", "parquet", "issues-csv", "issues-parquet"]
    page.page.click("[data-open=learn]")
    assert names(page, "data-tab") == ["perplexity", "kmeans"]
    page.shoot("points")
