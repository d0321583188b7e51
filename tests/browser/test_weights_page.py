"""The sliders for the weights of features, and the map and groups that are made with them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from browser.conftest import PATIENCE_FOR_WORK, Page, Served, serve
from latentmap.run import Run, RunOptions, make_run

COLORS = np.array([[200, 60, 50], [40, 120, 200], [70, 160, 70]])
N = 180
PINNED = 7


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> Iterator[Served]:
    """An explorer of discs and bars in three colours."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:24, :24]
    images = np.full((N, 24, 24, 3), 235, np.uint8)
    for number, image in enumerate(images):
        top, left = 12 + random.integers(-4, 5, 2)
        disc = (y - top) ** 2 + (x - left) ** 2 < 36
        bar = (abs(y - top) < 3) & (abs(x - left) < 8)
        image[disc if number % 2 else bar] = COLORS[number % 3] + random.integers(-15, 16, 3)
    path = tmp_path_factory.mktemp("shapes") / "run"
    make_run(images, path, RunOptions(epochs=1, latent_dim=4, perplexity=12.0))
    found = serve(path)
    yield found
    found.stop()


def nearest(run: Path, weights: dict[str, float]) -> list[int]:
    """The eight images nearest to the pinned one."""
    opened = Run.open(run)
    features = opened.features().reweighted(opened.points(), weights)
    distances = ((features - features[PINNED]) ** 2).sum(axis=1)
    return np.argsort(distances, kind="stable")[1:9].tolist()


def shown(page: Page) -> list[int]:
    return page.ask("latentmap.inspector.neighbors.map((row) => latentmap.model.points.id[row])")


def open_sliders(page: Page) -> None:
    page.ask(f"latentmap.inspector.pin(latentmap.model.rowOf[{PINNED}])")
    page.until("latentmap.state.neighbors === 8")
    page.page.click(".weights summary")


def only(page: Page, wanted: str) -> None:
    """Move all sliders to 0, except one to the end."""
    page.page.locator(f".weight input[data-kind={wanted}]").fill("100")
    for slider in page.page.locator(f".weight input:not([data-kind={wanted}])").all():
        slider.fill("0")


def positions(page: Page) -> np.ndarray:
    return np.array(page.ask("[Array.from(latentmap.model.x), Array.from(latentmap.model.y)]"))


def test_moving_a_slider_changes_the_neighbours(look, shapes):
    page = look(shapes.url)
    open_sliders(page)
    own = Run.open(shapes.run).features().weights_
    kinds = [kind for kind, weight in own.items() if weight > 0]
    sliders = page.page.locator(".weight input")
    assert [slider.get_attribute("data-kind") for slider in sliders.all()] == kinds
    assert [int(slider.input_value()) for slider in sliders.all()] == [round(100 * own[kind]) for kind in kinds]
    assert shown(page) == nearest(shapes.run, own)
    reset = page.page.locator("[data-act=reset-weights]")
    assert reset.is_disabled()
    only(page, "color")
    page.until_true(lambda: shown(page) == nearest(shapes.run, {"color": 1.0}))
    assert {one % 3 for one in shown(page)} == {PINNED % 3}  # of its colour
    assert "colour 100 %" in page.page.locator(".inspector .strip .thumb >> nth=0").get_attribute("title")
    color = page.page.get_by_label("colour", exact=True)
    assert color.get_attribute("aria-valuetext") == "100 %"
    page.shoot("weights")
    shape = page.page.get_by_label("shape", exact=True)
    shape.focus()
    for _ in range(25):
        page.page.keyboard.press("ArrowRight")
    assert shape.get_attribute("aria-valuetext") == "20 %"  # 25 of 125
    page.until_true(lambda: shown(page) == nearest(shapes.run, {"shape": 25, "color": 100}))
    page.until("decodeURIComponent(location.hash).includes('weights=shape:25,color:100')")
    page.page.reload()
    page.until("window.latentmap && latentmap.state.neighbors === 8")
    assert page.state("weights") == "shape:25,color:100"
    assert shown(page) == nearest(shapes.run, {"shape": 25, "color": 100})
    assert page.page.locator(".weight .percent").all_inner_texts()[0] == "20 %"
    reset.click()
    page.until_true(lambda: shown(page) == nearest(shapes.run, own))
    page.until("!location.hash.includes('weights=')")
    only(page, "shape")
    page.page.get_by_label("shape", exact=True).fill("0")
    assert "All weights are 0" in page.page.locator(".weights").inner_text()
    assert page.page.locator("[data-act=other-map]").is_disabled()


def test_a_late_answer_does_not_replace_a_later_one(look, shapes):
    page = look(shapes.url)
    open_sliders(page)
    late: list[object] = []

    def hold(route) -> None:
        late.append(route)  # answered below, after the next request

    page.page.route("**/neighbors?*weights=color%3A100", hold)
    only(page, "color")
    page.until_true(lambda: page.page.wait_for_timeout(20) or late)
    only(page, "shape")
    page.until_true(lambda: shown(page) == nearest(shapes.run, {"shape": 1.0}))
    for route in late:
        route.continue_()
    page.page.wait_for_timeout(500)
    assert shown(page) == nearest(shapes.run, {"shape": 1.0})


