"""Choosing images to label in the page, labelling them one after the other, and choosing again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from browser.conftest import Served, colored_images, serve
from latentmap.images.mnist import load_mnist
from latentmap.run import Run, RunOptions, make_run
from latentmap.run.selecting import select_images

N = 60


@pytest.fixture(scope="module", params=["digits", "colors"])
def unlabelled(request, tmp_path_factory) -> Iterator[Served]:
    """An explorer of 60 images in three groups, without labels."""
    random = np.random.default_rng(0)
    kinds = np.arange(N) % 3
    images = load_mnist("test")[0][:N] if request.param == "digits" else colored_images(N)
    vectors = (np.eye(3)[kinds] * 20 + random.normal(size=(N, 3))).astype(np.float32)
    path = tmp_path_factory.mktemp("unlabelled") / "run"
    make_run(images, path, RunOptions(n_clusters=3), vectors=vectors)
    found = serve(path)
    yield found
    found.stop()


def expected(run: Path, n: int, **options) -> list[int]:
    return select_images(run, n, **options).table["id"].to_pylist()


def selected(page) -> list[int]:
    return page.ask("latentmap.model.idsOf(latentmap.model.selectedRows())")


def given_labels(run: Path) -> dict[int, str]:
    labels = Run(run).edits()["given_label"].to_pylist()
    return {number: label for number, label in enumerate(labels) if label}


def test_images_are_chosen_labelled_one_after_the_other_and_chosen_again(look, unlabelled):
    page = look(unlabelled.url)
    first = expected(unlabelled.run, 4, strategy="typical")
    page.page.click(".choose summary")
    page.page.fill("[aria-label='Number of images to choose']", "4")
    page.page.select_option("[aria-label='How to choose']", "typical")
    page.page.click(".choose-do")
    page.until_true(lambda: sorted(selected(page)) == sorted(first))
    field = page.page.get_by_label("Label of this image")
    assert page.page.locator(".choose-next .count").inner_text() == "Image 1 of 4"
    page.shoot("choose")
    field.fill("red")
    field.press("Enter")
    page.until("document.querySelector('.choose-next .count').textContent === 'Image 2 of 4'")
    page.page.locator(".choose-next button", has_text="Skip").click()
    field.fill("blue")
    page.page.locator(".choose-next button", has_text="Label, next").click()
    field.fill("red")
    field.press("Enter")
    wanted = {first[0]: "red", first[2]: "blue", first[3]: "red"}
    page.until_true(lambda: given_labels(unlabelled.run) == wanted)
    assert "These were all" in page.page.locator(".choose-next").inner_text()
    again = expected(unlabelled.run, 4, strategy="typical")
    assert not set(again) & set(wanted)
    page.page.click(".choose-do")
    page.until_true(lambda: sorted(selected(page)) == sorted(again))


def test_what_is_refused_is_said(look, unlabelled):
    page = look(unlabelled.url)
    page.page.click(".choose summary")
    page.page.fill("[aria-label='Number of images to choose']", "500")
    page.page.click(".choose-do")
    page.page.get_by_text("can be selected: ask for at most").first.wait_for()
    assert selected(page) == []
    assert page.page.locator(".choose-do").is_enabled()


def test_readers_are_offered_nothing_to_label(look, unlabelled):
    page = look(unlabelled.readers)
    assert page.page.locator(".choose").count() == 0
