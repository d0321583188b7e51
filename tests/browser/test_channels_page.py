"""The panel of channels: pictures follow its switches, colours and sliders, which are kept."""

from collections.abc import Iterator

import numpy as np
import pytest

from browser.conftest import Page, Served, serve
from latentmap.run import RunOptions, SourceOptions, make_run

NAMES = "nuclei,spots"


@pytest.fixture(scope="module")
def channels(tmp_path_factory) -> Iterator[Served]:
    """An explorer of images with a disc in one channel and dots in another."""
    random = np.random.default_rng(0)
    images = random.integers(0, 300, (90, 16, 16, 2)).astype(np.uint16)
    images[:, 5:11, 5:11, 0] += 20000
    for image, (row, column) in zip(images, random.integers(1, 15, (90, 2)), strict=True):
        image[row, column, 1] += 3000
    path = tmp_path_factory.mktemp("channels") / "run"
    decoding = SourceOptions(channel_names=NAMES).decoding()
    make_run(images, path, RunOptions(epochs=1, latent_dim=4, perplexity=8.0), decoding=decoding)
    found = serve(path)
    yield found
    found.stop()


def mean_color(page: Page) -> list[float]:
    """Mean colour of the first thumbnail of the list of groups or the inspector, as the page shows it."""
    return page.ask(
        """(() => {
          const image = document.querySelector("img[data-address]");
          const canvas = Object.assign(document.createElement("canvas"), {width: 16, height: 16});
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0, 16, 16);
          const data = context.getImageData(0, 0, 16, 16).data;
          return [0, 1, 2].map((c) => data.filter((_, i) => i % 4 === c).reduce((a, b) => a + b) / 256);
        })()"""
    )


def test_pictures_follow_the_panel_and_the_colours_are_kept(look, channels):
    page = look(channels.url)
    panel = page.page.locator(".channels")
    assert panel.locator(".channel-name").all_inner_texts() == NAMES.split(",")
    page.until("document.querySelector('img[data-address]')?.complete")
    panel.get_by_label("Show spots").uncheck()
    panel.get_by_label("Colour of nuclei").evaluate(
        "e => { e.value = '#0000ff'; e.dispatchEvent(new Event('input')); }"
    )
    page.until_true(lambda: mean_color(page)[2] > 10 and max(mean_color(page)[:2]) < 1)
    page.until_true((channels.run / "explorer" / "channels.json").exists)
    again = look(channels.url)
    assert not again.page.get_by_label("Show spots").is_checked()
    assert again.page.get_by_label("Colour of nuclei").input_value() == "#0000ff"
    again.page.get_by_role("button", name="Reset to the data's colours").click()
    assert again.page.get_by_label("Show spots").is_checked()
    assert not page.errors + again.errors


def test_a_channel_is_shown_alone(look, channels):
    page = look(channels.url)
    page.page.get_by_role("button", name="spots").click()
    assert not page.page.get_by_label("Show nuclei").is_checked()
    page.page.get_by_role("button", name="spots").click()
    assert page.page.get_by_label("Show nuclei").is_checked()
