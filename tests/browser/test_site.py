"""The explorer as static files, served by a plain file server below a prefix."""

import base64
import functools
import gzip
import http.server
import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser.conftest import Page
from latentmap.autoencoder.generation import interpolate
from latentmap.explorer import export_site, site_decoder, site_facts, site_tables
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.channel_mixing import current_mixing
from latentmap.images.mixing import as_picture
from latentmap.run import RunOptions, make_run
from latentmap.run.edits import Journal

N = 600


@pytest.fixture(scope="module")
def bars(tmp_path_factory) -> Path:
    """A run of pictures of bars, with a label and a number each, and a named group."""
    random = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("source")
    rows = ["path,label,weight"]
    for i in range(N):
        image = random.integers(0, 60, (12, 12, 3), dtype=np.uint8)
        image[3 * (i % 4) : 3 * (i % 4) + 3, :, i % 3] += 180
        Image.fromarray(image).save(folder / f"bar {i:03d}.png")
        rows.append(f"bar {i:03d}.png,{'low' if i % 4 else 'high'},{i}")
    (folder / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    path = tmp_path_factory.mktemp("finished") / "bars"
    make_run(folder / "table.csv", path, RunOptions(epochs=1, latent_dim=6, n_clusters=3, perplexity=8.0))
    journal = Journal(path)
    journal.add({"kind": "name", "group": journal.edited().groups[0].number, "name": "Horizon"}, 0)
    return path


@pytest.fixture(scope="module")
def file_server(tmp_path_factory) -> Iterator[Callable[[str], str]]:
    """A folder for sites, and its server, which says which paths were asked for."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    root = tmp_path_factory.mktemp("www")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def address(name: str) -> str:
        return f"http://127.0.0.1:{server.server_port}/{name}/"

    address.root = root  # type: ignore[attr-defined]
    yield address
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def site(bars, file_server) -> str:
    export_site(bars, file_server.root / "maps" / "all", decoder=True)
    return file_server("maps/all")


@pytest.fixture(scope="module")
def channels(tmp_path_factory) -> Path:
    """A run of given vectors with a decoder to images of two channels of 16 bits."""
    random = np.random.default_rng(2)
    images = random.integers(0, 60_000, (60, 10, 8, 2)).astype(np.uint16)
    path = tmp_path_factory.mktemp("channels") / "run"
    options = RunOptions(epochs=1, decoder=True, network="conv", perplexity=5.0, n_clusters=2, groups="kmeans")
    make_run(images, path, options, vectors=random.normal(size=(60, 5)).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def tiled(bars, file_server) -> str:
    """A site whose points do not all fit into the page: an even sample of 128, and six tiles of 64."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (site_tables, site_facts):
            patch.setattr(module, "N_ROWS", 64)
            patch.setattr(module, "N_ROWS_OF_TEXT", 32)
        patch.setattr(site_facts, "MAX_LOADED", 300)
        patch.setattr(site_facts, "MAX_SAMPLE", 128)
        patch.setattr(site_facts, "N_TILES", 6)
        patch.setattr(site_decoder, "N_BYTES_OF_LATENTS", 2**10)
        export_site(bars, file_server.root / "maps" / "tiled", decoder=True)
    return file_server("maps/tiled")


def opened(look, url: str) -> tuple[Page, list[str]]:
    """A page, and the addresses that it asks for from now on."""
    page = look(f"{url}#theme=dark")
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url))
    page.page.reload()
    page.until("window.latentmap && latentmap.state.nSprites > 0")
    return page, asked


def test_a_site_below_a_prefix_shows_the_map_and_asks_for_its_own_files_only(look, site, bars):
    page, asked = opened(look, site)
    page.until("performance.getEntriesByName('all-rows').length > 0")
    assert page.ask("latentmap.model.nPresent") == N
    assert page.page.locator(".site-loading").is_hidden()
    page.until("document.querySelectorAll('.label').length > 0")
    assert page.page.locator(".group-list input").first.input_value() == "Horizon"
    assert page.page.locator(".group-list input").first.is_disabled()
    assert str(N) in page.page.locator(".page-header .count").inner_text()
    page.shoot("site")
    assert asked
    assert [url for url in asked if not url.startswith((site, "blob:", "data:"))] == []
    assert page.page.locator("[data-tool=decode]").count() == 1
    assert [url for url in asked if "/decoder/" in url or "/latents/" in url] == []  # loaded when it is first used


