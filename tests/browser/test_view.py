"""The map as it is seen and held: selecting, zooming, looking at one image, pictures from outside, small screens."""

import io
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from browser.conftest import Page, serve
from latentmap.run import Run, RunOptions, make_run

SOURCES = Path(__file__).parents[2] / "explorer-ui"
OWN = (
    *("app", "map/camera", "map/decoder-tool", "map/full-resolution", "map/map-view", "map/minimap", "map/overlay"),
    *("map/neighbor-walk", "map/sprites", "panels/header", "panels/inspector", "panels/lightbox", "panels/query-image"),
    *("panels/thumbnails", "data/selection-sync", "saving/save-view"),
)
GROUND = (14, 17, 22)  # of the dark theme


@pytest.fixture(scope="module")
def drawings(tmp_path_factory) -> Path:
    """A run of coloured drawings in files, wider than high."""
    folder = tmp_path_factory.mktemp("drawings")
    random = np.random.default_rng(0)
    for number in range(80):
        kind, color = number % 4, tuple(int(value) for value in random.integers(60, 255, 3))
        picture = Image.new("RGB", (160, 120), color)
        draw = ImageDraw.Draw(picture)
        x, y = (int(value) for value in random.integers(10, 50, 2))
        ink = tuple(255 - value for value in color)
        if kind == 0:
            draw.ellipse((x, y, x + 50, y + 50), fill=ink)
        elif kind == 1:
            draw.rectangle((x, y, x + 60, y + 40), fill=ink)
        elif kind == 2:
            draw.polygon([(x, y + 50), (x + 60, y + 50), (x + 30, y)], fill=ink)
        else:
            draw.line((x, y, x + 70, y + 50), fill=ink, width=8)
        path = folder / f"kind {kind}" / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        picture.save(path)
    run = tmp_path_factory.mktemp("made") / "drawings"
    make_run(folder, run, RunOptions(epochs=1, latent_dim=4, n_clusters=3, perplexity=5.0))
    return run


@pytest.fixture(scope="module")
def drawn_served(drawings):
    found = serve(drawings)
    yield found
    found.stop()


def at(url: str, view: str) -> str:
    """The address of a view, beside what the address holds already."""
    return f"{url}{'&' if '#' in url else '#'}{view}"


def ids(page: Page) -> list[int]:
    return [one["id"] for one in page.state("sprites")]


def selected(page: Page) -> list[int]:
    return page.ask("latentmap.model.idsOf(latentmap.model.selectedRows())")


def apart(page: Page, n: int) -> list[int]:
    """Images whose pictures are whole in the view and far from panels over the map."""
    _, _, width, height = page.stage()
    good = [
        one["id"]
        for one in page.state("sprites")
        if 0.3 * width < one["at"][0] < 0.7 * width and 0.2 * height < one["at"][1] < 0.6 * height
    ]
    assert len(good) >= n
    return good[-n:]


def click(page: Page, image: int, *keys: str) -> None:
    for key in keys:
        page.page.keyboard.down(key)
    page.page.mouse.click(*page.point(image))
    for key in keys:
        page.page.keyboard.up(key)


def overlay(page: Page) -> int:
    """How many pixels are drawn over the map."""
    return page.ask(
        """(() => { const c = document.querySelector('.overlay');
        const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return pixels.filter((v, i) => i % 4 === 3 && v > 0).length; })()"""
    )


def pixels(page: Page, clip: tuple[float, float, float, float]) -> Any:
    box = dict(zip(("x", "y", "width", "height"), clip, strict=True))
    return np.asarray(Image.open(io.BytesIO(page.page.screenshot(clip=box))).convert("RGB")).astype(int)


def drop(page: Page, name: str, data: bytes, kind: str = "drop") -> None:
    page.page.evaluate(
        """([kind, name, bytes]) => {
          const data = new DataTransfer();
          if (name) data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
          const event = kind === "paste" ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true})
            : new DragEvent(kind, {dataTransfer: data, bubbles: true});
          document.body.dispatchEvent(event);
        }""",
        [kind, name, list(data)],
    )


def png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


# ---------------------------------------------------------------- selecting


