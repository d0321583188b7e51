"""The explorer as a person uses it: what the page shows, and what the run's files hold afterwards."""

import csv
import io
import json
import re
import shutil
import signal
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from browser.conftest import PATIENCE_FOR_WORK, Page, serve
from latentmap import explore
from latentmap.run import Run, RunOptions, make_run
from latentmap.run.edits import EDITS_FILE, Journal


def journal(run: Path) -> list[dict]:
    path = run / EDITS_FILE
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def colors(page, share: float = 1.0) -> int:
    """How many different colours the middle of the map shows."""
    left, top, width, height = page.stage()
    clip = {
        "x": left + width * (1 - share) / 2,
        "y": top + height * (1 - share) / 2,
        "width": width * share,
        "height": height * share,
    }
    pixels = np.asarray(Image.open(io.BytesIO(page.page.screenshot(clip=clip))).convert("RGB"))
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


def drawn(page) -> int:
    """How many pixels are drawn over the map."""
    return page.ask(
        """(() => { const c = document.querySelector('.overlay');
        const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return pixels.filter((v, i) => i % 4 === 3 && v > 0).length; })()"""
    )


# ---------------------------------------------------------------- 1. the map


def test_the_points_are_pictures_that_grow(look, served):
    page = look(served.url)
    assert page.page.title().startswith("digits")
    n = len(Run.open(served.run).atlas())
    assert page.state("n") == n
    assert f"{n:,} images" in page.page.inner_text("header")
    page.shoot("map")
    assert colors(page) > 100  # pictures and dots, not an empty canvas
    few, small = page.state("nSprites"), page.state("spriteSide")
    assert few > 50
    shown = page.state("sprites")
    # pictures keep clear of each other, and each lies at the place of its image
    places = np.array([one["at"] for one in shown])
    apart = np.abs(places[:, None] - places[None]).max(axis=2) + 1e9 * np.eye(len(places))
    assert apart.min() > 0.7 * small
    left, top, width, height = page.stage()
    page.page.mouse.move(left + width / 2, top + height / 2)
    for _ in range(4):
        page.page.mouse.wheel(0, -240)
        page.page.wait_for_timeout(60)
    page.until(f"latentmap.state.spriteSide > {1.8 * small}")
    page.shoot("map-near")
    assert page.state("zoom") == pytest.approx(4, abs=0.01)
    center = page.state("center")
    label = page.page.locator(".label").first
    if label.count():  # the map can be held at a label too
        box = label.bounding_box()
        start = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    else:
        start = (left + 400, top + 300)
    page.drag([start, (start[0] - 100, start[1] - 40)])
    moved = page.state("center")
    assert moved[0] > center[0]
    assert moved[1] < center[1]
    assert "token" not in page.page.url


def test_keys_move_and_zoom_the_map(look, served):
    page = look(served.url)
    page.page.focus(".map")
    for key in ("+", "+", "ArrowRight", "ArrowUp"):
        page.page.keyboard.press(key)
    assert page.state("zoom") == pytest.approx(1)
    x, y = page.state("center")
    page.page.keyboard.press("0")
    home = page.state("center")
    assert page.state("zoom") == pytest.approx(0)
    assert x > home[0]
    assert y > home[1]
    page.page.keyboard.press("Enter")  # the image in the middle
    page.until("latentmap.state.neighbors > 0")
    first = page.state("row")
    page.page.keyboard.press("n")
    page.until(f"latentmap.state.row !== {first}")
    page.page.keyboard.press("Escape")
    assert page.state("row") == -1


def test_touch_pinches_and_pans(chromium, served):
    context = chromium.new_context(viewport={"width": 800, "height": 700}, has_touch=True)
    page = context.new_page()
    page.goto(served.url)
    Page(page).until("window.latentmap && latentmap.state.nSprites > 0")
    client = context.new_cdp_session(page)

    def touch(kind, *points):
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    touch("touchStart", (350, 400), (450, 400))
    for step in range(1, 9):
        touch("touchMove", (350 - 12 * step, 400), (450 + 12 * step, 400))
    touch("touchEnd")
    assert page.evaluate("latentmap.state.zoom") > 1
    center = page.evaluate("latentmap.state.center")
    touch("touchStart", (400, 400))
    for step in range(1, 6):
        touch("touchMove", (400 - 10 * step, 400))
    touch("touchEnd")
    assert page.evaluate("latentmap.state.center")[0] > center[0]
    context.close()


