"""How a page gets in, and what it says when it does not."""

import shutil
import signal
import urllib.error
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Error

from browser.conftest import Page, serve
from latentmap.explorer import Explorer


def wait_for_map(page: Page) -> None:
    def is_shown() -> bool:
        try:
            return bool(page.ask("window.latentmap && latentmap.state.nSprites > 0"))
        except Error:  # the page is being loaded anew
            return False

    page.until_true(is_shown)


@pytest.fixture
def plain(chromium):
    """A page that is opened without waiting for the map."""
    context = chromium.new_context(viewport={"width": 1200, "height": 800})
    yield Page(context.new_page())
    context.close()


def test_without_a_token_the_page_says_how_to_get_in_and_takes_the_address(plain, served):
    base, _, token = served.url.partition("#token=")
    plain.page.goto(base)
    entrance = plain.page.locator(".entrance")
    entrance.wait_for()
    assert "Open the complete address that `latentmap explore` printed" in entrance.inner_text()
    plain.page.fill(".entrance input", "wrong")
    plain.page.keyboard.press("Enter")
    plain.page.get_by_text("rejected the token of this page").wait_for()
    plain.page.fill(".entrance input", f"  {served.url} ")
    plain.page.keyboard.press("Enter")
    wait_for_map(plain)
    plain.page.reload()  # the tab keeps it
    wait_for_map(plain)
    assert token not in plain.page.url


def test_the_printed_address_opens_in_a_tab_that_is_at_the_page_already(plain, served):
    plain.page.goto(served.url.partition("#")[0])
    plain.page.locator(".entrance").wait_for()
    plain.page.goto(served.url)  # for the browser another place of the same page
    wait_for_map(plain)


def test_the_token_is_in_no_request_line_and_no_address(plain, served):
    _, _, token = served.url.partition("#token=")
    asked = []
    plain.page.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - it takes functions of Python only
    plain.page.goto(f"{served.url}&z=1.5&x=0&y=0")
    wait_for_map(plain)
    assert len(asked) > 3
    assert not [one.url for one in asked if token in one.url.partition("#")[0]]  # what follows the # is not sent
    assert not [one for one in asked if token in one.headers.get("referer", "")]
    assert token not in plain.page.url
    assert "z=" in plain.page.url


def test_a_server_that_starts_again_is_found_again(plain, made, tmp_path):
    run = Path(shutil.copytree(made, tmp_path / "digits"))
    first = serve(run)
    plain.open(first.url)
    port = int(first.url.split(":")[2].partition("/")[0])
    first.stop(signal.SIGKILL)
    banner = plain.page.locator(".connection")
    plain.page.get_by_text("The explorer does not answer").first.wait_for(timeout=20_000)
    second = serve(run, port)
    assert second.url == first.url  # the token is the run's
    banner.wait_for(state="hidden", timeout=20_000)
    field = plain.page.locator(".groups li[data-group='0'] input")
    field.fill("after")
    field.press("Enter")
    plain.until("latentmap.state.revision === 1")
    second.stop()


def test_pictures_come_with_the_token(plain, served):
    with pytest.raises(urllib.error.HTTPError, match="401"):
        browser = {"User-Agent": "Mozilla/5.0"}
        urllib.request.urlopen(urllib.request.Request(f"{served.url.partition('#')[0]}api/images/1", headers=browser))
    plain.open(served.url)
    image = plain.state("sprites")[0]["id"]
    plain.page.mouse.click(*plain.point(image))
    plain.page.wait_for_selector("img[src^='blob:']")
    plain.until("[...document.images].every(image => image.naturalWidth > 0)")


def test_the_printed_address_gives_a_cookie_that_reloads_and_other_tabs_use(look, served):
    token = served.url.partition("#token=")[2]
    page = look(served.url)
    context = page.page.context
    (cookie,) = context.cookies()
    assert cookie["name"].startswith(f"latentmap-{served.url.split(':')[2].partition('/')[0]}-")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/", False)
    assert token not in cookie["value"]
    assert token not in page.page.url
    assert token not in page.ask("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
    page.open(page.page.url)
    page.page.reload()
    wait_for_map(page)
    assert look(served.url.partition("#")[0]).state("nSprites") > 0  # a second tab
    context.clear_cookies()
    page.page.reload()
    page.page.locator(".entrance").wait_for()


def test_a_frame_of_a_notebook_sends_the_token_where_no_cookie_is_kept(plain, made, tmp_path):
    explorer = Explorer(Path(shutil.copytree(made, tmp_path / "digits")))
    page = plain.page
    (tmp_path / "lab.html").write_text(explorer._repr_html_())
    notebook = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    Thread(target=notebook.serve_forever, daemon=True).start()
    page.goto(f"http://localhost:{notebook.server_port}/lab.html")  # for the browser another site than 127.0.0.1

    def is_shown() -> bool:
        try:
            return bool(page.frames[1].evaluate("window.latentmap && latentmap.state.nSprites > 0"))
        except Error:  # the frame is being loaded anew
            return False

    plain.until_true(is_shown)
    assert page.context.cookies(f"http://127.0.0.1:{explorer.port}") == []
    page.close()
    notebook.shutdown()
    explorer.close()


EDITING = [".undo", ".exports", ".label-form", "[data-act=split]", ".labels input", "[data-mark]"]


def test_readers_see_the_map_and_no_controls_that_change_it(look, served):
    page = look(served.readers)
    page.box()
    page.until("latentmap.state.nSelected > 0")
    assert [one for one in EDITING if page.page.locator(one).count()] == []
    assert page.page.locator(".groups li input:not([disabled])").count() == 0
    page.page.keyboard.press("Control+z")
    page.shoot("reader")
    assert page.ask("fetch('api/spread', {method: 'POST'}).then((answer) => answer.status)") == 403
    writer = look(served.url)
    writer.box()
    writer.until("latentmap.state.nSelected > 0")
    assert [one for one in EDITING[:3] if not writer.page.locator(one).count()] == []


def test_a_read_only_explorer_shows_no_editing_to_anyone(look, made):
    found = serve(made, 0, "--read-only")
    page = look(found.url)
    page.box()
    page.until("latentmap.state.nSelected > 0")
    assert [one for one in EDITING if page.page.locator(one).count()] == []
    page.page.close()
    found.stop()


def test_an_open_explorer_needs_no_token(look, made, tmp_path):
    found = serve(Path(shutil.copytree(made, tmp_path / "digits")), 0, "--no-token")
    page = look(found.url)
    assert "#token" not in found.url
    field = page.page.locator(".groups li[data-group='0'] input")
    field.fill("open")
    field.press("Enter")
    page.until("latentmap.state.revision === 1")
    page.page.close()
    found.stop()