def test_control_toggles_one_image_shift_adds_one_and_the_others_stay(look, served):
    page = look(served.url)
    a, b, c = apart(page, 3)
    before = set(ids(page))
    click(page, a, "Control")
    assert selected(page) == [a]
    assert set(ids(page)) >= before  # the other pictures are there still
    click(page, b, "Control")
    assert selected(page) == sorted([a, b])
    click(page, a, "Control")
    assert selected(page) == [b]
    click(page, c, "Shift")
    assert selected(page) == sorted([b, c])
    click(page, c, "Shift")
    assert selected(page) == sorted([b, c])  # adds, and does not take out
    left, top, _, _ = page.stage()
    page.page.keyboard.down("Control")
    page.page.mouse.click(left + 4, top + 400)  # beside all images
    page.page.keyboard.up("Control")
    assert selected(page) == sorted([b, c])
    assert set(ids(page)) >= before
    page.shoot("selected-of-many")


def test_shift_and_a_drag_select_with_every_tool(look, served):
    page = look(served.url)
    left, top, width, height = page.stage()
    x, y = left + width / 2, top + height / 2
    round_ = [(x - 90, y - 90), (x + 90, y - 90), (x + 90, y + 90), (x - 90, y + 90), (x - 90, y - 80)]
    center = page.state("center")
    for tool in ("pan", "box", "lasso", "decode", "path"):
        page.page.click(f"[data-tool={tool}]")
        page.ask("latentmap.model.select([])")
        page.page.keyboard.down("Shift")
        page.drag(round_ if tool != "box" else [round_[0], round_[2]])
        page.page.keyboard.up("Shift")
        assert page.state("nSelected") > 3, tool
        assert page.state("center") == center, tool
    n = page.state("nSelected")
    page.page.click("[data-tool=pan]")
    page.drag([(x, y), (x - 100, y)])
    assert page.state("center")[0] > center[0]  # a drag alone moves the map,
    assert page.state("nSelected") == n  # and lets go of nothing


def test_a_path_moves_with_the_map(look, served):
    page = look(served.url)
    page.page.click("[data-tool=path]")
    left, top, width, height = page.stage()
    page.drag([(left + width * fraction, top + height / 2) for fraction in (0.3, 0.5, 0.6)])
    before = np.array(page.state("shape"))
    assert len(before) > 2
    page.page.keyboard.press("ArrowRight")
    assert np.array(page.state("shape")) - before == pytest.approx(np.tile([-80, 0], (len(before), 1)), abs=0.5)
    page.page.wait_for_selector(".decoded img")
    page.page.keyboard.press("Escape")  # closes the strip, and its line goes too
    assert page.state("shape") == []


# ---------------------------------------------------------------- zooming


def test_pictures_double_with_the_map_until_the_images_are_apart(look, served):
    page = look(served.url)
    page.page.focus(".map")
    sides = [page.state("spriteSide")]
    for _ in range(2):
        page.page.keyboard.press("+")
        page.page.keyboard.press("+")
        sides.append(page.state("spriteSide"))
    for smaller, larger in pairwise(sides):
        assert 1.7 < larger / smaller < 2.1
    for _ in range(40):
        page.page.keyboard.press("+")
        side = page.state("spriteSide")
        assert side >= sides[-1]
        sides.append(side)
    assert not page.state("canZoomIn")
    assert page.state("zoom") >= page.state("maxZoom") - 1e-6
    assert sides[-1] > 230
    here = page.state("zoom")
    page.ask("latentmap.camera.set(...latentmap.state.center, latentmap.state.maxZoom)")
    # half of the images lie at least a picture apart from the nearest other one there
    xy = Run.open(served.run).map().astype(float)
    distances = np.sqrt(((xy[::7, None] - xy[None]) ** 2).sum(axis=2))
    distances[distances == 0] = np.inf
    assert np.median(distances.min(axis=1)) * page.ask("latentmap.camera.scale") == pytest.approx(256, rel=0.15)
    page.ask(f"latentmap.camera.set(...latentmap.state.center, {here})")
    page.until("latentmap.state.sprites.length > 0")
    page.shoot("nearest")
    assert page.page.locator(".zoom-factor").inner_text().startswith("×")
    page.until("document.querySelector(\".zoombar [aria-label='Zoom in']\").ariaDisabled === 'true'")
    page.page.click(".zoombar .all")
    page.until("Math.abs(latentmap.state.zoom) < 1e-6")


