"""Another run beside the one that is explored: the points move from one map to the other and back."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from browser.conftest import Page, Served, serve
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.compared_map import ComparedMap
from latentmap.images import load_mnist
from latentmap.run import RunOptions, make_run
from latentmap.run.edits import Journal

COLORS = np.array([[200, 60, 50], [40, 120, 200], [70, 160, 70]])
N, N_ABSENT = 150, 12  # images of the first run, and those of them that the second does not have


def shapes() -> np.ndarray:
    """Discs and bars in three colours."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:24, :24]
    images = np.full((N + 8, 24, 24, 3), 235, np.uint8)
    for number, image in enumerate(images):
        top, left = 12 + random.integers(-4, 5, 2)
        disc = (y - top) ** 2 + (x - left) ** 2 < 36
        bar = (abs(y - top) < 3) & (abs(x - left) < 8)
        image[disc if number % 2 else bar] = COLORS[number % 3] + random.integers(-15, 16, 3)
    return images


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    folder, images = tmp_path_factory.mktemp("compared"), shapes()
    make_run(images[:N], folder / "by kind", RunOptions(epochs=1, latent_dim=4, perplexity=12.0, n_clusters=6))
    options = RunOptions(epochs=1, latent_dim=4, perplexity=12.0, n_clusters=3, seed=1)
    make_run(images[N_ABSENT:][::-1], folder / "coarse", options)
    return folder / "by kind", folder / "coarse"


@pytest.fixture(scope="module")
def comparing(runs) -> Iterator[Callable[..., Served]]:
    """Serve a run beside the second one until the tests of this file end."""
    begun: list[Served] = []

    def compare(run: Path, *options: str) -> Served:
        begun.append(serve(run, 0, "--compare", str(runs[1]), *options))
        return begun[-1]

    yield compare
    for one in begun:
        one.stop()


@pytest.fixture(scope="module")
def compared(runs, comparing) -> Served:
    return comparing(runs[0])


@pytest.fixture(scope="module")
def wanted(runs) -> dict[str, np.ndarray]:
    """Places, groups and changes that the page should show, in the order of the ids."""
    return ComparedMap.of(AtlasView(runs[0]), runs[1]).arrays


def by_id(page: Page, values: str) -> np.ndarray:
    """Values of the rows of the page in the order of the ids; NaN where they are null."""
    found, ids = page.ask(f"[Array.from({values}), Array.from(latentmap.model.points.id)]")
    return np.array([np.nan if one is None else one for one in found], float)[np.argsort(ids)]


def positions(page: Page) -> np.ndarray:
    return np.array([by_id(page, "latentmap.model.x"), by_id(page, "latentmap.model.y")])


def move_to(page: Page, end: int) -> None:
    page.page.click(f".two-maps [data-map='{end}']")
    page.until(f"latentmap.state.betweenMaps === {end} && !latentmap.model.isMoving")


def test_the_points_move_to_the_other_map_and_are_the_same_points_there(look, compared, wanted, runs):
    page = look(compared.url)
    own = positions(page)
    pinned = int(np.flatnonzero(wanted["changed"] == 1)[0])
    page.ask(f"latentmap.inspector.pin(latentmap.model.rowOf[{pinned}])")
    between = page.ask(
        """(async () => {
          const seen = [];
          document.querySelector("[data-map='1']").click();
          while (latentmap.state.betweenMaps < 1) {
            await new Promise(requestAnimationFrame);
            seen.push(latentmap.state.betweenMaps);
          }
          return seen;
        })()"""
    )
    assert between == sorted(between)
    assert any(0 < at < 1 for at in between)
    there = positions(page)
    np.testing.assert_allclose(there, [wanted["x"], wanted["y"]], rtol=1e-5)
    assert np.isnan(there).any(axis=0).tolist() == [True] * N_ABSENT + [False] * (N - N_ABSENT)
    assert page.ask("latentmap.model.points.id[latentmap.inspector.row]") == pinned
    facts = page.page.locator(".inspector .facts")
    page.until_true(lambda: f"group in coarse\tGroup {wanted['group'][pinned]}" in facts.inner_text())
    x, y = page.ask(f"latentmap.placeOf({pinned})")
    assert page.ask(f"latentmap.camera.toMap({x}, {y})") == pytest.approx(there[:, pinned], rel=1e-4)
    page.page.mouse.move(*page.point(pinned))  # what is pointed at is what lies there now
    page.shoot("compared-other-map")
    move_to(page, 0)
    np.testing.assert_array_equal(positions(page), own)
    slider = page.page.get_by_label("From the map of this run to that of coarse")
    slider.focus()
    page.page.keyboard.press("PageUp")
    page.until("latentmap.state.betweenMaps > 0 && !latentmap.model.isMoving")
    at = page.state("betweenMaps")
    here = positions(page)[:, N_ABSENT:]
    np.testing.assert_allclose(here, (own + at * (np.array([wanted["x"], wanted["y"]]) - own))[:, N_ABSENT:], rtol=1e-3)
    page.page.keyboard.press("End")
    page.until("latentmap.state.betweenMaps === 1 && !latentmap.model.isMoving")
    assert page.page.locator(".two-maps [aria-pressed=true]").inner_text() == "coarse"