def pixels_of(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


def decoded(page: Page, places: list[list[float]]) -> np.ndarray:
    """The images that the page draws at places of the map, side by side."""
    url = page.ask(
        f"""latentmap.decoder.decoder.along({places}, "png").then((file) => new Promise((resolve) => {{
            const reader = new FileReader();
            reader.onload = () => resolve(reader.result);
            reader.readAsDataURL(file);
        }}))"""
    )
    return pixels_of(base64.b64decode(url.split(",")[1]))


def by_server(run: Path, places: list[list[float]]) -> np.ndarray:
    """The images that the server of a run draws at places of the map, side by side."""
    data = AtlasView(run)
    return as_shown(data, data.decode(np.array(places)))


def as_shown(data: AtlasView, images: np.ndarray) -> np.ndarray:
    return np.concatenate(list(as_picture(images, current_mixing(data))), axis=1).astype(int)


def some_places(run: Path, n: int) -> list[list[float]]:
    """Places within the map and outside of it, and one of an image."""
    data = AtlasView(run)
    left, bottom, side = data.square
    random = np.random.default_rng(5)
    places = [left, bottom] + side * random.uniform(-0.1, 1.1, (n - 1, 2))
    return [*places.tolist(), data.xy[7].astype(float).tolist()]


def test_the_decoder_of_a_site_draws_what_the_server_draws(look, site, bars):
    page, asked = opened(look, site)
    page.until("performance.getEntriesByName('all-rows').length > 0")
    page.page.click("[data-tool=decode]")
    left, top, width, height = page.stage()
    at = (width / 2 - 40, height / 2 + 30)
    page.page.mouse.move(left + at[0], top + at[1])
    page.until("latentmap.decoder.times.length > 0")
    assert "ms" in page.page.locator(".preview small").inner_text()
    x, y = page.ask(f"latentmap.camera.toMap({at[0]}, {at[1]})")
    drawn = page.page.evaluate(
        """() => { const canvas = document.querySelector(".preview canvas");
            return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]; }"""
    )
    expected = by_server(bars, [[x, y]])
    assert np.abs(np.array(drawn).reshape(12, 12, 4)[..., :3] - expected).max() <= 1
    assert expected.std() > 2
    loaded = {url.rsplit("/", 1)[1] for url in asked if "/decoder/" in url}
    assert {"onnxruntime.js", "onnxruntime.bin", "network.bin"} <= loaded
    page.shoot("site-decoder")
    places = some_places(bars, 12)
    assert np.abs(decoded(page, places) - by_server(bars, places)).max() <= 1
    page.ask("latentmap.decoder.interpolate(latentmap.model.rowOf[3], latentmap.model.rowOf[90])")
    page.until("document.querySelector('.strip-picture')?.naturalWidth === 16 * 12")
    assert page.page.locator(".decoded [data-format]").all_inner_texts() == ["PNG"]
    with page.page.expect_download() as download:
        page.page.click(".decoded [data-format=png]")
    data = AtlasView(bars)
    expected = as_shown(data, data.draw(interpolate(data.latents[3], data.latents[90], 16)))
    assert np.abs(pixels_of(Path(download.value.path()).read_bytes()) - expected).max() <= 1
    page.shoot("site-interpolation")


def test_channels_and_given_vectors_are_decoded_alike(look, channels, file_server):
    export_site(channels, file_server.root / "channels", decoder=True)
    page, _ = opened(look, file_server("channels"))
    page.until("performance.getEntriesByName('all-rows').length > 0")
    places = some_places(channels, 6)
    expected = by_server(channels, places)
    assert expected.std() > 2
    assert np.abs(decoded(page, places) - expected).max() <= 1


def test_of_very_many_images_those_in_view_are_decoded_from(look, tiled, bars):
    page, _ = opened(look, tiled)
    page.until("performance.getEntriesByName('all-rows').length > 0")
    assert page.ask("latentmap.model.nPresent") == 128
    place = AtlasView(bars).xy[-1].astype(float).tolist()
    expected = by_server(bars, [place])
    assert np.abs(decoded(page, [place]) - expected).max() > 1
    page.ask(f"latentmap.camera.set({place[0]}, {place[1]}, 7)")  # so near that there is room for all tiles in view
    page.until_true(lambda: np.abs(decoded(page, [place]) - expected).max() <= 1)


def test_a_decoder_that_cannot_be_loaded_is_reported_and_tried_again(site, file_server, chromium):
    broken = Path(shutil.copytree(file_server.root / "maps" / "all", file_server.root / "no-decoder"))
    network = broken / "data" / "decoder" / "network.bin"
    kept = network.rename(network.with_name("kept"))
    page = Page(chromium.new_page())
    page.open(file_server("no-decoder"))
    page.page.click("[data-tool=decode]")
    left, top, width, height = page.stage()
    page.page.mouse.move(left + width / 2, top + height / 2)
    page.page.get_by_text("network.bin could not be loaded (404").wait_for()
    network.write_bytes(gzip.compress(b"no network"))
    page.page.mouse.move(left + width / 2 + 9, top + height / 2)
    page.page.get_by_text("The decoder could not be loaded or run.").wait_for()
    kept.replace(network)
    os.utime(network, (time.time() + 60, time.time() + 60))  # or else the file server takes it for the other one
    page.page.mouse.move(left + width / 2 + 20, top + height / 2)
    page.until("latentmap.decoder.times.length > 0")
    page.page.close()


def test_an_image_of_a_site_has_its_neighbours_and_its_columns(look, site, bars):
    page, _ = opened(look, site)
    page.until("performance.getEntriesByName('all-rows').length > 0")
    sprite = page.ask("latentmap.state.sprites[latentmap.state.sprites.length - 1]")
    left, top, _, _ = page.stage()
    page.page.mouse.move(left + sprite["at"][0], top + sprite["at"][1])
    page.until("latentmap.state.row >= 0 && latentmap.state.neighbors > 0")
    image = page.ask("latentmap.model.points.id[latentmap.state.row]")
    shown = page.ask("latentmap.inspector.neighbors.map((row) => latentmap.model.points.id[row])")
    assert shown == [one["id"] for one in AtlasView(bars).neighbors(image, 8)]
    page.until("document.querySelector('.inspector .facts').textContent.includes('bar')")
    facts = page.page.locator(".inspector .facts").inner_text()
    assert f"bar {image:03d}.png" in facts
    assert ("low" if image % 4 else "high") in facts
    page.shoot("site-image")


def test_a_site_is_searched_filtered_and_coloured(look, site):
    page, _ = opened(look, site)
    page.page.fill(".search", "BAR 01")
    page.page.keyboard.press("Enter")
    page.until("latentmap.state.nVisible === 10")
    page.page.fill(".search", "high")  # a label
    page.page.keyboard.press("Enter")
    page.until(f"latentmap.state.nVisible === {N // 4}")
    page.page.fill(".search", "")
    page.page.keyboard.press("Enter")
    page.until(f"latentmap.state.nVisible === {N}")
    page.ask("latentmap.model.setFilter('weight', { low: 100, high: 199 })")
    page.until("latentmap.state.nVisible === 100")
    page.page.select_option("select.color", "label")
    page.until("latentmap.state.colorBy === 'label' && document.querySelector('.legend').textContent.includes('low')")
    page.shoot("site-filtered")


def test_the_grid_of_a_site_has_the_rows_that_are_loaded(look, tiled, bars):
    page, _ = opened(look, tiled)
    page.page.keyboard.press("g")
    page.page.wait_for_selector(".cell canvas")
    page.until("performance.getEntriesByName('all-rows').length > 0")
    page.page.select_option(".grid-bar .scope", "visible")
    page.until("document.querySelector('.grid-count').textContent === '128 images'")
    page.page.select_option(".grid-bar .sort", "weight")
    page.until("latentmap.model.loaded('weight') !== null")
    images = "[...document.querySelectorAll('.cell')].map((one) => Number(one.dataset.image))"
    page.until(
        f"{images}.length > 10 && {images}.every((one, i, all) => !i || all[i - 1] < one)"
    )  # the weight is the number
    # a place that few tiles have: those in view are only loaded if there is room for all of them
    left, bottom, right, top = np.array(page.ask("latentmap.model.facts.site.boxes"))[2:].T
    places = AtlasView(bars).xy[128:]  # in zoom order, in which the sample comes first
    inside = [((left <= x) & (x <= right) & (bottom <= y) & (y <= top)).sum() for x, y in places]
    x, y = places[np.argmin(inside)].tolist()
    page.ask(f"latentmap.camera.set({x}, {y}, 7)")
    page.until("latentmap.model.nPresent > 128")
    page.until("document.querySelector('.grid-count').textContent === `${latentmap.model.nPresent} images`")


def test_a_link_to_an_image_of_a_site_opens_it(look, site):
    page = look(f"{site}#image=577")
    page.until("latentmap.state.pinned && latentmap.model.points.id[latentmap.state.row] === 577")


def test_of_very_many_images_a_sample_is_loaded_and_those_in_view_when_zoomed_in(look, tiled, bars):
    page, _ = opened(look, tiled)
    page.until("performance.getEntriesByName('all-rows').length > 0")
    page.until("document.querySelector('.site-loading').textContent.includes('of 600 images are here')")
    before = page.ask("latentmap.model.nPresent")
    assert before == 128
    sizes = page.ask("latentmap.model.edits.groups.reduce((sum, one) => sum + one.size, 0)")
    assert sizes > 400  # of all images, not of those that are here
    seen = set()
    for x, y in AtlasView(bars).xy[-5:].tolist():
        page.ask(f"latentmap.camera.set({x}, {y}, 5)")
        page.page.wait_for_timeout(700)
        rows = page.ask("Array.from(latentmap.model.points.id)")
        found = [image for image in rows if image >= 0]
        assert len(set(found)) == len(found) == page.ask("latentmap.model.nPresent") <= 128 + 6 * 64
        assert page.ask(f"{found}.every((id) => latentmap.model.points.id[latentmap.model.rowOf[id]] === id)")
        seen |= set(found)
    assert len(seen) > 200
    page.shoot("site-tiled")


def test_an_image_that_is_not_here_is_found_by_a_link_and_by_a_search(look, tiled, bars):
    data = AtlasView(bars)
    far = int(data.order[-1])
    page = look(f"{tiled}#image={far}")
    page.until(f"latentmap.state.pinned && latentmap.model.points.id[latentmap.state.row] === {far}")
    page.until("latentmap.state.neighbors > 3")  # those in more tiles than there is room for are left out
    shown = page.ask("latentmap.inspector.neighbors.map((row) => latentmap.model.points.id[row])")
    assert set(shown) <= {one["id"] for one in data.neighbors(far, 8)}
    page.page.fill(".search", f"bar {int(data.order[-200]):03d}")
    page.page.keyboard.press("Enter")
    page.until("latentmap.state.nVisible === 1")
    row = page.ask("latentmap.state.row")
    assert page.ask(f"latentmap.model.points.id[{row}]") == int(data.order[-200])


def test_a_site_with_a_missing_file_says_so(site, file_server, chromium):
    broken = shutil.copytree(file_server.root / "maps" / "all", file_server.root / "broken")
    (broken / "data" / "points" / "00000.bin").unlink()
    page = chromium.new_page()
    page.goto(file_server("broken"))
    page.get_by_text("points/00000.bin could not be loaded (404").wait_for()
    page.close()