def test_zooming_never_ends_in_emptiness(look, served):
    page = look(served.url)
    left, top, width, height = page.stage()
    xy = Run.open(served.run).map()
    for corner in ((0.02, 0.02), (0.98, 0.02), (0.5, 0.98)):
        page.ask("latentmap.camera.reset()")
        page.page.mouse.move(left + corner[0] * width, top + corner[1] * height)
        for _ in range(20):
            page.page.mouse.wheel(0, -240)
        page.until("latentmap.state.zoom >= latentmap.state.maxZoom - 1e-6")
        x0, y0, x1, y1 = page.ask("latentmap.camera.bounds()")
        inside = ((xy >= (x0, y0)) & (xy <= (x1, y1))).all(axis=1)
        assert inside.any(), corner
        page.until(f"document.querySelector('.in-view').textContent === '{inside.sum()} in view'")
        page.until("latentmap.state.sprites.length > 0")


def test_the_minimap_marks_what_is_seen_however_small(look, served):
    page = look(served.url)
    box = page.page.locator(".minimap").bounding_box()
    clip = (box["x"], box["y"], box["width"], box["height"])
    page.page.focus(".map")
    for _ in range(40):
        page.page.keyboard.press("+")
    page.page.wait_for_timeout(300)
    x, y = page.state("center")
    left, bottom, side = page.ask("latentmap.model.facts.square")
    mx, my = 140 * (0.05 + 0.9 * (x - left) / side), 140 * (0.95 - 0.9 * (y - bottom) / side)
    found = pixels(page, clip)
    mark = found[max(0, round(my) - 3) : round(my) + 3, max(0, round(mx) - 3) : round(mx) + 3]
    assert (mark[:, :, 2] > 90).all()  # 6 by 6 pixels of the accent colour at least
    page.shoot("minimap-mark")


def test_few_images_have_large_pictures_and_a_size_can_be_chosen(look, drawn_served):
    page = look(drawn_served.url)
    page.ask("latentmap.model.setSearchResult([0, 1, 2, 3, 4])")
    page.until("latentmap.state.spriteSide > 50")  # there is room
    page.ask("latentmap.model.setSearchResult(null)")
    for size, side in (("small", 24), ("medium", 48), ("large", 96)):
        page.page.select_option("select.pictures", size)
        page.until(f"latentmap.state.thumbnailSize === '{size}'")
        assert page.state("spriteSide") == pytest.approx(side, abs=1) or size == "small"
    page.page.select_option("select.pictures", "none")
    page.until("latentmap.state.nSprites === 0 && latentmap.state.sprites.length === 0")
    page.page.select_option(".color", "confidence")
    page.until("latentmap.state.colorBy === 'confidence'")
    page.shoot("dots-only")
    page.page.wait_for_timeout(600)
    page.page.reload()
    page.until("window.latentmap && latentmap.state.thumbnailSize === 'none'")
    page.until("latentmap.state.colorBy === 'confidence'")
    page.page.select_option("select.pictures", "auto")
    page.until("latentmap.state.nSprites > 0")


def test_dots_show_their_colours_and_heaps(look, served):
    page = look(at(served.url, "pictures=medium"))
    page.page.select_option("select.pictures", "none")
    # all far away but one image and, to the right of it, a heap of five hundred
    page.ask(
        """(() => { const {model, camera} = latentmap; const n = model.n;
        const x = new Float32Array(n).fill(1e6), y = new Float32Array(n).fill(1e6);
        const unit = 1 / camera.scale;
        x[0] = camera.x; y[0] = camera.y;
        for (let i = 1; i <= 500; i++) { x[i] = camera.x + 100 * unit; y[i] = camera.y; }
        model.setPositions(x, y); })()"""
    )
    page.ask("document.querySelector('.labels').style.visibility = 'hidden'")  # one may stand on the single dot
    page.page.wait_for_timeout(500)
    left, top, width, height = page.stage()
    single, heap = (
        int(
            (
                np.abs(pixels(page, (left + width / 2 + shift - 20, top + height / 2 - 20, 40, 40)) - GROUND).max(
                    axis=2
                )
                > 30
            ).sum()
        )
        for shift in (0, 100)
    )
    assert single >= 4
    assert heap > 3 * single
    color = page.ask("Array.from(latentmap.model.colors.slice(0, 3))")
    assert page.ask("latentmap.placeOf(latentmap.model.points.id[0])") == pytest.approx([width / 2, height / 2], abs=1)
    middle = pixels(page, (left + width / 2 - 1, top + height / 2 - 1, 2, 2))
    assert np.abs(middle - color).max() <= 2  # in its colour, not a shade of it