def test_labels_refine_and_colours_change(look, served):
    page = look(served.url)
    groups = {one.number for one in Journal(served.run).edited().groups}
    page.until("document.querySelectorAll('.label').length > 3")
    names = page.page.locator(".label span").all_inner_texts()
    assert set(names) <= {f"Group {number}" for number in groups}
    assert page.page.locator(".label img").count() == len(names)
    left, top, width, height = page.stage()
    page.page.mouse.move(left + width / 2, top + height / 2)
    for _ in range(3):
        page.page.mouse.wheel(0, -240)
        page.page.wait_for_timeout(80)
    page.until("[...document.querySelectorAll('.label span')].some(e => /[.][12]/.test(e.textContent))")
    page.shoot("labels-near")
    page.page.keyboard.press("0")  # without a click on the map before
    page.until("latentmap.state.zoom === 0 && document.querySelectorAll('.label').length > 3")
    page.page.wait_for_timeout(400)
    box = page.page.locator(".label").first.bounding_box()
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # leads to its group
    page.until("latentmap.state.zoom !== 0")
    page.page.keyboard.press("0")
    for column in ("label", "confidence", "error"):
        page.page.select_option(".color", column)
        page.until(f"latentmap.state.colorBy === '{column}'")
        page.shoot(f"colour-{column}")
    assert page.page.locator(".ramp").count() == 1
    page.page.click(".theme")
    assert page.ask("document.documentElement.dataset.theme") == "light"
    page.shoot("light")
    page.page.click(".language")
    page.until("document.documentElement.lang === 'ko' && window.latentmap && latentmap.state.nSprites > 0")
    assert "그룹" in page.page.inner_text("aside.left")
    page.shoot("korean")


def test_the_minimap_leads_there(look, served):
    page = look(served.url)
    page.page.focus(".map")
    for _ in range(6):
        page.page.keyboard.press("+")
    box = page.page.locator(".minimap").bounding_box()
    page.page.mouse.click(box["x"] + 20, box["y"] + 120)
    x, y = page.state("center")
    left, bottom, side = page.ask("latentmap.model.facts.square")
    fraction = (20 / 140 - 0.05) / 0.9  # there is a margin around the map
    assert x == pytest.approx(left + side * fraction, abs=side / 30)
    assert y == pytest.approx(bottom + side * fraction, abs=side / 30)


# ---------------------------------------------------------------- 2. asking


def test_hover_and_click_show_an_image_its_neighbours_and_columns(look, served):
    page = look(served.url)
    image = page.state("sprites")[-1]["id"]
    page.page.mouse.move(*page.point(image))
    page.until("latentmap.state.neighbors === 8")
    inspector = page.page.locator(".inspector")
    assert f"Image {image}" in inspector.inner_text()
    run = Run.open(served.run)
    row = run.atlas().slice(image, 1).to_pylist()[0]
    table = dict(
        zip(
            inspector.locator(".facts th").all_inner_texts(),
            inspector.locator(".facts td").all_inner_texts(),
            strict=True,
        )
    )
    assert table["path"] == row["path"]
    assert float(table["error"]) == pytest.approx(row["error"], rel=1e-3)
    page.until("document.querySelector('.inspector img[alt=Reconstruction]').naturalWidth > 0")
    wanted = run.similar(image, 8)["id"].to_pylist()
    shown = [
        int(title.split(",")[0])
        for title in inspector.locator(".strip .thumb").evaluate_all("es => es.map(e => e.title)")
    ]
    assert shown == wanted
    page.shoot("hover")
    page.page.mouse.click(*page.point(image))
    left, top, _, _ = page.stage()
    page.page.mouse.move(left + 5, top + 5)
    page.page.wait_for_timeout(200)
    assert f"Image {image}" in inspector.inner_text()  # kept
    page.page.click(".inspector .strip .thumb >> nth=0")
    page.until(f"document.querySelector('.inspector').innerText.includes('Image {wanted[0]}')")


