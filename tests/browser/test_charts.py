"""Charts of columns filter by brushing, and filtered images stay as faint dots by choice."""

import io

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from browser.conftest import Page, Served


def column(served: Served, name: str) -> list:
    return pq.read_table(served.run / "atlas.parquet", columns=[name])[name].to_pylist()


def number(page: Page, which: str) -> float:
    return float(
        page.page.locator(f".filters .range input >> nth={('low', 'high').index(which)}").input_value() or "nan"
    )


def test_a_histogram_is_brushed_by_pointer_and_by_keys(look, served):
    page = look(served.url)
    mouse, keyboard = page.page.mouse, page.page.keyboard
    page.page.select_option(".filters > select", "error")
    page.page.wait_for_selector(".filters .histogram")
    box = page.page.locator(".filters .histogram").bounding_box()

    def at(fraction: float) -> tuple[float, float]:
        return box["x"] + fraction * box["width"], box["y"] + box["height"] / 2

    def passing() -> int:
        errors = np.array(column(served, "error"), np.float32)
        return int(((errors >= number(page, "low")) & (errors <= number(page, "high"))).sum())

    page.drag([at(0.2), at(0.5)])
    page.until("latentmap.state.nVisible < latentmap.state.n")
    assert page.state("nVisible") == passing() > 0
    low, high = number(page, "low"), number(page, "high")
    page.drag([at(0.35), at(0.45)])  # from inside: the whole range moves
    page.until(f"Number(document.querySelector('.filters .range input').value) > {low}")
    assert number(page, "high") > high
    assert page.state("nVisible") == passing()

    # keys on the ends, and the selection in the chart
    page.page.locator(".filters .handle >> nth=0").focus()
    before = number(page, "low")
    keyboard.press("ArrowLeft")
    keyboard.press("ArrowLeft")
    page.until(f"Number(document.querySelector('.filters .range input').value) < {before}")
    assert page.state("nVisible") == passing()
    assert page.page.get_attribute(".filters .handle >> nth=0", "aria-valuetext") != ""
    assert page.ask("document.activeElement.classList.contains('handle')")
    page.page.click(".select-shown")
    heights = (
        "[...document.querySelectorAll('.filters .bin.selected')].map((one) => Number(one.getAttribute('height')))"
    )
    page.until(f"{heights}.some((height) => height > 0)")
    page.shoot("charts-histogram")
    page.page.locator(".filters .handle >> nth=1").focus()
    keyboard.press("Delete")
    page.until("latentmap.state.nVisible === latentmap.state.n")
    mouse.move(0, 0)


def test_bars_of_categories_are_brushed_and_count_what_is_visible(look, both):
    page = look(both.url)
    keyboard = page.page.keyboard
    page.page.keyboard.press("g")
    page.page.select_option(".filters > select", "label")
    page.page.wait_for_selector(".filters .choice")
    keys = page.page.locator(".filters .choice").evaluate_all("all => all.map((one) => one.dataset.key)")
    labels = [str(one) for one in column(both, "label")]
    bars = page.page.locator(".filters .choice .measure")

    def middle(at: int) -> tuple[float, float]:
        box = bars.nth(at).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    page.drag([middle(1), middle(2), middle(3)])
    wanted = sum(labels.count(key) for key in keys[1:4])
    page.until(f"latentmap.state.nVisible === {wanted}")
    page.page.select_option(".grid-bar .scope", "visible")
    page.until(f"document.querySelector('.grid-count').textContent === '{wanted} images'")  # the grid follows
    widths = "[...document.querySelectorAll('.filters .measure i')].map((one) => parseFloat(one.style.width))"
    assert [width > 0 for width in page.ask(widths)][:6] == [False, True, True, True, False, False]
    bars.nth(5).click()
    page.until(f"latentmap.state.nVisible === {labels.count(keys[5])}")
    page.page.locator(".filters .choice input").nth(0).focus()
    keyboard.press("Enter")
    keyboard.press("Shift+ArrowDown")
    page.until(f"latentmap.state.nVisible === {labels.count(keys[0]) + labels.count(keys[1])}")
    page.shoot("charts-categories")


def test_filtered_images_stay_as_faint_dots_that_cannot_be_pointed_at(look, both):
    page = look(f"{both.url}&thumbnails=none", has_pictures=False)
    labels = [str(one) for one in column(both, "label")]
    first, second = sorted(set(labels))[:2]
    page.ask(f"latentmap.model.setFilter('label', {{ only: ['{first}'] }})")
    page.until(f"latentmap.state.nVisible === {labels.count(first)}")
    page.page.keyboard.press("Escape")
    other = next(i for i, one in enumerate(labels) if one == second and page.is_free(i))
    x, y = page.point(other)

    def colors() -> set[tuple[int, ...]]:
        page.page.mouse.move(5, 5)
        page.page.wait_for_timeout(300)
        clip = {"x": x - 12, "y": y - 12, "width": 24, "height": 24}
        pixels = np.asarray(Image.open(io.BytesIO(page.page.screenshot(clip=clip))).convert("RGB"))
        return {tuple(int(c) for c in one) for one in pixels.reshape(-1, 3)}

    assert len(colors()) == 1  # the ground
    page.page.check(".faint")
    assert len(colors()) > 1
    assert all(max(one) - min(one) < 16 for one in colors())  # grey
    assert page.state("nVisible") == labels.count(first)
    page.page.mouse.click(x, y)
    page.page.wait_for_timeout(200)
    assert not page.state("pinned")
    page.until("location.hash.includes('faint=1')")
    page.shoot("charts-faint")
    page.page.reload()
    page.until("window.latentmap && document.querySelector('.faint')?.checked")