def test_images_that_changed_their_group_are_found_in_the_grid_and_labelled(look, comparing, wanted, runs, tmp_path):
    run = Path(shutil.copytree(runs[0], tmp_path / "by kind"))
    files = {path: path.read_bytes() for path in runs[1].rglob("*") if path.is_file()}
    changed = np.flatnonzero(wanted["changed"] == 1).tolist()
    page = look(comparing(run).url)
    text = page.page.locator(".compared").inner_text()
    assert f"{len(changed)} of {N - N_ABSENT} common images changed their group" in text
    assert f"{N_ABSENT} images are not in coarse, and hidden on its map." in text
    assert "8 images are only in coarse, and not shown." in text
    assert "Adjusted Rand index 0." in text
    move_to(page, 1)
    page.page.click("[data-act=only-changed]")
    page.until(f"latentmap.state.nVisible === {len(changed)}")
    page.page.click(".compared [data-color='group in coarse']")
    page.until("latentmap.state.colorBy === 'group in coarse'")
    assert by_id(page, "latentmap.model.loaded('group in coarse')").tolist() == wanted["group"].tolist()
    page.page.click("[data-act=select-changed]")
    assert page.state("nSelected") == len(changed)
    page.page.get_by_role("button", name="Show in the grid").click()
    page.page.wait_for_selector(".cell img[src]")
    assert set(page.ask("[...document.querySelectorAll('.cell')].map((one) => Number(one.dataset.image))")) <= {
        *changed
    }
    assert page.page.inner_text(".grid-count").split()[0] == str(len(changed))
    page.shoot("compared-grid")
    page.page.get_by_label("Label for the selection").fill("moved")
    page.page.get_by_role("button", name="Apply", exact=True).click()
    page.until("latentmap.state.revision === 1")
    edited = Journal(run).edited()
    assert np.flatnonzero(edited.label == edited.labels.index("moved")).tolist() == changed
    assert {path: path.read_bytes() for path in runs[1].rglob("*") if path.is_file()} == files
    page.until("decodeURIComponent(location.hash).includes('changed+group')")
    page.page.reload()  # colours and filter are kept in the address
    page.until(f"window.latentmap && latentmap.state.nVisible === {len(changed)}")
    assert page.state("colorBy") == "group in coarse"
    assert page.page.locator("[data-act=only-changed]").get_attribute("aria-pressed") == "true"
    page.page.click("[data-act=only-changed]")
    page.until(f"latentmap.state.nVisible === {N}")
    page.page.click(".compared [data-color='group in coarse']")
    page.until("latentmap.state.colorBy === 'group'")


def test_a_group_has_the_colour_of_the_one_that_it_stands_for(look, compared, wanted):
    page = look(compared.url)
    partners = [one["partner"] for one in page.ask("latentmap.model.facts.compared.groups")]
    slots = page.ask("latentmap.model.describe('group in coarse').slots")
    assert slots == [page.ask(f"latentmap.model.slotOf({one})") for one in partners]
    page.page.click(".compared [data-color='changed group']")
    page.until("latentmap.state.colorBy === 'changed group'")
    legend = page.page.locator(".colorkey").inner_text().split()
    counts = [int(np.sum(wanted["changed"] == code)) for code in (0, 1, -1)]
    assert [int(one) for one in legend if one.isdigit()] == counts
    assert "not in coarse" in " ".join(legend)