def test_search_and_filters(look, served):
    page = look(served.url)
    run = Run.open(served.run)
    atlas = run.atlas()
    image = page.ask("latentmap.model.points.id.at(-1)")  # among all it has no room for its picture
    path = atlas["path"][image].as_py()
    wanted = sum(path in one for one in atlas["path"].to_pylist())
    page.until("document.querySelectorAll('.label').length > 3")
    page.page.fill(".search", path)
    page.page.keyboard.press("Enter")
    page.until(f"latentmap.state.nVisible === {wanted}")
    page.until(f"document.querySelectorAll('.label').length <= {wanted}")  # none of a group that is not seen
    page.until(f"latentmap.state.sprites.some(one => one.id === {image})")
    page.shoot("search")
    page.page.fill(".search", "")
    page.page.keyboard.press("Enter")
    page.until("latentmap.state.nVisible === latentmap.state.n")
    page.page.fill(".search", "no such file")
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('.message').textContent.includes('no such file')")
    page.page.fill(".search", "")
    page.page.keyboard.press("Enter")
    page.page.select_option(".filters > select", "confidence")
    page.page.fill("[aria-label='confidence minimum']", "0.9")
    confidence = atlas["confidence"].to_numpy()
    n_sure = int((confidence >= np.float32(0.9)).sum())
    page.until(f"latentmap.state.nVisible === {n_sure}")
    page.page.select_option(".filters > select", "label")
    box = page.page.locator(".filters fieldset").nth(1).locator("[data-key='3'] input")
    box.uncheck()
    labels = np.array([str(label) for label in atlas["label"].to_pylist()])
    page.until(f"latentmap.state.nVisible === {int(((confidence >= np.float32(0.9)) & (labels != '3')).sum())}")
    page.shoot("filters")
    page.page.locator(".filters fieldset").nth(1).get_by_text("none", exact=True).click()
    page.until("latentmap.state.nVisible === 0")
    page.until("document.querySelectorAll('.label').length === 0")
    box.check()
    n_threes = int(((confidence >= np.float32(0.9)) & (labels == "3")).sum())
    page.until(f"latentmap.state.nVisible === {n_threes}")
    few = page.state("sprites")
    assert len(few) > 3
    assert {labels[one["id"]] for one in few} == {"3"}
    page.page.locator(".filters fieldset").nth(1).get_by_text("all", exact=True).click()
    page.until(f"latentmap.state.nVisible === {n_sure}")
    page.page.click("[aria-label='Remove filter confidence']")
    page.until("latentmap.state.nVisible === latentmap.state.n")


def test_the_last_search_counts(look, served):
    page = look(served.url)
    page.page.route("**/api/search*", lambda route: (page.page.wait_for_timeout(700), route.continue_()))
    page.page.fill(".search", "no such file")
    page.page.keyboard.press("Enter")
    page.page.fill(".search", "")
    page.page.keyboard.press("Enter")
    page.page.wait_for_timeout(2000)
    assert "No file name" not in page.page.locator(".message").inner_text()
    assert page.state("nVisible") == page.state("n")


def test_an_image_that_is_dropped_finds_those_like_it(look, served, tmp_path):
    page = look(served.url)
    run = Run.open(served.run)
    image = 77
    data = io.BytesIO()
    run.image(image).save(data, "PNG")
    page.ask(
        f"""(() => {{
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array({list(data.getvalue())})], "seven.png", {{type: "image/png"}}));
          document.dispatchEvent(new DragEvent("drop", {{dataTransfer: data, bubbles: true}}));
        }})()"""
    )
    page.until("latentmap.state.query !== null")
    ids = page.ask("latentmap.state.query.neighbors.map((row) => latentmap.model.points.id[row])")
    assert len(ids) == 12
    assert image in ids
    page.until("latentmap.state.zoom >= 3")
    page.shoot("dropped")
    page.ask(
        """(() => {
          const data = new DataTransfer();
          data.items.add(new File(["no image"], "text.png", {type: "image/png"}));
          document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        })()"""
    )
    page.until("document.querySelector('.message').textContent.includes('cannot be decoded')")
    assert page.state("query") is None


def test_box_and_lasso_select(look, served):
    page = look(served.url)
    page.box(0.5)
    page.until("latentmap.state.nSelected > 10")
    xy = Run.open(served.run).map()
    corners = np.array(page.ask("latentmap.camera.bounds()")).reshape(2, 2)
    middle, span = corners.mean(axis=0), corners[1] - corners[0]
    left, top, width, height = page.stage()
    half = 0.25 * min(width, height) / np.array([width, height]) * span
    inside = int((np.abs(xy - middle) <= half).all(axis=1).sum())
    assert page.state("nSelected") == pytest.approx(inside, abs=5)
    selection = page.page.locator(".selection")
    assert f"{page.state('nSelected'):,} selected" in selection.inner_text()
    counts = selection.locator(".composition li span:last-child").all_inner_texts()
    assert sum(int(text.replace(",", "")) for text in counts) == page.state("nSelected")
    page.shoot("box")
    before = page.state("nSelected")
    page.page.click("[data-tool=lasso]")
    x, y = left + width / 2, top + height / 2
    page.drag([(x, y - 120), (x + 120, y), (x, y + 120), (x - 120, y), (x, y - 118)])
    page.until(f"latentmap.state.nSelected !== {before}")
    assert 0 < page.state("nSelected")
    page.shoot("lasso")