# ---------------------------------------------------------------- one image


def test_the_frame_holds_the_image_itself_and_n_leads_on(look, served):
    page = look(served.url)
    (first,) = apart(page, 1)
    click(page, first)
    row = page.state("row")
    rows = [row]
    for _ in range(8):
        page.page.keyboard.press("n")
        page.until(f"latentmap.state.row !== {rows[-1]}")
        rows.append(page.state("row"))
        page.page.wait_for_timeout(50)
        assert page.state("sprites")[-1]["id"] == page.ask(f"latentmap.model.points.id[{rows[-1]}]")  # on top of all
    assert len(set(rows)) == len(rows)
    page.shoot("walk")
    for wanted in rows[-2::-1]:
        page.page.keyboard.press("Shift+N")
        page.until(f"latentmap.state.row === {wanted}")
    page.page.keyboard.press("Shift+N")
    page.until("document.querySelector('.message').textContent.includes('the start of the walk')")
    assert page.state("row") == row


def test_n_passes_over_what_is_filtered_out(look, served):
    page = look(served.url)
    page.ask("latentmap.model.setFilter('label', {without: ['', ...'0123456789'].filter((one) => one !== '7')})")
    page.until("latentmap.state.nVisible < latentmap.state.n && latentmap.state.sprites.length > 3")
    page.ask("latentmap.inspector.pin(latentmap.model.rowOf[latentmap.state.sprites.at(-1).id])")
    for _ in range(5):
        before = page.state("row")
        page.page.keyboard.press("n")
        page.until(f"latentmap.state.row !== {before}")
        assert page.ask("latentmap.model.visible[latentmap.state.row]") == 1


def test_names_of_groups_have_room(look, served):
    page = look(served.url)
    page.page.set_viewport_size({"width": 1024, "height": 768})
    name = page.page.locator(".groups li[data-group='0'] input").first
    name.evaluate("e => { e.value = 'Letters of Rome'; e.dispatchEvent(new Event('input')); }")
    page.page.mouse.move(600, 400)
    assert name.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert name.get_attribute("title")
    page.page.hover(".groups li[data-group='0']")
    page.until("getComputedStyle(document.querySelector('.groups li [data-act=select]')).opacity === '1'")


def test_pointing_moves_no_panel_and_leaves_no_lines(look, served):
    page = look(served.url)
    page.box(0.4)
    page.until("latentmap.state.nSelected > 10")
    page.page.click("[data-tool=pan]")
    selection = page.page.locator(".selection")
    before = selection.bounding_box()
    page.page.mouse.move(*page.point(apart(page, 1)[0]))
    page.until("latentmap.state.neighbors === 8")
    page.page.wait_for_timeout(200)
    assert selection.bounding_box() == before
    assert overlay(page) > 50  # lines to the neighbours
    page.shoot("reserved")
    left, top, width, _ = page.stage()
    page.page.mouse.move(left + width + 100, top + 200, steps=3)
    page.page.wait_for_timeout(200)
    assert overlay(page) == 0
    assert "Image" in page.page.locator(".inspector").inner_text()  # the panel can be used still


def test_labels_and_exports_are_in_sight(look, served):
    page = look(served.url)
    page.box(0.6)
    page.until("latentmap.state.nSelected > 100")
    page.page.set_viewport_size({"width": 1440, "height": 900})
    page.page.wait_for_timeout(200)
    panel = page.page.locator("aside.right > .selection").bounding_box()
    for name in (".label-form input", "[data-export=csv]", "[data-export=folder]"):
        box = page.page.locator(name).first.bounding_box()
        assert box["y"] >= panel["y"], name
        assert box["y"] + box["height"] <= 900, name