def test_what_is_about_the_own_map_ends_on_the_other_one(look, compared):
    page = look(compared.url)
    own = positions(page)
    page.page.click("[data-tool=decode]")
    move_to(page, 1)
    assert page.state("tool") == "pan"
    page.page.click("[data-tool=decode]")
    assert "own map" in page.page.locator(".message").inner_text()
    assert page.state("tool") == "pan"
    page.page.click("[data-open=learn]")
    assert page.state("betweenMaps") == 0
    np.testing.assert_array_equal(positions(page), own)
    page.ask("document.querySelector(\"[data-map='1']\").click()")  # the lessons lie over it
    page.until("latentmap.state.betweenMaps === 1")
    assert page.page.locator(".learn").is_hidden()
    page.ask("latentmap.inspector.pin(latentmap.model.rowOf[0])")  # not in the other run
    page.page.set_viewport_size({"width": 1000, "height": 700})
    page.page.wait_for_timeout(200)
    assert np.isfinite(page.state("center")).all()


def test_nothing_moves_where_reduced_motion_is_preferred(look, compared, wanted):
    page = look(compared.url)
    page.page.emulate_media(reduced_motion="reduce")
    at = page.ask("(document.querySelector(\"[data-map='1']\").click(), latentmap.state.betweenMaps)")
    assert at == 1
    np.testing.assert_allclose(positions(page), [wanted["x"], wanted["y"]], rtol=1e-5)


def test_readers_below_a_prefix_see_both_maps(look, comparing, runs, wanted):
    page = look(comparing(runs[0], "--base-path", "/maps/one", "--read-only").url)
    assert "/maps/one/" in page.page.url
    move_to(page, 1)
    np.testing.assert_allclose(positions(page), [wanted["x"], wanted["y"]], rtol=1e-5)
    page.page.click("[data-act=select-changed]")
    assert page.state("nSelected") == int(np.sum(wanted["changed"] == 1))


@pytest.mark.parametrize(
    ("width", "theme", "language"), [(1280, "dark", "en"), (1280, "light", "ko"), (390, "light", "en")]
)
def test_the_controls_can_be_used_by_everybody(look, compared, width, theme, language):
    from axe_playwright_python.sync_playwright import Axe

    page = look(f"{compared.url}&theme={theme}&lang={language}")
    page.page.set_viewport_size({"width": width, "height": 844})
    move_to(page, 1)
    if width < 900:
        page.page.wait_for_timeout(200)
        page.shoot(f"compared-{width}-map")
        page.ask("document.body.classList.add('drawer-open')")
    page.page.click(".compared [data-color='group in coarse']")
    page.until("latentmap.state.colorBy === 'group in coarse'")
    found = Axe().run(page.page).response["violations"]
    assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []
    for part in (".two-maps", ".compared"):
        assert page.ask(f"(e => e.scrollWidth <= e.clientWidth + 1)(document.querySelector('{part}'))"), part
    box = page.page.locator(".two-maps").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.shoot(f"compared-{width}-{theme}")


def test_a_few_digits_move_and_those_whose_group_changed_are_selected(look, made, tmp_path):
    few = np.arange(5, 305)
    make_run(load_mnist("test")[0][few], tmp_path / "few", RunOptions(epochs=1, latent_dim=4, n_clusters=4))
    found = ComparedMap.of(AtlasView(made), tmp_path / "few").arrays
    served = serve(made, 0, "--compare", str(tmp_path / "few"))
    try:
        page = look(served.url)
        move_to(page, 1)
        there = positions(page)
        np.testing.assert_allclose(there, [found["x"], found["y"]], rtol=1e-5)
        assert np.flatnonzero(np.isfinite(there[0])).tolist() == few.tolist()
        page.page.click("[data-act=select-changed]")
        selected = page.ask("latentmap.model.idsOf(latentmap.model.selectedRows())")
        assert sorted(selected) == np.flatnonzero(found["changed"] == 1).tolist()
        page.page.close()  # before its server
    finally:
        served.stop()