# ---------------------------------------------------------------- 3. learning


def test_the_sweep_moves_the_points(look, served):
    page = look(served.url)
    page.page.click("[data-open=learn]")
    page.page.click("[data-job=sweep]")
    page.until("document.querySelectorAll('.learn .ticks span').length >= 6", PATIENCE_FOR_WORK)  # it makes six maps
    xy = page.ask("Array.from(latentmap.model.x.slice(0, 50))")
    slider = page.page.locator(".learn .slider input")
    slider.fill("0")
    low = page.ask("Array.from(latentmap.model.x.slice(0, 50))")
    slider.evaluate("e => { e.value = '0.5'; e.dispatchEvent(new Event('input')); }")  # while it is dragged
    between = page.ask("Array.from(latentmap.model.x.slice(0, 50))")
    slider.fill("1")
    high = page.ask("Array.from(latentmap.model.x.slice(0, 50))")
    assert not np.allclose(xy, low)
    page.shoot("sweep")
    assert not np.allclose(low, high)
    assert np.allclose(between, (np.array(low) + np.array(high)) / 2, atol=1e-3)
    folder = next((served.run / "explorer").glob("sweep-*"))
    assert {path.stem for path in folder.glob("*.parquet")} == {"5", "10", "15", "25", "50", "100"}
    page.page.click(".learn .tabs .small")
    back = page.ask("Array.from(latentmap.model.x.slice(0, 50))")
    assert np.allclose(back, xy)


def test_kmeans_goes_step_by_step(look, served):
    page = look(served.url)
    page.page.click("[data-open=learn]")
    page.page.click("[data-tab=kmeans]")
    page.until("latentmap.state.centers !== null")
    text = page.page.locator(".learn .step")
    first = text.inner_text()
    assert first.startswith("Step 1 of ")
    centers = page.state("centers.now")
    assert len(centers) == len(Journal(served.run).edited().groups)
    page.page.click("[data-kmeans=step]")
    assert text.inner_text().startswith("Step 2 of ")
    assert page.state("centers.now") != centers
    assert drawn(page) > 500
    page.shoot("kmeans-map")
    page.page.click("[data-kmeans=back]")
    assert text.inner_text() == first
    page.page.click("[data-kmeans=play]")
    page.until("document.querySelector('.learn .step').textContent.startsWith('Step 3')")
    page.page.click("[data-kmeans=play]")
    inertias = page.ask("latentmap.server.json('/api/learn/kmeans?k=10').then(r => r.inertias)")
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in pairwise(inertias))
    page.page.locator(".learn select").select_option("blobs")
    page.page.wait_for_selector(".blobs")
    page.page.click("[data-kmeans=step]")
    page.until("latentmap.state.centers === null")
    page.page.wait_for_timeout(300)
    assert drawn(page) == 0  # those on the map are gone
    page.shoot("kmeans-blobs")


def test_training_and_activations(look, served):
    page = look(served.url)
    page.page.click("[data-open=learn]")
    page.page.click("[data-tab=training]")
    page.until("document.querySelectorAll('.chart polyline').length === 1")
    page.shoot("training")
    page.page.click("[data-tab=activations]")
    page.page.click("[data-job=activations]")
    page.until("document.querySelectorAll('.learn .strip-picture').length === 3", PATIENCE_FOR_WORK)  # it trains twice
    page.until("[...document.querySelectorAll('.learn .strip-picture')].every(e => e.complete && e.naturalWidth > 100)")
    page.shoot("activations")


# ---------------------------------------------------------------- 4. decoding


def test_the_decoder_draws_any_place(look, served):
    page = look(served.url)
    page.page.click("[data-tool=decode]")
    left, top, width, height = page.stage()
    for step in range(40):
        page.page.mouse.move(left + width * (0.3 + 0.01 * step), top + height * 0.5)
        page.page.wait_for_timeout(15)
    page.until("latentmap.state.decodeTimes.length > 5")
    page.shoot("decode")
    drawn = page.ask(
        """(() => { const c = document.querySelector('.preview canvas');
        return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0); })()"""
    )
    assert max(drawn) > 100
    assert min(drawn) < 50