def test_an_image_opens_at_full_size(look, drawn_served):
    page = look(drawn_served.url)
    run = Run.open(drawn_served.run)
    (image,) = apart(page, 1)
    page.page.mouse.dblclick(*page.point(image))
    dialog = page.page.locator("dialog.lightbox")
    page.until("document.querySelector('dialog.lightbox[open] img')?.naturalWidth > 0")
    path = run.atlas()["path"][image].as_py()
    page.until(f"document.querySelector('.lightbox h2').textContent === {json.dumps(path)}")
    size = dialog.get_attribute("data-size")
    assert size in ("160×120", "128×96")  # the file, or what the network sees
    assert dialog.locator(".facts th").count() > 3
    page.shoot("full-size")
    box = dialog.locator(".lightbox-stage > *").bounding_box()
    page.page.keyboard.press("+")
    larger = dialog.locator(".lightbox-stage > *").bounding_box()
    assert larger["width"] == pytest.approx(1.25 * box["width"], rel=0.01)
    wanted = run.similar(image, 1)["id"].to_pylist()
    page.until("/ |of/.test(document.querySelector('.lightbox output').textContent)")
    page.page.keyboard.press("ArrowRight")
    next_path = run.atlas()["path"][wanted[0]].as_py()
    page.until(f"document.querySelector('.lightbox h2').textContent === {json.dumps(next_path)}")
    page.page.keyboard.press("ArrowLeft")
    page.until(f"document.querySelector('.lightbox h2').textContent === {json.dumps(path)}")
    page.page.keyboard.press("Escape")
    page.until("!document.querySelector('dialog.lightbox').open")
    assert page.state("pinned")  # what was looked at is kept
    assert page.ask("document.activeElement.classList.contains('map')")
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('dialog.lightbox').open")
    page.page.keyboard.press("Escape")


def test_small_images_are_enlarged_without_blur(look, served):
    page = look(served.url)
    click(page, apart(page, 1)[0])
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('dialog.lightbox[open] img')?.naturalWidth === 28")
    picture = page.page.locator(".lightbox-stage img")
    assert picture.bounding_box()["width"] > 280
    assert picture.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"
    page.shoot("full-size-small")


# ---------------------------------------------------------------- pictures from outside


def test_a_picture_from_outside_has_a_place_and_a_panel(look, drawn_served, tmp_path):
    page = look(drawn_served.url)
    run = Run.open(drawn_served.run)
    hint = page.page.locator(".drop-hint")
    assert "Drop or paste an image" in hint.inner_text()
    data = png(run.image(11))
    drop(page, "mine.png", data, "dragover")
    assert page.page.locator(".drop-zone").is_visible()
    drop(page, "mine.png", data)
    assert page.page.locator(".drop-zone").is_hidden()
    page.until("latentmap.state.query !== null")
    panel = page.page.locator(".dropped")
    assert "mine.png" in panel.inner_text()
    assert panel.locator("img.dropped-picture").is_visible()
    likes = panel.locator(".strip .thumb").evaluate_all("es => es.map(e => Number(e.dataset.id))")
    assert len(likes) == 12
    assert 11 in likes[:3]
    place = page.state("query")
    # seen where the server says that it lies, with its picture there
    page.until("latentmap.camera.sees(latentmap.state.query.x, latentmap.state.query.y)")
    page.until("latentmap.state.zoom >= Math.min(3, latentmap.state.maxZoom) - 1e-6")
    assert overlay(page) > 60 * 40
    assert "mine.png" in page.page.inner_text(".message")
    page.shoot("dropped-drawing")
    assert page.state("nSelected") == 0  # what was selected is not lost to it
    panel.locator("[data-act=select-like]").click()
    assert selected(page) == sorted(likes)
    assert place["x"] == page.state("query.x")
    page.page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert page.state("query") is None
    assert page.state("nSelected") == 12  # Escape closed the panel first


