"""Several people at one run: they see what the others do, who did it, and conflicts, which can be repeated."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser.conftest import SHOTS, Page, Served, serve
from latentmap.run.edits import Journal


@pytest.fixture(scope="module")
def explorers(made, tmp_path_factory) -> Iterator[tuple[Served, Served]]:
    """Two explorers of one run, of two users."""
    run = Path(shutil.copytree(made, tmp_path_factory.mktemp("together") / "digits"))
    found = serve(run, 0, "--user", "ann"), serve(run, 0, "--user", "bob")
    yield found
    for one in found:
        one.stop()


@pytest.fixture
def pages(look, explorers) -> tuple[Page, Page]:
    return look(explorers[0].url), look(explorers[1].url)


def rename(page: Page, group: int, name: str) -> None:
    field = page.page.locator(f".groups li[data-group='{group}'] input[type=text]").first
    field.fill(name)
    field.press("Enter")


def shown(page: Page, group: int) -> str:
    return page.page.locator(f".groups li[data-group='{group}'] input[type=text]").first.input_value()


def history(page: Page) -> list[str]:
    page.ask("document.querySelector('.history details').open = true")
    return page.page.locator(".history li").all_inner_texts()


def test_edits_of_another_explorer_are_seen_within_a_second_with_their_author(pages):
    ann, bob = pages
    bob.until("performance.getEntriesByType('resource').length > 0")
    time.sleep(1)  # the streams are open
    rename(ann, 0, "round")
    ann.until("document.querySelector('.message').textContent.includes('Saved')")
    begin = time.monotonic()
    bob.until("document.querySelector(\".groups li[data-group='0'] input\").value === 'round'", 10)
    assert time.monotonic() - begin < 1.5
    bob.until("document.querySelectorAll('.history li').length > 0")
    assert "ann named group 0 “round”" in history(bob)[0]
    # undo is about own edits
    assert bob.page.locator(".groups .undo").is_disabled()
    rename(bob, 1, "thin")
    ann.until("document.querySelector(\".groups li[data-group='1'] input\").value === 'thin'", 10)
    ann.page.click(".groups .undo")
    bob.until("document.querySelector(\".groups li[data-group='0'] input\").value === ''", 10)
    assert (shown(ann, 1), shown(bob, 1)) == ("thin", "thin")
    bob.until("document.querySelectorAll('.history li').length === 3")
    assert [line.split()[0] for line in history(bob)] == ["ann", "bob", "ann"]
    assert "not in effect" in history(bob)[2]
    SHOTS.mkdir(parents=True, exist_ok=True)
    bob.page.screenshot(path=SHOTS / "together-history.png")


def test_a_conflict_says_who_changed_what_and_offers_to_repeat(pages, explorers):
    ann, bob = pages
    # bob's page hears of nothing meanwhile
    bob.page.route("**/api/events", lambda route: route.abort())
    bob.page.route("**/api/edits", lambda route: route.abort() if route.request.method == "GET" else route.continue_())
    bob.page.reload()
    bob.until("window.latentmap && latentmap.state.nSprites > 0")
    rename(ann, 2, "ann's name")
    ann.until("document.querySelector('.message').textContent.includes('Saved')")
    rename(bob, 2, "bob's name")
    bob.until("document.querySelector('.message').textContent.includes('was not saved')")
    text = bob.page.inner_text(".message")
    assert "ann" in text
    assert "“ann's name”" in text
    assert "“bob's name”" in text
    SHOTS.mkdir(parents=True, exist_ok=True)
    bob.page.wait_for_timeout(400)
    bob.page.screenshot(path=SHOTS / "together-conflict.png")
    assert {one.number: one.name for one in Journal(explorers[0].run).edited().groups}[2] == "ann's name"
    bob.page.unroute("**/api/edits")
    bob.ask("latentmap.editor.refresh()")
    bob.until('document.querySelector(".groups li[data-group=\'2\'] input").value === "ann\'s name"')
    bob.page.click(".message button")
    ann.until('document.querySelector(".groups li[data-group=\'2\'] input").value === "bob\'s name"', 10)
    bob.errors.clear()  # the browser reports the requests that were kept from it


def test_without_a_stream_the_page_asks_every_few_seconds(pages):
    ann, bob = pages
    bob.page.route("**/api/events", lambda route: route.abort())
    bob.page.reload()
    bob.until("window.latentmap && latentmap.state.nSprites > 0")
    rename(ann, 3, "seen later")
    assert not bob.page.locator(".connection").is_visible()  # the server does answer
    bob.until("document.querySelector(\".groups li[data-group='3'] input\").value === 'seen later'", 10)
    bob.errors.clear()


def test_a_page_may_have_a_name_of_its_own(pages, explorers):
    ann, _ = pages
    history(ann)
    field = ann.page.locator(".history input.user")
    assert field.input_value() == "ann"
    field.fill("cleo")
    field.press("Enter")
    ann.until("latentmap.editor.user === 'cleo'")
    rename(ann, 0, "cleo's")
    ann.until("document.querySelector('.history li').textContent.startsWith('cleo')")
    assert Journal(explorers[0].run).history()[0]["user"] == "cleo"


def test_hidden_pages_keep_no_stream(pages):
    ann, _ = pages
    ann.until("latentmap.editor.live.isLive", 10)
    ann.ask("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    ann.ask("document.dispatchEvent(new Event('visibilitychange'))")
    ann.until("latentmap.editor.live.stream === null")
    ann.ask("Object.defineProperty(document, 'visibilityState', {value: 'visible', configurable: true})")
    ann.ask("document.dispatchEvent(new Event('visibilitychange'))")
    ann.until("latentmap.editor.live.isLive", 10)