def test_ways_between_images_and_along_a_path(look, served):
    page = look(served.url)
    a, b = (one["id"] for one in (page.state("sprites")[-1], page.state("sprites")[-2]))
    page.page.mouse.click(*page.point(a))
    page.page.click("[data-act=way]")
    page.page.mouse.click(*page.point(b))
    page.page.wait_for_selector(".decoded img")
    page.until("document.querySelector('.decoded img').naturalWidth > 300")
    assert f"{a} → {b}" in page.page.inner_text(".decoded")
    page.shoot("interpolation")
    saved_as(page, f"{a}-{b}")
    page.page.keyboard.press("Escape")
    page.page.keyboard.down("Alt")
    page.page.mouse.click(*page.point(b))
    page.page.keyboard.up("Alt")
    page.until("!document.querySelector('.decoded').hidden")
    page.page.keyboard.press("Escape")
    page.page.click("[data-tool=path]")
    left, top, width, height = page.stage()
    page.drag(
        [
            (left + width * 0.3, top + height * 0.3),
            (left + width * 0.5, top + height * 0.6),
            (left + width * 0.7, top + height * 0.4),
        ]
    )
    page.until("document.querySelector('.decoded').innerText.includes('Along the path')")
    page.page.wait_for_selector(".decoded img")
    page.shoot("path")
    saved_as(page, "path")


def saved_as(page, name: str) -> None:
    """A strip on the page can be saved in either format."""
    for form in ("gif", "png"):
        with page.page.expect_download() as found:
            page.page.click(f"[data-format={form}]")
        assert found.value.suggested_filename == f"{name}.{form}"
        picture = Image.open(found.value.path())
        assert picture.format == form.upper()
        if form == "gif":
            assert picture.n_frames > 10


# ---------------------------------------------------------------- 5. work


def test_groups_are_named_split_merged_and_all_of_it_undone(look, served):
    page = look(served.url)
    n_groups = page.page.locator(".groups li").count()
    name = page.page.locator(".groups li[data-group='0'] input")
    name.fill("round <b>ones</b>")
    name.press("Enter")
    page.until("latentmap.state.revision === 1")
    assert journal(served.run)[-1]["name"] == "round <b>ones</b>"
    page.until("[...document.querySelectorAll('.label span')].some(e => e.textContent === 'round <b>ones</b>')")
    assert page.page.locator(".label b").count() == 0
    page.page.select_option(".filters > select", "group")
    without = page.page.locator(".filters fieldset [data-key='2'] input")
    without.uncheck()
    n_left = page.state("n") - int((Run.open(served.run).atlas()["group"].to_numpy() == 2).sum())
    page.until(f"latentmap.state.nVisible === {n_left}")
    page.page.click(".groups li[data-group='1'] [data-act=split]")
    page.until(f"document.querySelectorAll('.groups li').length === {n_groups + 1}")
    page.until(f"document.querySelectorAll('.filters fieldset .choices input').length === {n_groups + 1}")
    assert page.state("nVisible") == n_left  # the filter stays with its group
    assert not without.is_checked()
    page.page.click("[aria-label='Remove filter group']")
    sizes = {
        one.number: int((Journal(served.run).edited().group == one.number).sum())
        for one in Journal(served.run).edited().groups
    }
    assert sum(sizes.values()) == page.state("n")
    shown = page.ask("latentmap.model.edits.groups.map(g => [g.number, g.size])")
    assert dict(shown) == sizes
    page.shoot("split")
    page.page.click(f".groups li[data-group='{n_groups}'] [data-act=merge]")
    page.page.locator(".partners input[type=checkbox]").first.check()  # the other half: the nearest in the tree
    page.page.fill(".partners .merged-name", "")
    page.page.click(".merge-do")
    page.until(f"document.querySelectorAll('.groups li').length === {n_groups}")
    for revision in (4, 5, 6):
        page.page.click(".groups .undo")
        page.until(f"latentmap.state.revision === {revision}")
    assert page.page.locator(".groups .undo").is_disabled()
    edited = Journal(served.run).edited()
    assert (edited.group == Run.open(served.run).atlas()["group"].to_numpy()).all()
    page.page.click(".groups .redo")
    page.until("document.querySelector('.groups li input').value.startsWith('round')")
    assert len(journal(served.run)) == 7
    assert Run.open(served.run).edits()["group_name"].to_pylist().count("round <b>ones</b>") == sizes[0]


def wait_for_folder(page: Page, exports: Path) -> Path:
    """The folder of an export that is done; until then its name begins with a dot."""
    end = time.monotonic() + PATIENCE_FOR_WORK
    while time.monotonic() < end:
        for path in exports.iterdir():
            if path.is_dir() and not path.name.startswith("."):
                return path
        page.page.wait_for_timeout(100)
    raise AssertionError(f"no folder in {exports}")


