"""The panels at the sides of the map: what they count, filter, colour and export is what they say."""

import csv
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from browser.conftest import Served, serve
from latentmap.run import Run, RunOptions, make_run

N = 1100  # above 1,000, from where a folder is only written when asked for twice
N_LABELS = 258  # more than the page is sent by name
GREY = [128, 128, 128]


def things(folder: Path) -> Path:
    """A table of small coloured pictures with words, numbers, and values that are missing."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[:24, :32]
    pictures = []
    for number in range(N):
        picture = np.full((24, 32, 3), 235, np.uint8)
        kind = number % 4
        color = np.array([[200, 60, 50], [40, 120, 200], [70, 160, 70], [150, 80, 170]][kind])
        top, left = 12 + random.integers(-3, 4), 16 + random.integers(-5, 6)
        shape = [
            (y - top) ** 2 + (x - left) ** 2 < 50,
            (abs(y - top) < 5) & (abs(x - left) < 9),
            abs(y - top) + abs(x - left) < 9,
            abs(y - top) < 3,
        ]
        picture[shape[kind]] = color + random.integers(-15, 16, 3)
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        pictures.append(file.getvalue())
    kinds = np.r_[np.arange(N_LABELS), np.minimum(random.geometric(0.08, N - N_LABELS) - 1, N_LABELS - 1)]
    table = pa.table(
        {
            "image": pa.array(pictures, pa.binary()),
            "label": [f"kind {kind:03d}" for kind in kinds],
            "weight": pa.array([None if i % 2 else float(w) for i, w in enumerate(random.normal(0, 5, N).round(3))]),
            "count": pa.array([None if i % 7 == 0 else i % 100 for i in range(N)], pa.int64()),
            "word": pa.array([None if i % 5 == 0 else ("red", "green", "blue")[i % 3] for i in range(N)]),
            "empty": pa.array([None] * N, pa.float64()),
        }
    )
    path = folder / "things.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="session")
def made_things(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("things")
    make_run(things(folder), folder / "run", RunOptions(epochs=1, latent_dim=8, perplexity=20.0))
    return folder / "run"


@pytest.fixture(scope="module")
def shop(made_things, tmp_path_factory) -> Iterator[Served]:
    """An explorer of a copy of the run, which no test edits."""
    found = serve(Path(shutil.copytree(made_things, tmp_path_factory.mktemp("shop") / "run")))
    yield found
    found.stop()


@pytest.fixture
def edited(made_things, tmp_path) -> Iterator[Served]:
    """An explorer of a copy of its own."""
    found = serve(Path(shutil.copytree(made_things, tmp_path / "run")))
    yield found
    found.stop()


def column(served: Served, name: str) -> list:
    return Run.open(served.run).atlas()[name].to_pylist()


def colors(page) -> np.ndarray:
    """Colours of the images, by id."""
    found = page.ask("[Array.from(latentmap.model.points.id), Array.from(latentmap.model.colors)]")
    return np.array(found[1]).reshape(-1, 4)[np.argsort(found[0]), :3]


def ids_shown(page) -> set[int]:
    return set(page.ask("latentmap.model.idsOf(latentmap.model.visibleRows())"))


def select(page, ids: list[int]) -> None:
    page.ask(f"latentmap.model.select({ids}.map((id) => latentmap.model.rowOf[id]))")


def sent(page, path: str, answer: dict | None = None, status: int = 200) -> list[dict]:
    """Requests of the page to a path; answered here if an answer is given."""
    found: list[dict] = []

    def handle(route) -> None:
        if route.request.method != "POST":
            return route.fallback()
        found.append(json.loads(route.request.post_data or "null"))
        return route.continue_() if answer is None else route.fulfill(status=status, json=answer)

    page.page.route(re.compile(path), handle)
    return found


# ---------------------------------------------------------------- missing values


def test_a_missing_number_passes_no_comparison(look, shop):
    page = look(shop.url)
    weights = column(shop, "weight")
    n_missing, n_low = weights.count(None), sum(one is not None and one <= 0 for one in weights)
    page.page.select_option(".filters > select", "weight")
    page.page.wait_for_selector(".filters .histogram")
    assert page.state("nVisible") == N  # no range was given yet
    page.page.fill("[aria-label='weight maximum']", "0")
    page.until(f"latentmap.state.nVisible === {n_low}")
    assert ids_shown(page) == {i for i, one in enumerate(weights) if one is not None and one <= 0}
    page.page.fill("[aria-label='weight maximum']", "1000000")
    page.until(f"latentmap.state.nVisible === {N - n_missing}")
    page.page.fill("[aria-label='weight maximum']", "0")
    box = page.page.locator(".filters .with-missing")
    assert not box.is_checked()
    assert f"missing ({n_missing:,})" in page.page.inner_text(".filters fieldset")
    box.check()
    page.until(f"latentmap.state.nVisible === {n_low + n_missing}")
    # the histogram counts what has a value, and nothing else
    assert page.ask("latentmap.filters.charts[0].counts.reduce((a, b) => a + b)") == N - n_missing
    page.page.wait_for_timeout(600)
    again = look(f"{page.page.url}&{shop.url.partition('#')[2]}")  # a link keeps the switch
    again.until(f"latentmap.state.nVisible === {n_low + n_missing}")
    assert again.page.locator(".filters .with-missing").is_checked()


def test_missing_values_are_grey_in_every_colouring(look, shop):
    page = look(shop.url)
    for name in ("weight", "word", "count", "empty"):
        page.page.select_option(".color", name)
        page.until(f"latentmap.state.colorBy === '{name}'")
        page.page.wait_for_timeout(200)
        missing = np.array([one is None for one in column(shop, name)])
        is_grey = (colors(page) == GREY).all(axis=1)
        assert (is_grey == missing).all(), name
        assert f"missing ({missing.sum():,})" in page.page.inner_text(".legend"), name


def test_facts_show_a_dash_for_a_missing_value(look, shop):
    page = look(shop.url)
    image = 35  # odd, and a multiple of five and of seven
    page.ask(f"latentmap.inspector.pin(latentmap.model.rowOf[{image}])")
    page.until("document.querySelectorAll('.facts td').length > 5")
    facts = dict(
        zip(
            page.page.locator(".facts th").all_inner_texts(),
            page.page.locator(".facts td").all_inner_texts(),
            strict=True,
        )
    )
    assert {facts[name] for name in ("weight", "word", "count", "empty")} == {"–"}
    assert "group" not in facts  # the group is the one that the image has now
    assert facts["Group"] == f"Group {column(shop, 'group')[image]}"


def test_a_column_without_a_value_has_no_range(look, shop):
    page = look(shop.url)
    page.page.select_option(".filters > select", "empty")
    page.page.wait_for_selector(".filters fieldset")
    assert "No image has a value" in page.page.inner_text(".filters fieldset")
    assert page.state("nVisible") == N


def test_missing_is_a_category_of_its_own(look, shop):
    page = look(shop.url)
    words = column(shop, "word")
    page.page.select_option(".filters > select", "word")
    row = page.page.locator(".filters [data-key='']")
    assert row.inner_text().split() == ["missing", f"{words.count(None):,}"]
    row.locator("input").uncheck()
    page.until(f"latentmap.state.nVisible === {N - words.count(None)}")
    assert page.page.locator(".filters [data-key='red']").inner_text().split() == ["red", f"{words.count('red'):,}"]


# ---------------------------------------------------------------- colours


def test_numbers_are_filtered_by_dragging_on_their_histogram(look, shop):
    page = look(shop.url)
    page.page.select_option(".filters > select", "count")
    box = page.page.locator(".filters .histogram").bounding_box()
    y = box["y"] + box["height"] / 2
    page.drag([(box["x"] + 0.25 * box["width"], y), (box["x"] + 0.5 * box["width"], y)])
    counts = [one for one in column(shop, "count") if one is not None]
    low, high = (float(page.page.input_value(f"[aria-label='count {end}']")) for end in ("minimum", "maximum"))
    assert (low, high) == pytest.approx((25, 49.5), abs=2)
    page.until(f"latentmap.state.nVisible === {sum(low <= one <= high for one in counts)}")
    page.drag([(box["x"] + 0.5 * box["width"], y), (box["x"] + 0.75 * box["width"], y)])  # its end
    assert float(page.page.input_value("[aria-label='count minimum']")) == pytest.approx(low, abs=0.1)
    assert float(page.page.input_value("[aria-label='count maximum']")) == pytest.approx(74, abs=2)
    page.page.locator(".filters .histogram").dblclick()
    page.until("latentmap.state.nVisible === latentmap.state.n")


def test_the_largest_categories_have_colours_and_counts_and_filter_by_a_click(look, shop):
    page = look(shop.url)
    labels = column(shop, "label")
    largest = Counter(labels).most_common()
    page.page.select_option(".color", "label")
    page.page.wait_for_selector(".colorkey .bar-row")
    names = page.page.locator(".colorkey .bar-row .name").all_inner_texts()
    counts = [int(text.replace(",", "")) for text in page.page.locator(".colorkey .size").all_inner_texts()]
    assert names[-1] == "other"
    assert counts == [n for _, n in largest[:20]] + [N - sum(n for _, n in largest[:20])]
    assert len(np.unique(colors(page), axis=0)) == 21
    page.page.select_option(".colorkey select", "10")
    page.until("document.querySelectorAll('.colorkey .bar-row').length === 11")
    assert len(np.unique(colors(page), axis=0)) == 11
    page.shoot("panels-largest")
    first, second, *_, other = page.page.locator(".colorkey .bar-row").all()
    names = page.page.locator(".colorkey .bar-row .name").all_inner_texts()
    first.click()
    page.until(f"latentmap.state.nVisible === {labels.count(names[0])}")
    assert first.get_attribute("aria-pressed") == "true"
    second.click()
    page.until(f"latentmap.state.nVisible === {labels.count(names[0]) + labels.count(names[1])}")
    page.page.wait_for_timeout(600)
    again = look(f"{page.page.url}&{shop.url.partition('#')[2]}")  # a link keeps what was chosen
    again.until(f"latentmap.state.nVisible === {labels.count(names[0]) + labels.count(names[1])}")
    first.click()
    second.click()
    page.until("latentmap.state.nVisible === latentmap.state.n")
    other.click()
    page.until(f"latentmap.state.nVisible === {N - sum(labels.count(name) for name in names[:-1])}")
    box = page.page.locator(".filters .choice", has_text="other")  # those that the page has no name of
    n_named = int(box.locator(".size").inner_text().replace(",", ""))
    assert n_named == N - sum(n for _, n in largest[:200])


def test_groups_have_colours_of_their_own_after_splits(edited, look):
    page = look(edited.url)
    for _ in range(4):
        revision = page.state("revision")
        largest = page.ask("latentmap.model.edits.groups.toSorted((a, b) => b.size - a.size)[0].number")
        page.page.click(f".groups li[data-group='{largest}'] [data-act=split]")
        page.until(f"latentmap.state.revision === {revision + 1}")
    found = page.ask("latentmap.model.edits.groups.map(one => latentmap.model.groupColor(one.number).join())")
    assert 10 < len(found) <= 20
    assert len(set(found)) == len(found)
    page.shoot("panels-split")


def test_labels_stand_on_their_own_group(edited, look):
    page = look(edited.url)
    for _ in range(3):
        revision = page.state("revision")
        largest = page.ask("latentmap.model.edits.groups.toSorted((a, b) => b.size - a.size)[0].number")
        page.page.click(f".groups li[data-group='{largest}'] [data-act=split]")
        page.until(f"latentmap.state.revision === {revision + 1}")
    numbers = "latentmap.model.edits.groups.map(group => group.number)"
    page.until(f"latentmap.view.labels.shown.every(one => {numbers}.includes(one.node.group))")  # drawn anew
    page.until("latentmap.view.labels.shown.length > 3")
    places = page.ask("latentmap.view.labels.shown.map(one => [one.node.group, one.x, one.y])")
    x, y, group = (np.array(page.ask(f"Array.from(latentmap.model.{name})")) for name in ("x", "y", "group"))
    assert len(places) > 3
    for number, px, py in places:
        nearest = np.hypot(x - px, y - py).argsort()[: min(9, (group == number).sum())]
        assert (group[nearest] == number).mean() > 0.5, number


# ---------------------------------------------------------------- search


def test_search_lists_what_it_finds_as_it_is_typed(look, shop):
    page = look(shop.url)
    paths = column(shop, "path")
    wanted = [i for i, path in enumerate(paths) if "[10" in path]
    page.page.locator(".search").press_sequentially("[10")
    page.until(f"latentmap.state.nVisible === {len(wanted)}")
    page.page.wait_for_selector(".hits li")
    assert page.page.locator(".hits li span").first.inner_text() in {paths[i] for i in wanted}
    assert page.page.locator(".hits li .picture").count() == min(30, len(wanted))
    assert f"{len(wanted)} images found" in page.page.inner_text(".hits")
    page.shoot("panels-search")
    page.page.keyboard.press("ArrowDown")
    second = page.page.locator(".hits li span").nth(1).inner_text()
    page.page.keyboard.press("Enter")
    page.until(f"latentmap.state.row === latentmap.model.rowOf[{paths.index(second)}]")
    assert page.page.locator(".hits").is_hidden()
    page.page.wait_for_timeout(4500)
    assert f"{len(wanted)} images" in page.page.inner_text(".filters")  # it stays
    page.page.fill(".search", "[100")
    page.page.locator(".hits li", has_text="[1003]").click()
    page.until(f"latentmap.state.row === latentmap.model.rowOf[{paths.index(next(p for p in paths if '[1003]' in p))}]")
    page.page.click("[aria-label='Clear search']")
    page.until("latentmap.state.nVisible === latentmap.state.n")
    assert page.page.input_value(".search") == ""


def test_when_nothing_matches_the_page_says_so_and_clears_all(look, shop):
    page = look(shop.url)
    page.page.select_option(".filters > select", "weight")
    page.page.fill("[aria-label='weight minimum']", "1e6")
    page.page.locator(".search").press_sequentially("things")
    page.until("latentmap.state.nVisible === 0")
    page.page.wait_for_selector(".nothing:not([hidden])")
    assert "No image matches" in page.page.inner_text(".nothing")
    page.page.keyboard.press("Escape")
    page.page.click(".clear-nothing")
    page.until("latentmap.state.nVisible === latentmap.state.n")
    assert page.page.locator(".filters fieldset").count() == 0
    assert page.page.input_value(".search") == ""
    assert page.page.locator(".nothing").is_hidden()
    assert page.page.locator(".clear-all").is_disabled()


# ---------------------------------------------------------------- export


def test_what_is_exported_is_what_the_button_says(look, shop):
    page = look(shop.url)
    button = page.page.locator("[data-export=csv]")
    assert button.inner_text() == f"CSV: all {N:,}"
    page.page.select_option(".filters > select", "word")
    page.page.click("[aria-label='word: tick none']")
    page.page.locator(".filters [data-key='red'] input").check()
    reds = [i for i, word in enumerate(column(shop, "word")) if word == "red"]
    page.until(f"latentmap.state.nVisible === {len(reds)}")
    assert button.inner_text() == f"CSV: {len(reds)} visible"

    def exported() -> list[int]:
        with page.page.expect_download() as found:
            button.click()
        return [int(row["id"]) for row in csv.DictReader(io.StringIO(Path(found.value.path()).read_text("utf-8")))]

    assert exported() == reds
    page.page.click(".select-shown")
    page.until(f"latentmap.state.nSelected === {len(reds)}")
    select(page, reds[:12])
    assert button.inner_text() == "CSV: 12 selected"
    assert exported() == reds[:12]
    assert page.page.inner_text(".exports .kept").startswith("12 images exported:")
    page.page.locator(".scopes label", has_text="all").click()
    assert button.inner_text() == f"CSV: all {N:,}"
    assert exported() == list(range(N))
    select(page, reds[:1])  # another selection is another question
    page.page.locator(".scopes label", has_text="selected").click()
    assert exported() == reds[:1]
    assert page.page.inner_text(".exports .kept").startswith("1 image exported:")


def test_the_kept_file_of_an_export_is_named(look, shop):
    page = look(shop.url)
    headers = {
        "X-Latentmap-File": "/runs/a/exports/selection-1.csv",
        "Content-Disposition": 'attachment; filename="s.csv"',
    }
    page.page.route("**/api/export", lambda route: route.fulfill(body="id\n1\n", headers=headers))
    select(page, [1, 2])
    with page.page.expect_download():
        page.page.click("[data-export=csv]")
    page.until("document.querySelector('.kept').textContent.includes('/runs/a/exports/selection-1.csv')")
    assert "/runs/a/exports/selection-1.csv" in page.page.inner_text(".message")


def test_a_large_folder_is_asked_about_shows_its_progress_and_can_be_cancelled(look, shop):
    page = look(shop.url)
    asked = sent(page, r"/api/export$", {"job": "7"}, 202)
    cancelled = sent(page, r"/api/export/7/cancel$", {})
    states = iter([{"state": "running", "done": 10, "total": N}] * 3)

    def state(route) -> None:
        over = {"state": "cancelled", "done": 300, "total": N}
        route.fulfill(json=over if cancelled else next(states, {"state": "running", "done": 300, "total": N}))

    page.page.route(re.compile(r"/api/export/7$"), state)
    page.page.click("[data-export=folder]")
    question = page.page.inner_text("dialog.ask")
    assert f"{N:,} files" in question
    assert "MB" in question
    page.page.click("[data-answer=no]")
    assert asked == []
    page.page.click("[data-export=folder]")
    page.page.click("[data-answer=yes]")
    page.until("document.querySelector('.running output').textContent.startsWith('300 of')")
    assert page.ask("document.querySelector('.running progress').value") == 300
    assert page.page.locator("[data-export=folder]").is_disabled()
    assert asked == [{"kind": "folder", "ids": None}]
    page.shoot("panels-export")
    page.page.click(".cancel-export")
    page.until("document.querySelector('.kept').textContent.includes('cancelled')")
    assert len(cancelled) == 1
    assert page.page.locator(".running").is_hidden()
    select(page, list(range(20)))  # few: without a question
    page.page.route(
        re.compile(r"/api/export/7$"),
        lambda route: route.fulfill(json={"state": "done", "done": 20, "total": 20, "folder": "/runs/a/exports/x"}),
    )
    page.page.click("[data-export=folder]")
    page.until("document.querySelector('.kept').textContent === '20 images exported: /runs/a/exports/x'")
    assert asked[-1] == {"kind": "folder", "ids": list(range(20))}


# ---------------------------------------------------------------- groups


def test_a_merge_says_with_whom_and_asks_for_a_name(edited, look):
    page = look(edited.url)
    edits = sent(page, r"/api/edits$")
    page.page.click(".groups li[data-group='2'] [data-act=merge]")
    assert "Merge Group 2 with" in page.page.inner_text(".partners legend")
    names = page.page.locator(".partners .choice .name").all_inner_texts()
    numbers = page.ask("latentmap.model.edits.groups.map(one => one.number)")
    assert sorted(names) == sorted(f"Group {number}" for number in numbers if number != 2)
    assert page.page.locator(".merge-do").is_disabled()
    page.page.locator(".partners .choice", has_text="Group 5").hover()  # it is pointed out on the map
    sizes = Counter(column(edited, "group"))
    bright = "latentmap.model.colors.filter((value, i) => i % 4 === 3 && value === 255).length"
    page.until(f"{bright} === {sizes[5]}")
    for other in (5, 3):
        page.page.locator(f".partners input[value='{other}']").check()
    page.shoot("panels-merge")
    assert set(page.page.input_value(".merged-name").split(" + ")) == {"Group 2", "Group 3", "Group 5"}
    page.page.fill(".merged-name", "round ones")
    page.page.click(".merge-do")
    page.until("latentmap.state.revision === 1")
    (edit,) = (one["edit"] for one in edits)
    assert (edit["kind"], sorted(edit["groups"]), edit["name"]) == ("merge", [2, 3, 5], "round ones")
    assert page.ask(bright) == 0  # nothing is pointed out any longer
    (merged,) = page.ask("latentmap.model.edits.groups.filter(one => one.name === 'round ones')")
    assert merged["size"] == sizes[2] + sizes[3] + sizes[5]
    assert len(page.ask("latentmap.model.edits.groups")) == len(numbers) - 2
    page.page.click(".groups li[data-group='1'] [data-act=merge]")
    page.page.click(".merge-cancel")
    assert page.page.locator(".partners").count() == 0
    assert len(edits) == 1


def test_a_selection_becomes_a_group(edited, look):
    page = look(edited.url)
    select(page, [3, 1, 2])
    assert page.page.inner_text(".gather summary") == "Make a group of 3 images …"
    page.page.click(".gather summary")
    page.page.fill(".gather input", "mine")
    page.page.click(".gather-do")
    page.until("latentmap.state.revision === 1")
    assert Run.open(edited.run).edits()["group_name"].to_pylist()[:5] == [None, "mine", "mine", "mine", None]
    number = page.ask("latentmap.model.edits.groups.find(one => one.name === 'mine').number")
    assert number == Run.open(edited.run).edits()["group"][1].as_py()
    select(page, [3])
    assert page.page.inner_text(".gather summary") == "Make a group of 1 image …"
    assert page.page.inner_text(".selection .count") == "1 image selected"


def test_one_group_is_cut_into_more_by_a_slider(edited, look):
    page = look(edited.url)
    page.page.click(".groups li[data-group='0'] [data-act=merge]")
    for box in page.page.locator(".partners input[type=checkbox]").all():
        box.check()
    page.page.click(".merge-do")
    page.until("latentmap.model.edits.groups.length === 1")
    assert "All images are in one group" in page.page.inner_text(".cut")  # in sight without a click
    slider = page.page.locator(".cut-slider")
    assert slider.get_attribute("min") == "2"
    slider.fill("5")
    assert page.page.inner_text(".cut-count") == "5 groups"
    rows = "Array.from({length: latentmap.model.n}, (_, i) => latentmap.model.colors.slice(4 * i, 4 * i + 3).join())"
    colors = f"new Set({rows}).size"
    page.until(f"{colors} === 5")  # the map shows the groups before the tree is cut
    assert page.ask("latentmap.model.edits.groups.length") == 1
    page.shoot("panels-cut")
    page.page.click(".cut summary")
    page.until(f"{colors} === 1")
    page.page.click(".cut summary")
    slider.fill("4")
    slider.fill("5")
    page.until(f"{colors} === 5")
    page.page.click(".cut-do")
    page.until("latentmap.model.edits.groups.length === 5")
    wanted = Counter(Run.open(edited.run).cut(5).tolist())
    assert Counter(page.ask("latentmap.model.edits.groups.map(one => one.size)")) == Counter(wanted.values())
    page.page.click(".cut-reset")
    page.until("latentmap.model.edits.groups.length === 1")
    assert page.page.locator(".cut-reset").is_disabled()
    supported = Run.open(edited.run).cuts()
    offers = page.page.locator(".cut-offers button")
    assert offers.count() == len(supported) > 0
    offers.first.click()
    page.until(f"latentmap.model.edits.groups.length === {supported[0].n_clusters}")


# ---------------------------------------------------------------- labels


def test_labels_are_counted_selected_renamed_removed(edited, look):
    page = look(edited.url)

    def label(ids: list[int], name: str) -> None:
        revision = page.state("revision")
        select(page, ids)
        page.page.fill("[aria-label='Label for the selection']", name)
        page.page.keyboard.press("Enter")
        page.until(f"latentmap.state.revision === {revision + 1}")

    label([1, 2, 3], "a")
    assert page.page.locator(".label-list li[data-label=a] .size").inner_text() == "3"
    page.page.click(".spread")  # there is no choice yet
    question = page.page.inner_text("dialog.ask")
    assert f"only one label: all {N:,} images would get “a”" in question
    page.page.click("[data-answer=no]")
    assert not (edited.run / "labels.parquet").exists()
    label([4, 5], "b")
    page.page.click(".label-list li[data-label=a] [data-act=select]")
    page.until("latentmap.state.nSelected === 3")
    field = page.page.locator(".label-list li[data-label=a] input")
    field.fill("c")
    field.press("Enter")
    page.page.wait_for_selector(".label-list li[data-label=c]")
    given = Run.open(edited.run).edits()["given_label"].to_pylist()
    assert given[1:6] == ["c", "c", "c", "b", "b"]
    page.page.click(".spread")
    page.until("document.querySelector('.message').textContent.includes('labels.parquet')")
    page.page.click(".label-list li[data-label=b] [data-act=remove]")
    assert "from 2 images" in page.page.inner_text("dialog.ask")
    page.page.click("[data-answer=yes]")
    page.until("document.querySelector('.label-list li[data-label=b]') === null")
    assert Run.open(edited.run).edits()["given_label"].to_pylist()[1:6] == ["c", "c", "c", None, None]


# ---------------------------------------------------------------- for everybody


@pytest.mark.parametrize("language", ["en", "ko"])
def test_panels_name_their_controls_each_by_a_name_of_its_own(look, shop, language):
    from axe_playwright_python.sync_playwright import Axe

    page = look(f"{shop.url}&lang={language}")
    page.page.select_option(".color", "word")
    page.page.select_option(".filters > select", "weight")
    page.page.wait_for_selector(".filters fieldset")
    page.page.select_option(".filters > select", "word")
    page.page.wait_for_selector(".filters fieldset >> nth=1")
    page.page.click(".groups li[data-group='2'] [data-act=merge]")
    page.page.click(".cut summary")
    select(page, list(range(10)))
    found = Axe().run(page.page).response["violations"]
    assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []
    names = page.page.locator("aside button, aside input, aside select").evaluate_all(
        """all => all.filter(one => one.offsetParent)
        .map(one => one.getAttribute('aria-label') || one.closest('label')?.textContent || one.textContent)"""
    )
    assert [name for name, n in Counter(names).items() if n > 1 or not name] == []
    page.shoot(f"panels-{language}")
