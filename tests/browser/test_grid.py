"""The grid beside the map: what it shows, how it is linked with the map, and the keys that label images."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from browser.conftest import Page, Served
from latentmap import map_images
from latentmap.explorer import server
from latentmap.explorer.handlers.page_files import STATIC
from latentmap.explorer.one_file import one_file_parts
from latentmap.explorer.run_facts import facts_with_edits
from latentmap.images.mnist import load_mnist
from latentmap.run import Run
from latentmap.run.edits import Journal

IMAGES = "[...document.querySelectorAll('.cell')].map((one) => Number(one.dataset.image))"


def column(served: Served, name: str) -> list:
    values = pq.read_table(served.run / "atlas.parquet", columns=[name])[name].to_pylist()
    return [str(one) for one in values] if name == "label" else values


def n_in_grid(page: Page) -> int:
    return int(page.page.inner_text(".grid-count").split()[0].replace(",", ""))


def test_the_grid_shows_what_is_seen_filtered_or_selected_in_any_order(look, served):
    page = look(served.url)
    page.page.keyboard.press("g")
    page.page.wait_for_selector(".cell img[src]")
    confidence = np.array(column(served, "confidence"))
    n = len(confidence)
    assert n_in_grid(page) == n  # the map is fitted to the room that is left
    page.page.select_option(".grid-bar .sort", "confidence")
    page.until(f"JSON.stringify({IMAGES}.slice(0, 20)) !== JSON.stringify({list(range(20))})")
    first = page.ask(f"{IMAGES}.slice(0, 20)")
    assert confidence[first].tolist() == pytest.approx(np.sort(confidence)[:20].tolist())
    page.page.locator(".grid-scroll").evaluate("e => (e.scrollTop = e.scrollHeight)")
    page.page.wait_for_selector(f".cell[aria-posinset='{n}']")
    assert confidence[page.ask(f"{IMAGES}.at(-1)")] == pytest.approx(confidence.max())
    assert page.page.locator(".cell").count() < 250

    # sections by label, and fewer images once the map is zoomed in
    page.page.select_option(".grid-bar .divide", "label")
    page.page.select_option(".grid-bar .sort", "")
    page.until("document.querySelector('.grid-heading')?.textContent.startsWith('0')")  # from the end of the list
    labels = column(served, "label")
    assert page.page.inner_text(".grid-heading >> nth=0").split() == ["0", f"{labels.count('0'):,}"]
    assert {labels[one] for one in page.ask(f"{IMAGES}.slice(0, 20)")} == {"0"}
    page.ask("latentmap.camera.set(latentmap.camera.x, latentmap.camera.y, 2)")
    page.until(f"document.querySelector('.grid-count').textContent !== '{n:,} images'")
    left, bottom, right, top = page.ask("latentmap.camera.bounds()")
    x, y = Run.open(served.run).map().T
    assert n_in_grid(page) == int(((x >= left) & (x <= right) & (y >= bottom) & (y <= top)).sum())

    # similarity to the inspected image
    page.page.select_option(".grid-bar .divide", "")
    page.page.select_option(".grid-bar .scope", "visible")
    page.until(f"document.querySelector('.grid-count').textContent === '{n:,} images'")
    page.page.click(".cell >> nth=4")
    image = int(page.page.get_attribute(".cell.inspected", "data-image"))
    page.until(f"latentmap.model.points.id[latentmap.state.row] === {image}")
    page.page.select_option(".grid-bar .sort", label="similarity to the inspected image")
    page.until(f"{IMAGES}[0] === {image}")
    near = Run.open(served.run).similar(image, 8)["id"].to_pylist()
    assert page.ask(f"{IMAGES}.slice(1, 9)") == near
    page.shoot("grid-similar")


def test_the_grid_and_the_map_are_linked(look, served):
    page = look(served.url)
    page.page.click(".grid-button")
    page.page.wait_for_selector(".cell img[src]")
    keyboard = page.page.keyboard
    assert page.ask("document.activeElement.dataset.image") == page.ask(f"String({IMAGES}[0])")

    # pointing marks the image on the map, a click inspects it, modified clicks select
    page.page.hover(".cell >> nth=3")
    third = page.ask(f"{IMAGES}[3]")
    page.until(f"latentmap.model.points.id[latentmap.overlay.pointed] === {third}")
    page.page.click(".cell >> nth=3")
    page.until(f"latentmap.state.pinned && latentmap.model.points.id[latentmap.state.row] === {third}")
    page.page.click(".cell >> nth=1", modifiers=["Control"])
    page.page.click(".cell >> nth=6", modifiers=["Shift"])
    chosen = page.ask(f"{IMAGES}.slice(1, 7)")
    selected = "[...document.querySelectorAll('.cell[aria-selected=true]')].map((one) => Number(one.dataset.image))"
    assert page.ask(selected) == chosen
    page.page.click(".cell >> nth=2", modifiers=["Control"])
    assert page.state("nSelected") == 5

    # keys move, select and open
    page.page.click(".cell >> nth=0")
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    keyboard.press("Space")
    assert page.state("nSelected") == 6
    assert page.ask("document.activeElement.getAttribute('aria-posinset')") == "3"
    keyboard.press("Enter")
    page.page.wait_for_selector(".lightbox[open]")
    keyboard.press("ArrowRight")
    page.page.wait_for_timeout(100)
    keyboard.press("Escape")
    page.until("document.querySelector('.cell.inspected')?.getAttribute('aria-posinset') === '4'")

    # a selection on the map is marked, and can be shown alone
    page.box(0.4)
    page.until("latentmap.state.nSelected > 20")
    page.page.click(".show-grid")
    page.until("document.querySelector('.grid-count').textContent === `${latentmap.state.nSelected} images`")
    assert page.page.locator(".cell:not([aria-selected=true])").count() == 0
    page.page.locator(".grid-bar .side").fill("6")
    page.until("document.querySelector('.cell').offsetWidth > 256")
    page.page.click(".columns-menu summary")
    page.page.check("[data-column=label]")
    image = page.ask(f"{IMAGES}[0]")
    label = column(served, "label")[image]
    page.until(f"document.querySelector(\".cell[data-image='{image}'] small\")?.textContent === '{label}'")
    page.shoot("grid-selected")
    page.page.click(".columns-menu summary")
    page.page.click(".close-grid")
    assert page.ask("document.querySelector('.cell')?.offsetParent ?? null") is None


def test_keys_label_and_mark_one_image_after_the_other(edited, look):
    page = look(edited.url)
    keyboard = page.page.keyboard
    page.page.keyboard.press("g")
    page.page.wait_for_selector(".cell img[src]")
    ids = page.ask(f"{IMAGES}.slice(0, 8)")
    page.page.fill(".new-label", "good")
    keyboard.press("Enter")
    page.page.wait_for_selector("[data-key='1']")
    page.page.fill(".new-label", "bad")
    keyboard.press("Enter")
    page.page.wait_for_selector("[data-key='2']")
    assert page.page.locator(".review-bar .review-key").all_inner_texts()[:2] == ["1 good", "2 bad"]
    page.page.locator(f".cell[data-image='{ids[2]}']").click()
    for key in ("2", "s", "o", "2"):  # as quickly as keys can be pressed
        keyboard.press(key)
    page.until("latentmap.state.revision === 5")
    edits = Run.open(edited.run).edits()
    assert [edits["given_label"][one].as_py() for one in ids[:7]] == ["good", "bad", "bad", None, None, "bad", None]
    assert [edits["marked_outlier"][one].as_py() for one in ids[:6]] == [False, False, False, False, True, False]
    assert page.ask("Number(document.activeElement.dataset.image)") == ids[6]
    page.shoot("grid-keys")

    # the full-size view has the same keys, and undo
    keyboard.press("Enter")
    page.page.wait_for_selector(".lightbox[open]")
    keyboard.press("1")
    page.until("latentmap.state.revision === 6")
    page.until(f"document.querySelector('.lightbox-stage img')?.alt === 'Image {ids[7]}'")
    keyboard.press("Control+z")
    page.until("latentmap.state.revision === 7")
    keyboard.press("Escape")
    page.page.locator(f".cell[data-image='{ids[6]}']").click()
    keyboard.press("Control+z")
    page.until("latentmap.state.revision === 8")
    labels = Run.open(edited.run).edits()["given_label"]
    assert [labels[one].as_py() for one in ids[:7]] == ["good", "bad", "bad", None, None, None, None]


def test_readers_and_saved_pages_have_the_grid_without_keys(look, served, tmp_path):
    page = look(served.readers)
    page.page.keyboard.press("g")
    page.page.wait_for_selector(".cell img[src]")
    assert page.page.locator(".review-bar").count() == 0
    opened = server.Server(served.run).opened
    saved = tmp_path / "map.html"
    saved.write_bytes(b"".join(one_file_parts(opened.data, facts_with_edits(opened.data, opened.facts), STATIC)))
    page = look(saved.as_uri())
    page.page.keyboard.press("g")
    page.page.wait_for_selector(".cell canvas")
    assert page.page.locator(".review-bar").count() == 0
    assert page.page.locator(".grid-bar .sort").inner_text().split("\n")[:2] == [
        "file order",
        "distance to the centre of the group",
    ]
    image = page.ask(f"{IMAGES}[0]")
    page.page.keyboard.press("o")  # no key of the map either
    page.page.keyboard.press("Enter")
    page.until(f"document.querySelector('.lightbox[open] h2')?.textContent.includes('{image}')")
    painted = (
        "(c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].some((v, i) => i % 4 < 3 && v > 100))"
    )
    page.until(f"{painted}(document.querySelector('.cell canvas'))")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_the_grid(look, served, theme):
    from axe_playwright_python.sync_playwright import Axe

    page = look(f"{served.url}&theme={theme}")
    page.page.keyboard.press("g")
    page.page.select_option(".grid-bar .divide", "label")
    page.page.wait_for_selector(".grid-heading")
    page.page.wait_for_selector(".cell img[src]")
    found = Axe().run(page.page).response["violations"]
    assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []


@pytest.fixture(params=["digits", "colors"])
def reviewed(request, tmp_path) -> Path:
    """A run of digits, and one of images in colour, with three exact duplicates of one image."""
    if request.param == "colors":
        return Path(shutil.copytree(request.getfixturevalue("colors"), tmp_path / "run"))
    images = load_mnist("test")[0][:40]
    images[[7, 12, 20]] = images[3]
    map_images(images, tmp_path / "run", epochs=1, latent_dim=3, n_clusters=2, features="latent", quiet=True)
    return tmp_path / "run"


def test_issues_are_accepted_and_dismissed_one_after_the_other(look, serving, reviewed):
    run = reviewed
    issues = Run.open(run).issues().filter(pc.field("issue") == "exact_duplicate")
    first, second, third = issues["id"].to_pylist()
    (original,) = set(issues["related"].to_pylist())
    page = look(serving(run).url)
    page.page.keyboard.press("g")
    page.page.wait_for_selector(".cell img[src]")
    page.page.select_option(".grid-bar .scope", label="exact duplicates (3)")
    page.until(f"JSON.stringify({IMAGES}) === '[{first},{second},{third}]'")
    assert page.page.inner_text(".grid-count") == "3 to review, 0 accepted"
    assert f"like {original}" in page.page.inner_text(".cell >> nth=0")
    page.shoot("issues")
    page.page.click(".cell >> nth=0")
    page.page.keyboard.press("a")
    page.until(f"JSON.stringify({IMAGES}) === '[{second},{third}]'")
    page.page.keyboard.press("d")
    page.until(f"JSON.stringify({IMAGES}) === '[{third}]'")
    page.page.click(".decisions [data-key=a]")
    page.until("document.querySelector('.grid-count').textContent === 'Nothing is left to review: 2 accepted.'")
    assert page.page.locator(".scope option:checked").inner_text() == "exact duplicates (0)"
    page.page.click(".select-accepted")
    page.until("latentmap.state.nSelected === 2")
    verdicts = Journal(run).edited().verdicts["exact_duplicate"]
    assert {image: int(verdicts[image]) for image in (first, second, third)} == {first: 1, second: 2, third: 1}
    page.page.keyboard.press("Control+z")
    page.until(f"JSON.stringify({IMAGES}) === '[{third}]'")