def test_selections_are_labelled_marked_spread_and_exported(look, served, tmp_path):
    page = look(served.url)
    page.box(0.3)
    page.until("latentmap.state.nSelected > 3")
    ids = page.ask("latentmap.model.idsOf(latentmap.model.selectedRows())")
    before = page.state("revision")
    page.page.fill(".label-form input", '=first, "quoted"')
    page.page.click(".label-form button >> nth=0")
    page.until(f"latentmap.state.revision === {before + 1}")
    given = Run.open(served.run).edits()["given_label"].to_pylist()
    assert [i for i, label in enumerate(given) if label == '=first, "quoted"'] == ids
    with page.page.expect_download() as found:
        page.page.click("[data-export=csv]")
    rows = list(csv.DictReader(io.StringIO(Path(found.value.path()).read_text(encoding="utf-8"))))
    assert [int(row["id"]) for row in rows] == ids
    assert {row["given_label"] for row in rows} == {'\'=first, "quoted"'}  # no formula in a spreadsheet
    with page.page.expect_download() as found:
        page.page.click("[data-export=parquet]")
    table = pq.read_table(found.value.path())
    assert table["id"].to_pylist() == ids
    assert set(table["given_label"].to_pylist()) == {'=first, "quoted"'}
    page.page.click("[data-export=folder]")
    folder = wait_for_folder(page, served.run / "exports")
    page.until("document.querySelector('.running').hidden")
    assert page.page.text_content(".kept").startswith(f"{len(ids)} images exported: ")
    assert sum(path.is_file() for path in folder.rglob("*")) == len(ids)
    page.page.click("[data-mark=hidden]")
    page.until(f"latentmap.state.nVisible === latentmap.state.n - {len(ids)}")
    assert Run.open(served.run).edits()["marked_hidden"].to_numpy(zero_copy_only=False).sum() == len(ids)
    page.shoot("hidden")
    assert page.state("nSelected") == 0  # what is not seen is not selected
    page.page.focus(".map")
    page.page.keyboard.press("Control+z")
    page.until("latentmap.state.nVisible === latentmap.state.n")
    page.page.click(".spread")
    assert f"all {page.state('n'):,} images" in page.page.inner_text("dialog.ask")  # there is one label only
    page.page.click("[data-answer=yes]")
    page.until("document.querySelector('.message').textContent.includes('labels.parquet')")
    assert len(pq.read_table(served.run / "labels.parquet")) == page.state("n")
    page.shoot("labelled")


def test_two_tabs_do_not_overwrite_each_other(look, served):
    one, other = look(served.url), look(served.url)
    revision = one.state("revision")
    for page, group, text in ((one, 2, "from one"), (other, 3, "from the other")):
        field = page.page.locator(f".groups li[data-group='{group}'] input")
        field.fill(text)
        field.press("Enter")
        page.until_true(
            lambda page=page, text=text: text in page.page.inner_text(".message") or page.state("revision") > revision
        )
    one.until("latentmap.state.revision === " + str(revision + 2))  # told of the other's within seconds
    names = {one.number: one.name for one in Journal(served.run).edited().groups}
    assert (names[2], names[3]) == ("from one", "from the other")
    # the same group in both: the second hears of the first and does not undo it
    other.until(f"latentmap.state.revision === {revision + 2}")
    stale = json.dumps({"revision": revision + 1, "edit": {"kind": "name", "group": 3, "name": "too late"}})
    answer = other.ask(
        f"latentmap.server.post('/api/edits', {stale}).then(answer => answer.status, refusal => refusal.status)"
    )
    assert answer == 409
    assert {one.number: one.name for one in Journal(served.run).edited().groups}[3] == "from the other"


def test_what_was_done_survives_kills(look, made, tmp_path):
    run = Path(shutil.copytree(made, tmp_path / "digits"))
    first = serve(run)
    page = look(first.url)
    field = page.page.locator(".groups li[data-group='0'] input")
    field.fill("kept")
    field.press("Enter")
    page.until("latentmap.state.revision === 1")
    first.stop(signal.SIGKILL)
    with (run / EDITS_FILE).open("ab") as file:
        file.write(b'{"kind":"name","gro')  # killed in the middle of a line
    page.page.locator(".groups li[data-group='1'] input").fill("lost")
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('.message').textContent.includes('Not saved')")
    page.errors.clear()  # the browser says that the server is gone
    second = serve(run)
    again = look(second.url)
    assert again.page.locator(".groups li[data-group='0'] input").input_value() == "kept"
    again.page.locator(".groups li[data-group='1'] input").fill("also kept")
    again.page.keyboard.press("Enter")
    again.until("latentmap.state.revision === 2")
    assert [entry["name"] for entry in journal(run)] == ["kept", "also kept"]
    page.page.close()
    page.errors.clear()
    again.page.close()
    second.stop()