def test_whatever_comes_from_outside_is_answered(look, drawn_served, tmp_path):
    page = look(drawn_served.url)

    def give(way: str, name: str, data: bytes) -> None:
        if way == "choose":
            with page.page.expect_file_chooser() as chooser:
                page.page.click("[data-open=choose]")
            path = tmp_path / name
            path.write_bytes(data)
            chooser.value.set_files(path)
        else:
            drop(page, name, data, way)

    for way in ("drop", "paste", "choose"):
        give(way, f"{way}.txt.png", b"no image")
        page.until("/cannot be decoded/.test(document.querySelector('.dropped').textContent)")
        assert f"{way}.txt.png" in page.page.inner_text(".message")
        give(way, f"{way}.png", png(Image.new("RGB", (30, 20), (200, 30, 30))))
        page.until("latentmap.state.query !== null")
        if way != "choose":
            drop(page, "", b"", way)  # a piece of text, say
            page.until("document.querySelector('.message').textContent.includes('No file found')")


# ---------------------------------------------------------------- panels, keys, small screens


def boxes(page: Page) -> dict[str, tuple[float, float, float, float]]:
    return page.ask(
        """Object.fromEntries(['.page-header', 'aside.left', 'aside.right', '.stage'].flatMap((name) => {
          const e = document.querySelector(name), b = e.getBoundingClientRect();
          const isSeen = e.checkVisibility({visibilityProperty: true}) && b.width > 1;
          return isSeen ? [[name, [b.left, b.top, b.right, b.bottom]]] : []; }))"""
    )


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


@pytest.mark.parametrize(
    ("size", "language"), [((1440, 900), "en"), ((1024, 768), "en"), ((390, 844), "en"), ((320, 568), "ko")]
)
def test_panels_have_their_place_at_every_width(chromium, served, size, language):
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, has_touch=size[0] <= 900)
    page = Page(context.new_page()).open(at(served.url, f"lang={language}"))
    header = page.page.locator(".page-header")
    assert header.bounding_box()["height"] < 60  # one line
    assert page.ask(
        """[...document.querySelectorAll('.page-header > *')]
        .every((e) => e.getBoundingClientRect().right <= innerWidth)"""
    )
    assert page.ask("document.documentElement.scrollWidth <= innerWidth")
    page.until("document.querySelectorAll('.label').length > 3")  # they are where a finger would hit them
    _, _, width, height = page.stage()
    near = sorted(
        page.state("sprites"), key=lambda one: abs(one["at"][0] - 0.6 * width) + abs(one["at"][1] - 0.3 * height)
    )
    image = next(one["id"] for one in near if page.is_free(one["id"]))
    if size[0] <= 900:
        page.page.touchscreen.tap(*page.point(image))
    else:
        page.page.mouse.click(*page.point(image))
    page.until("latentmap.state.pinned && latentmap.state.neighbors > 0")
    path = Run.open(served.run).atlas()["path"][page.ask("latentmap.model.points.id[latentmap.state.row]")].as_py()
    page.until(f"document.querySelector('.inspector').innerText.includes({json.dumps(path)})")
    page.page.wait_for_timeout(300)
    found = boxes(page)
    assert "aside.right" in found
    for name, other in (("aside.right", ".stage"), ("aside.right", ".page-header"), (".page-header", ".stage")):
        assert not overlap(found[name], found[other]), (name, other)
    if size[0] <= 900:
        page.page.click(".panels")
        found = boxes(page)
        assert ("aside.right" in found) is (size[0] > 560)  # on a phone the left panel is in its place
        for other in {"aside.right", ".page-header"} & set(found):
            assert not overlap(found["aside.left"], found[other]), other
        if size[0] <= 560:
            assert not overlap(found["aside.left"], found[".stage"])  # the map stays in view
        page.page.keyboard.press("Escape")
        assert "aside.left" not in boxes(page)
        page.page.click("aside.right > .close-sheet")
        assert "aside.right" not in boxes(page)
        page.page.click(".open-sheet")
        assert "aside.right" in boxes(page)
        page.page.click("aside.right > .close-sheet")
    page.page.click(".more-button" if size[0] < 1320 else ".menu summary")
    for name in ("[data-tool=lasso]", ".theme", "[data-open=learn]", "select.pictures"):
        assert page.page.locator(name).is_visible(), name
    page.shoot(f"width-{size[0]}-{language}")
    context.close()