def test_the_map_and_the_groups_by_other_weights_and_the_way_back(look, shapes):
    page = look(shapes.url)
    before = positions(page)
    files = {path: path.read_bytes() for path in shapes.run.glob("*.*")}
    open_sliders(page)
    only(page, "color")
    page.page.click("[data-act=other-map]")
    page.until("latentmap.state.isOtherMap", PATIENCE_FOR_WORK)
    after = positions(page)
    assert not np.allclose(before, after)
    assert page.page.locator(".other-map").inner_text().startswith("Map by colour 100 %")
    page.page.click("[data-act=color-other]")
    page.until("latentmap.state.colorBy === 'groups by other weights'")
    groups = np.array(page.ask("Array.from(latentmap.model.loaded('groups by other weights'))"))
    ids = np.array(page.ask("Array.from(latentmap.model.points.id)"))
    for group in set(groups):
        assert len({number % 3 for number in ids[groups == group]}) == 1  # each of one colour
    page.shoot("weighted-map")
    page.page.click("[data-tool=decode]")
    assert "own map" in page.page.locator(".message").inner_text()
    assert page.state("tool") == "pan"
    page.page.click("[data-act=own-map]")
    page.until("!latentmap.state.isOtherMap && latentmap.state.colorBy === 'group'")
    assert np.array_equal(positions(page), before)
    page.page.click("[data-act=other-map]")  # it is kept
    page.until("latentmap.state.isOtherMap")
    assert np.array_equal(positions(page), after)
    page.page.click("[data-open=learn]")  # lessons are about the run's own map
    page.until("!latentmap.state.isOtherMap")
    assert np.array_equal(positions(page), before)
    assert {path: path.read_bytes() for path in shapes.run.glob("*.*")} == files


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_the_sliders_can_be_used_by_everybody(look, shapes, theme, width):
    from axe_playwright_python.sync_playwright import Axe

    page = look(f"{shapes.url}&theme={theme}")
    page.page.set_viewport_size({"width": width, "height": 844})
    open_sliders(page)
    only(page, "color")
    page.page.click("[data-act=other-map]")
    page.until("latentmap.state.isOtherMap", PATIENCE_FOR_WORK)
    page.page.click("[data-act=color-other]")
    page.until("latentmap.state.colorBy === 'groups by other weights'")
    found = Axe().run(page.page).response["violations"]
    assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []
    for part in (".other-map", ".weights", ".weight", ".inspector"):
        assert page.ask(f"(e => e.scrollWidth <= e.clientWidth + 1)(document.querySelector('{part}'))"), part
    page.page.locator(".weight input >> nth=0").focus()  # the neighbours stay in view above the slider
    slider, strip = (page.page.locator(one).first.bounding_box() for one in (".weight input", ".inspector .strip"))
    assert strip["y"] + strip["height"] <= slider["y"]
    assert strip["y"] + 20 >= page.page.locator("aside.right").bounding_box()["y"]
    page.shoot(f"weights-{width}-{theme}")


def test_an_image_that_is_sent_is_compared_by_the_weights_and_follows_the_map(look, shapes):
    page = look(shapes.url)
    open_sliders(page)
    only(page, "color")
    page.ask(
        f"""latentmap.server.blob(latentmap.server.imageAddress({PINNED}))
        .then((blob) => latentmap.query.find(new File([blob], "seven.png")))"""
    )
    page.until("latentmap.state.query !== null")
    found = page.ask("latentmap.state.query.neighbors.map((row) => latentmap.model.points.id[row])")
    assert found[:9] == [PINNED, *nearest(shapes.run, {"color": 1.0})]
    before = page.state("query.x")
    page.page.click("[data-act=other-map]")
    page.until("latentmap.state.isOtherMap", PATIENCE_FOR_WORK)
    assert page.state("query.x") == page.ask(f"latentmap.model.x[latentmap.model.rowOf[{PINNED}]]") != before


def test_the_progress_of_the_job_is_shown_also_after_a_reload_and_so_is_a_failure(look, shapes):
    page = look(shapes.url)
    states = [
        {"running": True, "failed": False, "said": "map 10/750", "ready": False},
        {"running": False, "failed": True, "said": "MemoryError", "ready": False},
    ]
    current = [states[0]]
    page.page.route("**/api/reweighted?*", lambda route: route.fulfill(json=current[0]))
    open_sliders(page)
    page.page.get_by_label("shape", exact=True).fill("90")
    page.page.click("[data-act=other-map]")
    panel = page.page.locator(".weights")
    page.until_true(lambda: "In progress: map 10/750" in panel.inner_text())
    assert page.page.locator("[data-act=other-map]").is_disabled()
    page.shoot("weighted-map-job")
    page.until("location.hash.includes('weights=')")
    page.page.reload()
    page.until("window.latentmap && latentmap.state.neighbors === 8")
    page.until_true(lambda: "In progress: map 10/750" in panel.inner_text())
    current[0] = states[1]
    page.until_true(lambda: "Failed: MemoryError" in panel.inner_text())
    assert page.page.locator("[data-act=other-map]").is_enabled()


def test_a_run_by_latent_vectors_has_no_sliders(serving, look, tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (40, 12, 12), dtype=np.uint8)
    make_run(images, tmp_path / "run", RunOptions(epochs=1, latent_dim=3, perplexity=5.0, features="latent"))
    page = look(serving(tmp_path / "run").url)
    page.ask("latentmap.inspector.pin(0)")
    page.until("latentmap.state.neighbors === 8")
    assert page.page.locator(".weights").count() == 0