# ---------------------------------------------------------------- 6. sharing


def test_a_view_has_an_address(look, served):
    page = look(served.url)
    page.page.select_option(".color", "confidence")
    left, top, width, height = page.stage()
    page.page.mouse.move(left + width / 2, top + height / 2)
    page.page.mouse.wheel(0, -480)
    image = page.state("sprites")[-1]["id"]
    page.page.mouse.click(*page.point(image))
    page.page.select_option(".filters > select", "confidence")
    page.page.fill("[aria-label='confidence maximum']", "0.97")
    page.page.select_option(".filters > select", "label")
    page.page.locator(".filters fieldset [data-key='4'] input").uncheck()
    page.until("latentmap.state.nVisible < latentmap.state.n && latentmap.model.filters.size === 2")
    page.page.wait_for_timeout(800)
    address = page.page.url
    other = look(f"{address}&{served.url.partition('#')[2]}")
    other.until(f"latentmap.state.nVisible === {page.state('nVisible')}")
    assert other.page.locator("[aria-label='confidence maximum']").input_value() == "0.97"
    assert not other.page.locator(".filters fieldset [data-key='4'] input").is_checked()
    other.until(f"latentmap.state.colorBy === 'confidence' && latentmap.state.row === {page.state('row')}")
    assert other.state("zoom") == pytest.approx(page.state("zoom"), abs=1e-3)
    assert other.state("center") == pytest.approx(page.state("center"), rel=1e-3, abs=1e-2)
    for filters in ("{", "7", '{"label":null,"none such":{"text":"x"},"confidence":{"without":["1"]}}'):
        cut = look(f"{served.url}&filters={quote(filters)}")
        cut.until("latentmap.state.nVisible === latentmap.state.n")


def test_pictures_of_the_view(look, served, tmp_path):
    page = look(served.url)
    for kind in ("png", "svg"):
        page.page.click(".menu summary")
        with page.page.expect_download() as found:
            page.page.click(f"[data-share={kind}]")
        path = tmp_path / f"view.{kind}"
        found.value.save_as(path)
        if kind == "png":
            pixels = np.asarray(Image.open(path).convert("RGB"))
            assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
        else:
            text = path.read_text(encoding="utf-8")
            assert text.count("<image ") == page.state("nSprites")
            assert text.count("<circle ") >= page.state("n") * 0.9
            opened = page.page.context.new_page()
            opened.goto(path.as_uri())
            opened.screenshot(path=Path(__file__).parents[2] / "build" / "screenshots" / "view-svg.png")
            opened.close()


def test_one_file_opens_from_disk_without_a_server(look, served, tmp_path, chromium):
    page = look(served.url)
    n_groups = page.page.locator(".groups li").count()
    page.page.click(".menu summary")
    with page.page.expect_download() as found:
        page.page.click("[data-share=html]")
    path = tmp_path / "one.html"
    found.value.save_as(path)
    context = chromium.new_context(viewport={"width": 1400, "height": 900}, color_scheme="dark", offline=True)
    asked: list[str] = []
    alone = context.new_page()
    alone.on("request", lambda request: asked.append(request.url))
    errors: list[str] = []
    alone.on("pageerror", lambda error: errors.append(str(error)))
    alone.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    alone.goto(path.as_uri())
    end = time.monotonic() + 30
    while not alone.evaluate("window.latentmap && latentmap.state.nSprites > 50"):
        assert time.monotonic() < end, errors
        time.sleep(0.1)
    assert alone.locator(".groups li").count() == n_groups
    wanted = Run.open(served.run).atlas()["path"][42].as_py()
    alone.fill(".search", wanted)
    alone.keyboard.press("Enter")
    alone.wait_for_timeout(500)
    assert 0 < alone.evaluate("latentmap.state.nVisible") < 50
    alone.fill(".search", "")
    alone.keyboard.press("Enter")
    alone.keyboard.press("Escape")
    alone.keyboard.press("Escape")  # the one that was found is let go
    image = alone.evaluate("latentmap.state.sprites.at(-1).id")
    box = alone.locator(".map").bounding_box()
    x, y = alone.evaluate(f"latentmap.placeOf({image})")
    alone.mouse.move(box["x"] + x, box["y"] + y)
    alone.wait_for_timeout(600)
    assert f"Image {image}" in alone.inner_text(".inspector")
    alone.screenshot(path=Path(__file__).parents[2] / "build" / "screenshots" / "one-file.png")
    assert [url for url in asked if url.startswith("http")] == []
    assert errors == []
    context.close()