def test_escape_closes_what_is_open_and_a_click_beside_it_too(look, served):
    page = look(served.url)
    page.box(0.4)
    page.until("latentmap.state.nSelected > 10")
    n = page.state("nSelected")
    page.page.click("[data-tool=pan]")
    is_open = {
        "share": "document.querySelector('.menu').open",
        "learn": "!document.querySelector('.learn').hidden",
        "keys": "!document.querySelector('.keys').hidden",
    }
    for opener, name in ((".menu summary", "share"), ("[data-open=learn]", "learn"), (".help", "keys")):
        page.page.click(opener)
        assert page.ask(is_open[name])
        page.page.keyboard.press("Escape")
        assert not page.ask(is_open[name]), name
        assert page.state("nSelected") == n, name
    left, top, _, _ = page.stage()
    for opener, name in ((".menu summary", "share"), (".help", "keys")):
        page.page.click(opener)
        page.page.mouse.click(left + 5, top + 100)
        assert not page.ask(is_open[name]), name
        page.page.click(opener)
        page.page.click(opener)
        assert not page.ask(is_open[name]), name
    page.page.keyboard.press("Escape")
    assert page.state("nSelected") == 0  # nothing else was open


def test_control_y_does_again_what_was_undone(look, served):
    page = look(served.url)
    before = page.state("revision")
    name = page.page.locator(".groups li[data-group='0'] input[type=text]")
    name.fill("once more")
    name.press("Enter")
    page.until(f"latentmap.state.revision === {before + 1}")
    page.page.focus(".map")
    for n, keys in enumerate(("Control+z", "Control+y", "Control+z", "Control+Shift+z"), 2):
        page.page.keyboard.press(keys)
        page.until(f"latentmap.state.revision === {before + n}")
    assert "once more" in page.ask("latentmap.model.edits.groups.map((one) => one.name)")
    page.page.keyboard.press("Control+z")
    page.until(f"latentmap.state.revision === {before + 6}")


def test_the_map_is_few_tab_stops_away(look, served):
    page = look(served.url)
    page.page.keyboard.press("Tab")
    assert page.ask("document.activeElement.textContent") == "Skip to the map"
    page.page.keyboard.press("Enter")
    assert page.ask("document.activeElement.classList.contains('map')")
    page.page.reload()
    page.until("window.latentmap && latentmap.state.nSprites > 0")
    stops: list[str] = []
    while len(stops) < 20:
        page.page.keyboard.press("Tab")
        stops.append(page.ask("document.activeElement.dataset.tool ?? document.activeElement.className"))
        if stops[-1] == "map":
            break
    assert stops[-1] == "map"
    assert len(stops) <= 14
    assert [stop for stop in stops if stop in ("pan", "box", "lasso", "decode", "path")] == ["pan"]
    page.page.focus("[data-tool=pan]")
    center = page.state("center")
    for wanted in ("box", "lasso", "decode", "path", "pan"):
        page.page.keyboard.press("ArrowRight")
        assert page.ask("document.activeElement.dataset.tool") == wanted
    assert page.state("center") == center  # the arrows are the toolbar's


def test_buttons_have_names_of_their_own(look, served):
    page = look(served.url)
    page.box(0.3)
    page.until("latentmap.state.nSelected > 3")
    page.page.click("[data-tool=pan]")
    click(page, apart(page, 1)[0])
    page.until("latentmap.state.neighbors > 0")
    page.page.click(".help")
    page.page.select_option(".filters > select", "confidence")
    names = page.ask(
        """[...document.querySelectorAll('button, [role=button], summary')].filter((e) => e.checkVisibility())
        .map((e) => e.getAttribute('aria-label') ?? e.textContent.trim())"""
    )
    assert [name for name, n in Counter(names).items() if n > 1] == []


# ---------------------------------------------------------------- what stays


