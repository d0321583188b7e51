"""The page on a phone and by touch: tap, long press, pinch, sheets from below."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.conftest import Page

PHONE = {"width": 390, "height": 844}
HOLD = 650  # milliseconds of a long press
MIN_TARGET = 24  # pixels: WCAG 2.2, 2.5.8


class Phone(Page):
    """A page with fingers."""

    def touch(self, kind: str, *points: tuple[float, float], at: float | None = None) -> None:
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        when = {} if at is None else {"timestamp": at}
        self.client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches, **when})

    def double_tap(self, image: int) -> None:
        self.double_tap_at(*self.point(image))

    def double_tap_at(self, *place: float) -> None:
        now = time.time()
        for at in (now, now + 0.2):  # however long the machine takes for it
            self.touch("touchStart", place, at=at)
            self.touch("touchEnd", at=at + 0.05)

    @property
    def client(self) -> Any:
        if not hasattr(self, "_client"):
            self._client = self.page.context.new_cdp_session(self.page)
        return self._client

    def tap(self, image: int) -> None:
        self.page.touchscreen.tap(*self.point(image))

    def hold(self, image: int) -> None:
        self.touch("touchStart", self.point(image))
        self.page.wait_for_timeout(HOLD)
        self.touch("touchEnd")

    def free(self, least: float = 0.3, most: float = 0.7, top: float = 0.62) -> list[int]:
        """Images that neither a label nor a panel over the map covers."""
        _, _, width, height = self.stage()
        inside = [
            one["id"]
            for one in self.state("sprites")
            if least * width < one["at"][0] < most * width and 0.1 * height < one["at"][1] < top * height
        ]
        return [image for image in inside if self.ask(UNCOVERED.replace("ID", str(image)))]

    def selected(self) -> list[int]:
        return self.ask("latentmap.model.idsOf(latentmap.model.selectedRows())")


UNCOVERED = """(() => { const [x, y] = latentmap.placeOf(ID);
    const box = document.querySelector('.map').getBoundingClientRect();
    return !latentmap.view.labels.at(box.left + x, box.top + y)
      && document.elementFromPoint(box.left + x, box.top + y)?.className === 'map'; })()"""


@pytest.fixture
def phone(chromium) -> Iterator[Callable[..., Phone]]:
    contexts: list[Any] = []
    pages: list[Phone] = []

    def open_page(url: str, size: dict[str, int] = PHONE) -> Phone:
        contexts.append(chromium.new_context(viewport=size, has_touch=True, is_mobile=True, color_scheme="dark"))
        pages.append(Phone(contexts[-1].new_page()))
        pages[-1].open(url)
        pages[-1].until("document.querySelectorAll('.label').length > 3")
        return pages[-1]

    yield open_page
    for context in contexts:
        context.close()
    assert [error for page in pages for error in page.errors] == []


def height(page: Page, name: str) -> float:
    return page.page.locator(name).bounding_box()["height"]


def test_a_tap_inspects_without_moving_the_map_and_a_closed_sheet_can_be_opened(phone, served):
    page = phone(served.url)
    image = page.free(top=0.42)[-1]
    before = page.point(image)
    page.tap(image)
    page.until("latentmap.state.pinned && latentmap.state.neighbors > 0")
    assert page.ask("latentmap.model.points.id[latentmap.state.row]") == image
    assert page.page.locator("aside.right").is_visible()
    page.page.wait_for_timeout(600)
    assert page.point(image) == pytest.approx(before, abs=1)
    sheet, strip = (page.page.locator(one).bounding_box() for one in ("aside.right", ".inspector .strip"))
    assert strip["y"] < sheet["y"] + 100  # the neighbours are at the top of the sheet
    page.page.tap("aside.right > .close-sheet")
    assert page.page.locator("aside.right").is_hidden()
    page.page.tap(".open-sheet")
    assert page.page.locator("aside.right").is_visible()
    page.page.tap("aside.right > .close-sheet")
    page.tap(image)  # the same image again
    page.until("document.querySelector('aside.right').checkVisibility()")
    assert page.page.locator(".open-sheet").is_hidden()
    page.shoot("phone-image")


def test_an_image_below_the_sheet_comes_into_view(phone, served):
    page = phone(served.url)
    _, top, _, stage_height = page.stage()
    image = max(page.free(0, 1, 0.8), key=lambda one: page.point(one)[1])
    page.ask("document.body.style.setProperty('--sheet', '60dvh')")
    assert page.point(image)[1] > top + 0.5 * stage_height
    page.tap(image)
    page.until("document.querySelector('aside.right').checkVisibility()")
    page.until_true(lambda: page.point(image)[1] < page.page.locator("aside.right").bounding_box()["y"])


def test_a_long_press_selects_and_draws(phone, served):
    page = phone(served.url)
    first, second = page.free(top=0.42)[-2:]  # above what the sheet will cover
    center = page.state("center")
    page.touch("touchStart", page.point(first))
    page.page.wait_for_timeout(HOLD)
    assert "Lift the finger" in page.page.inner_text(".message.shown")
    page.touch("touchEnd")
    page.until("latentmap.state.nSelected === 1")
    assert page.selected() == [first]
    assert not page.state("pinned")
    page.until("document.querySelector('.selection').checkVisibility()")
    assert "1 image selected" in page.page.inner_text(".selection")
    page.hold(second)
    page.until("latentmap.state.nSelected === 2")
    page.hold(first)
    page.until("latentmap.state.nSelected === 1")
    assert page.selected() == [second]
    x, y = page.point(first)
    page.touch("touchStart", (x - 30, y - 30))
    page.page.wait_for_timeout(HOLD)
    for dx, dy in ((30, -30), (30, 30), (-30, 30), (-30, -28)):
        page.touch("touchMove", (x + dx, y + dy))
        page.page.wait_for_timeout(60)  # moves within one frame are merged
    page.touch("touchEnd")
    page.until("latentmap.state.nSelected > 1")
    assert {first, second} <= set(page.selected())  # added
    assert page.state("zoom") == pytest.approx(0, abs=0.01)
    assert page.ask("latentmap.camera.x") == pytest.approx(center[0], rel=1e-6)
    page.shoot("phone-selection")


def test_two_taps_open_an_image_which_fingers_move_and_zoom(phone, served):
    page = phone(served.url)
    image = page.free(top=0.42)[-1]
    page.double_tap(image)
    page.until("document.querySelector('.lightbox').open && document.querySelector('.lightbox img')")
    page.until("document.querySelector('.lightbox output').textContent.startsWith('1 of')")
    box = page.page.locator(".lightbox-stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    scale = page.page.locator(".lightbox img")
    before = scale.bounding_box()["width"]
    page.touch("touchStart", (x - 40, y), (x + 40, y))
    for step in range(1, 6):
        page.touch("touchMove", (x - 40 - 16 * step, y), (x + 40 + 16 * step, y))
    page.touch("touchEnd")
    assert scale.bounding_box()["width"] == pytest.approx(3 * before, rel=0.1)
    page.page.get_by_role("button", name="Fit").tap()
    page.touch("touchStart", (x + 60, y))
    for step in range(1, 6):
        page.touch("touchMove", (x + 60 - 30 * step, y))
    page.touch("touchEnd")
    page.until("document.querySelector('.lightbox output').textContent.startsWith('2 of')")


def low_place(page: Phone) -> list[float]:
    """A place of the page where the sheet would be, near an image and on none."""
    found = page.ask(
        """(() => {
          const { camera, model } = latentmap, box = document.querySelector(".map").getBoundingClientRect();
          for (let y = innerHeight - 190; y > 0.62 * innerHeight; y -= 3) for (let x = 40; x < 350; x += 3) {
            const [mx, my] = camera.toMap(x - box.left, y - box.top);
            let least = Infinity;
            for (let row = 0; row < model.n; row++) {
              least = Math.min(least, Math.hypot(model.x[row] - mx, model.y[row] - my) * camera.scale);
            }
            const isOnSprite = latentmap.state.sprites.some((one) =>
              Math.hypot(one.at[0] - (x - box.left), one.at[1] - (y - box.top)) < 40);
            const isMap = document.elementFromPoint(x, y)?.className === "map";
            if (least > 10 && least < 18 && !isOnSprite && isMap && !latentmap.view.labels.at(x, y)) return [x, y];
          }
        })()"""
    )
    assert found is not None
    return found


def test_two_taps_low_on_the_map_zoom_there_and_one_opens_the_sheet(phone, served):
    page = phone(served.url)
    place = low_place(page)
    left, top, _, _ = page.stage()
    tapped = f"latentmap.camera.toMap({place[0] - left}, {place[1] - top})"
    before = page.ask(tapped)
    page.double_tap_at(*place)
    page.until("latentmap.state.zoom > 0.9")
    page.page.wait_for_timeout(500)
    assert page.state("zoom") == pytest.approx(1, abs=0.01)
    assert page.ask(tapped) == pytest.approx(before, abs=0.01)
    assert page.page.locator("aside.right").is_hidden()
    assert not page.state("pinned")
    page.ask("latentmap.camera.reset()")
    page.until("latentmap.state.zoom < 0.01")
    page.page.touchscreen.tap(*place)
    page.until("document.querySelector('aside.right').checkVisibility()")
    assert page.state("pinned")
    assert page.state("zoom") == pytest.approx(0, abs=0.01)


def test_two_taps_on_an_image_low_on_the_map_open_it(phone, served):
    page = phone(served.url)
    image = max(page.free(0.1, 0.9, 0.8), key=lambda one: page.point(one)[1])
    assert page.point(image)[1] > 0.62 * PHONE["height"]
    page.double_tap(image)
    page.until("document.querySelector('.lightbox').open && document.querySelector('.lightbox img')")
    assert page.ask("latentmap.model.points.id[latentmap.state.row]") == image


def test_sheets_have_a_handle_and_the_map_stays_beside_them(phone, served):
    page = phone(served.url)
    page.page.tap(".panels")
    left = "aside.left"
    start = height(page, left)
    handle = page.page.locator(f"{left} > .sheet-handle")
    box = handle.bounding_box()
    page.touch("touchStart", (195, box["y"] + 8))
    page.touch("touchMove", (195, box["y"] - 92))
    page.touch("touchEnd")
    assert height(page, left) == pytest.approx(start + 100, abs=12)
    assert page.stage()[3] > 200
    center = page.state("center")
    handle.focus()
    page.page.keyboard.press("ArrowDown")
    assert height(page, left) == pytest.approx(start + 100 - 84, abs=12)
    assert handle.get_attribute("aria-valuenow") in ("43", "44")
    assert page.ask("latentmap.camera.x") == center[0]  # the arrow key was the handle's
    page.page.select_option(".filters > select", "confidence")
    page.page.wait_for_selector(".filters fieldset")
    assert page.ask("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('aside.left'))")
    page.page.tap(f"{left} > .close-sheet")
    assert page.page.locator(left).is_hidden()
    page.page.tap(".more-button")
    page.page.tap("[data-tool=lasso]")
    assert page.page.locator(".more [data-tool=lasso]").is_hidden()  # the menu folds once something was chosen
    assert page.state("tool") == "lasso"
    page.page.tap(".search")
    assert page.page.locator(".search").bounding_box()["width"] > 250


@pytest.mark.parametrize("size", [(844, 390), (720, 450)])
def test_on_its_side_the_sheet_is_beside_the_map(phone, served, size):
    page = phone(served.url, dict(zip(("width", "height"), size, strict=True)))
    page.ask(f"latentmap.actions.goTo(latentmap.model.rowOf[{page.free(0.2, 0.9, 0.8)[0]}])")
    page.until("latentmap.state.neighbors > 0")
    sheet = page.page.locator("aside.right").bounding_box()
    left, _, width, stage_height = page.stage()
    assert sheet["x"] >= left + width - 1
    assert stage_height > 0.8 * size[1]
    assert width > 0.5 * size[0]
    assert page.ask("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('aside.right'))")
    page.shoot(f"landscape-{size[0]}")


def test_labels_are_whole_on_a_phone(phone, served):
    page = phone(served.url)
    boxes = page.ask(
        "[...document.querySelectorAll('.label')].map((e) => e.getBoundingClientRect()).map((b) => [b.left, b.right])"
    )
    assert len(boxes) > 3
    assert all(left >= 0 and right <= PHONE["width"] for left, right in boxes)


@pytest.mark.parametrize(("theme", "language"), [("dark", "en"), ("light", "ko")])
def test_everybody_can_use_it_on_a_phone(phone, served, theme, language):
    page = phone(f"{served.url}&theme={theme}&lang={language}")

    def check(name: str) -> None:
        found = Axe().run(page.page, options={"rules": {"target-size": {"enabled": True}}}).response["violations"]
        assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == [], name
        small = page.ask(
            f"""[...document.querySelectorAll('button, select, summary')].filter((e) => e.checkVisibility())
            .map((e) => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])
            .filter(([, box]) => box.width && Math.min(box.width, box.height) < {MIN_TARGET}).map(([name]) => name)"""
        )
        assert small == [], name
        assert page.ask("document.documentElement.scrollWidth <= innerWidth"), name

    page.tap(page.free(top=0.42)[-1])
    page.until("latentmap.state.neighbors > 0")
    check("image")
    page.page.tap(".panels")
    check("groups")
    page.page.keyboard.press("Escape")
    page.page.tap(".more-button")
    page.page.tap(".menu summary")
    check("menu")
    page.page.tap(".help")
    check("keys")
    page.page.keyboard.press("Escape")
    page.page.tap(".grid-button")
    page.page.wait_for_selector(".cell img[src]")
    check("grid")
    page.shoot(f"phone-grid-{theme}-{language}")
    page.page.tap(".close-grid")
    page.page.focus(".map")
    page.page.keyboard.press("Enter")
    page.until("document.querySelector('.lightbox').open && document.querySelector('.lightbox img')")
    check("full size")
    page.shoot(f"phone-full-size-{theme}-{language}")