# ---------------------------------------------------------------- 7. in a notebook


def test_a_notebook_frames_it_and_reads_the_selection(chromium, made, tmp_path):
    run = Run.open(made)
    explorer = explore(run, height=600)
    try:
        # a notebook's page: another origin on this machine, with the explorer in a frame
        html = f"<!doctype html><title>notebook</title>{explorer._repr_html_()}"
        from http.server import BaseHTTPRequestHandler, HTTPServer
        from threading import Thread

        class Notebook(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, *_):
                pass

        server = HTTPServer(("localhost", 0), Notebook)
        Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.new_page(viewport={"width": 1300, "height": 700})
        page.goto(f"http://localhost:{server.server_port}/")
        page.wait_for_timeout(300)
        frame = page.frames[1]
        end = time.monotonic() + 30
        while not frame.evaluate("window.latentmap && latentmap.state.nSprites > 0"):
            assert time.monotonic() < end
            time.sleep(0.1)
        frame.evaluate("latentmap.model.select([0, 1, 2])")
        wanted = sorted(frame.evaluate("Array.from(latentmap.model.points.id.slice(0, 3))"))
        end = time.monotonic() + 10
        while explorer.selection != wanted:
            assert time.monotonic() < end
            time.sleep(0.05)
        page.wait_for_timeout(500)
        Page(page).shoot("notebook")
        page.close()
        server.shutdown()
    finally:
        explorer.close()


# ---------------------------------------------------------------- other images


def test_large_images_in_colour_are_shown_whole_when_near(look, tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (80, 96, 128, 3), dtype=np.uint8)
    for number, image in enumerate(images):
        image[:, :, number % 3] += 150
        image[::2, ::2] = 255  # too fine for a thumbnail of 64 pixels
    run = tmp_path / "large"
    make_run(images, run, RunOptions(epochs=1, latent_dim=4, n_clusters=3, perplexity=5.0))
    served = serve(run)
    page = look(served.url)
    page.shoot("large-far")
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url))
    middle = np.array(page.stage()[2:]) / 2
    image = min(page.state("sprites"), key=lambda one: np.hypot(*np.subtract(one["at"], middle)))["id"]
    x, y = page.point(image)
    page.page.mouse.move(x, y)
    for _ in range(8):  # over a label too
        page.page.mouse.wheel(0, -240)
        page.page.wait_for_timeout(60)
    page.until("latentmap.state.spriteSide > 100")
    page.until_true(lambda: any(re.search(rf"/api/images/{image}\?", url) for url in asked))
    page.page.wait_for_timeout(400)
    assert drawn(page) > 5000
    page.shoot("large-near")
    page.page.close()
    served.stop()


# ---------------------------------------------------------------- for everybody


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_that_would_shut_people_out(look, served, theme):
    from axe_playwright_python.sync_playwright import Axe

    def wrong() -> list[tuple[str, str]]:
        found = Axe().run(page.page).response["violations"]
        return [(one["id"], node["html"]) for one in found for node in one["nodes"]]

    page = look(f"{served.url}&theme={theme}")
    assert wrong() == []
    page.page.select_option(".filters > select", "confidence")
    page.page.select_option(".filters > select", "label")
    page.box(0.5)
    page.until("latentmap.state.nSelected > 10")
    page.page.click("[data-tool=pan]")
    page.page.mouse.click(*page.point(page.state("sprites")[-1]["id"]))
    page.until("latentmap.state.neighbors > 0")
    assert wrong() == []
    page.page.click("[data-tool=path]")
    left, top, width, height = page.stage()
    page.drag([(left + share * width, top + share * height) for share in (0.3, 0.5, 0.6)])
    page.until("document.querySelector('.decoded img') !== null")
    assert wrong() == []
    page.page.click(".decoded h2 button")
    page.page.click("[data-open=learn]")
    for tab in ("perplexity", "kmeans", "training", "activations"):
        page.page.click(f"[data-tab={tab}]")
        page.page.wait_for_selector(".learn-body > *")
        assert wrong() == []
    page.page.select_option(".color", "label")
    page.page.click(".menu summary")
    assert wrong() == []