def test_theme_language_colours_and_selection_survive(chromium, served):
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    page = Page(context.new_page())
    told: list[list[int]] = []

    def listen(request: Any) -> None:
        if request.url.endswith("/api/selection"):
            told.append(json.loads(request.post_data)["ids"])

    page.page.on("request", listen)
    page.open(served.url)
    theme = "document.documentElement.dataset.theme"
    assert page.ask(theme) == "light"
    page.page.click(".theme")
    page.page.select_option(".color", "confidence")
    page.box(0.3)
    page.until("latentmap.state.nSelected > 3")
    kept = selected(page)
    page.page.wait_for_timeout(600)
    for act in ("reload", "language", "language"):
        told.clear()
        page.ask("window.latentmap = undefined")
        if act == "reload":
            page.page.reload()
        else:
            page.page.click(".language")
        page.until("window.latentmap && latentmap.state.nSprites > 0 && latentmap.state.nSelected > 0")
        assert page.ask(theme) == "dark"
        assert page.state("colorBy") == "confidence"
        assert selected(page) == kept
        page.until_true(lambda: told and told[-1] == kept)
        if act == "language":
            page.page.wait_for_timeout(500)
    assert page.ask("document.documentElement.lang") == "en"
    page.page.click(".theme")
    page.page.wait_for_timeout(500)
    other = Page(context.new_page()).open(served.url)  # a new tab: what this browser chose, and a selection of its own
    assert other.ask(theme) == "light"
    assert other.state("nSelected") == 0
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("Escape")
    page.until_true(lambda: told[-1] == [])
    page.page.reload()
    page.until("window.latentmap && latentmap.state.nSprites > 0")
    assert page.state("nSelected") == 0
    # ids of another version of the run may mean other images
    page.ask("sessionStorage.setItem('latentmap.selection', JSON.stringify({version: 'other', ranges: '0-5'}))")
    page.page.reload()
    page.until("window.latentmap && latentmap.state.nSprites > 0")
    assert page.state("nSelected") == 0
    context.close()


# ---------------------------------------------------------------- pictures of the map


def test_pictures_of_the_view_have_a_size_and_a_key(look, served, tmp_path):
    page = look(served.url)
    _, _, width, height = page.stage()
    colors = [
        tuple(color)
        for color in page.ask("latentmap.model.edits.groups.map((g) => latentmap.model.groupColor(g.number))")
    ]
    for ratio in (1, 2):
        page.page.click(".menu summary")
        page.page.select_option(".menu select", str(ratio))
        with page.page.expect_download() as found:
            page.page.click("[data-share=png]")
        picture = np.asarray(Image.open(found.value.path()).convert("RGB"))
        assert picture.shape[1] == pytest.approx(ratio * width, abs=2)
        assert picture.shape[0] > ratio * height + 30
        key = {tuple(int(value) for value in pixel) for pixel in picture[int(ratio * height) + 4 :].reshape(-1, 3)}
        assert set(colors) <= key
        assert page.ask("document.querySelector('.map').width") == pytest.approx(width, abs=1)  # the screen's again
    Image.fromarray(picture).save(tmp_path / "view.png")
    page.page.select_option(".color", "confidence")
    page.until("latentmap.state.colorBy === 'confidence'")
    page.page.click(".menu summary")
    with page.page.expect_download() as found:
        page.page.click("[data-share=svg]")
    text = Path(found.value.path()).read_text(encoding="utf-8")
    assert "Colour by: confidence" in text
    assert text.count('class="key"') > 5


def test_the_page_in_one_file_is_made_once_and_says_so(look, served):
    page = look(served.url)
    asked: list[Any] = []
    page.page.route("**/page.html*", lambda route: asked.append(route))  # noqa: PLW0108 - answered below
    page.page.click(".menu summary")
    with page.page.expect_download():
        page.page.click("[data-share=html]")
        page.until("document.querySelector('.message').textContent.includes('Saving the page')")
        page.page.click(".menu summary")
        assert page.page.locator("[data-share=html]").is_disabled()
        page.page.wait_for_timeout(200)
        asked[0].fulfill(body="<!doctype html>", content_type="text/html")
    page.until("!document.querySelector('[data-share=html]').disabled")
    assert len(asked) == 1


def test_no_address_is_absolute():
    index = (SOURCES / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="/', index)
    for name in OWN:
        text = (SOURCES / "src" / f"{name}.ts").read_text(encoding="utf-8")
        assert not re.findall(r"[\"'`]/(?:api|page|assets)", text), name
