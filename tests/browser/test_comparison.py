"""The page of a comparison, opened from disk: what is done on one map is seen on the other."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from browser.conftest import Page
from latentmap.images.mnist import load_mnist
from latentmap.report import write_comparison
from latentmap.run import Comparison, RunOptions, compare_runs, make_run

N = 400
OPTIONS = {"epochs": 1, "latent_dim": 6, "features": "latent", "perplexity": 8.0}


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Comparison:
    folder = tmp_path_factory.mktemp("compared")
    images = load_mnist("test")[0][:N]
    make_run(images, folder / "a", RunOptions(n_clusters=5, **OPTIONS))
    make_run(images[:-10], folder / "b", RunOptions(n_clusters=6, seed=1, **OPTIONS))
    found = compare_runs(folder / "a", folder / "b")
    write_comparison(found, folder / "page.html")
    return found


@pytest.fixture(params=["light", "dark"])
def page(compared, chromium, request) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1200, "height": 1000}, color_scheme=request.param)
    asked: list[str] = []
    opened = Page(context.new_page())
    opened.page.on("request", lambda one: asked.append(one.url))
    address = (compared.a.run.path.parent / "page.html").as_uri()
    opened.page.goto(address)
    opened.until("document.getElementById('key').textContent !== ''")
    yield opened
    assert opened.errors == []
    assert [one for one in asked if not one.startswith("data:")] == [address]
    context.close()


def place_of(page: Page, name: str, image: int) -> tuple[float, float]:
    """Where the page draws an image of a run, in pixels."""
    row, x, y, nowhere = page.ask(
        f"""(() => {{
          const data = JSON.parse(document.getElementById("data").textContent);
          const numbers = (text, Type) => new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
          const one = data["{name}"], row = numbers(one.ids, Int32Array).indexOf({image});
          return [row, numbers(one.x, Uint16Array)[row], numbers(one.y, Uint16Array)[row], data.nowhere];
        }})()"""
    )
    assert row >= 0
    box = page.page.locator(f"#map-{name}").bounding_box()
    return tuple(box[side] + (0.03 + 0.94 * at / (nowhere - 1)) * box["width"] for side, at in (("x", x), ("y", y)))


def ringed(page: Page, name: str) -> tuple[float, float] | None:
    """The middle of the pixels that are as dark or light as the ring round the image that is pointed at."""
    found = page.ask(
        f"""(() => {{
          const canvas = document.getElementById("map-{name}"), ink = getComputedStyle(document.body).color;
          const [r, g, b] = ink.match(/\\d+/g).map(Number);
          const {{ data, width }} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let n = 0, x = 0, y = 0;
          for (let i = 0; i < data.length; i += 4) {{
            const far = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
            if (data[i + 3] < 250 || far > 6) continue;
            n += 1; x += (i / 4) % width; y += Math.floor(i / 4 / width);
          }}
          return n ? [x / n, y / n, canvas.clientWidth / width] : null;
        }})()"""
    )
    if found is None:
        return None
    box = page.page.locator(f"#map-{name}").bounding_box()
    return box["x"] + found[0] * found[2], box["y"] + found[1] * found[2]


def lonely_image(page: Page, compared: Comparison) -> tuple[int, int]:
    """A common image that no other lies near to on the first map, and its id in the second run."""
    places = compared.a.places
    distances = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(len(places))
    row = distances.min(axis=1)[compared.common.ids_a].argmax()
    return int(compared.common.ids_a[row]), int(compared.common.ids_b[row])


def test_pointing_at_an_image_marks_it_on_the_other_map(page, compared):
    assert ringed(page, "b") is None
    in_a, in_b = lonely_image(page, compared)
    page.page.mouse.move(*place_of(page, "a", in_a))
    page.until("document.getElementById('pointed').textContent.includes(' · ')")
    said = page.page.text_content("#pointed")
    group = int(compared.b.group[in_b])
    assert said.startswith(
        f"{compared.a.paths[in_a].as_py()} · A: group {int(compared.a.group[in_a])} · B: group {group}"
    )
    page.until_true(lambda: ringed(page, "b") is not None)
    for name, image in (("a", in_a), ("b", in_b)):
        np.testing.assert_allclose(ringed(page, name), place_of(page, name, image), atol=4)
    drawn = page.ask("[...document.getElementById('picture').getContext('2d').getImageData(0, 0, 96, 96).data]")
    assert max(drawn[0::4]) > 200  # a digit


def test_a_box_selects_on_both_maps(page, compared):
    box = page.page.locator("#map-b").bounding_box()
    page.drag([(box["x"] + 1, box["y"] + 1), (box["x"] + box["width"] - 1, box["y"] + box["height"] - 1)])
    n_changed = int(compared.is_changed.sum())
    assert page.page.text_content("#picked") == f"390 selected, {n_changed} of them changed group"
    assert page.page.locator("#pictures canvas").count() == 80
    page.page.check("#only")
    page.drag([(box["x"] + 1, box["y"] + 1), (box["x"] + box["width"] - 1, box["y"] + box["height"] - 1)])
    assert page.page.text_content("#picked") == f"{n_changed} selected, {n_changed} of them changed group"
    page.page.keyboard.press("Escape")
    assert page.page.text_content("#picked") == ""


def test_a_number_in_the_table_selects_its_images(page, compared):
    buttons = page.page.locator("table.groups button")
    for number in range(3):
        buttons.nth(number).click()
        n = buttons.nth(number).text_content()
        assert page.page.text_content("#picked").startswith(f"{n} selected, ")


def test_a_changed_image_is_found_on_both_maps(page, compared):
    row = int(compared.most_changed(1)[0])
    page.page.locator(".changed button").first.click()
    assert page.page.text_content("#picked") == "1 selected, 1 of them changed group"
    assert page.page.text_content("#pointed").startswith(compared.a.paths[int(compared.common.ids_a[row])].as_py())
    page.until_true(lambda: ringed(page, "a") is not None and ringed(page, "b") is not None)


def test_colours_follow_the_choice(page):
    before = page.ask("document.getElementById('map-a').toDataURL()")
    for choice in ("changed", "shared"):
        page.page.select_option("#color", choice)
        page.until(f"document.getElementById('map-a').toDataURL() !== {before!r}")
        assert re.search("grey", page.page.text_content("#key"), re.IGNORECASE)
        before = page.ask("document.getElementById('map-a').toDataURL()")


def test_zooming_moves_one_map_and_the_button_shows_all_again(page):
    pictures = "['a', 'b'].map((name) => document.getElementById('map-' + name).toDataURL())"
    first, second = page.ask(pictures)
    box = page.page.locator("#map-a").bounding_box()
    page.page.mouse.dblclick(box["x"] + 30, box["y"] + 30)
    page.until(f"document.getElementById('map-a').toDataURL() !== {first!r}")
    page.page.click("#whole")
    page.page.mouse.move(5, 5)
    page.until(f"document.getElementById('map-b').toDataURL() === {second!r}")
