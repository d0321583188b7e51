"""Exports of the page: issues with what was decided on them, and images for training, as a folder and a zip file."""

import csv
import io
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from browser.conftest import HUES, Page, Served, serve
from latentmap.run import Run

N = 91


@pytest.fixture(scope="module")
def colored(colors, tmp_path_factory) -> Iterator[Served]:
    """An explorer of a copy of the images in colour."""
    found = serve(Path(shutil.copytree(colors, tmp_path_factory.mktemp("colored") / "run")))
    yield found
    found.stop()


def downloaded(page: Page, button: str) -> bytes:
    with page.page.expect_download() as found:
        page.page.click(button)
    return Path(found.value.path()).read_bytes()


def test_accepted_issues_are_exported_and_all_other_images_for_training(look, colored):
    from axe_playwright_python.sync_playwright import Axe

    page = look(colored.url)
    page.page.click(".select-all-accepted")
    page.until("document.querySelector('.kept').textContent.startsWith('No issue is accepted yet')")
    copies = sorted(Run.open(colored.run).issues()["id"].to_pylist())
    assert len(copies) == 3
    page.page.keyboard.press("g")
    page.page.wait_for_selector(".cell img[src]")
    page.page.select_option(".grid-bar .scope", label="exact duplicates (3)")
    page.until("document.querySelectorAll('.cell').length === 3")
    page.page.click(".cell >> nth=0")
    for key, left in (("a", 2), ("d", 1), ("a", 0)):
        page.page.keyboard.press(key)
        page.until(f"document.querySelectorAll('.cell').length === {left}")
    verdicts = dict(zip(copies, ("accepted", "dismissed", "accepted"), strict=True))
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "[data-export=issues-csv]").decode())))
    assert {int(row["id"]): row["verdict"] for row in rows} == verdicts
    assert all(row["path"] and row["related_path"] for row in rows)
    table = pq.read_table(io.BytesIO(downloaded(page, "[data-export=issues-parquet]")))
    assert dict(zip(table["id"].to_pylist(), table["verdict"].to_pylist(), strict=True)) == verdicts

    # what was accepted is selected, and all other images are exported
    page.page.click(".select-all-accepted")
    page.until("latentmap.state.nSelected === 2")
    bad = [copies[0], copies[2]]
    assert sorted(page.ask("latentmap.model.idsOf(latentmap.model.selectedRows())")) == bad
    page.page.locator(".scopes label", has_text="the other 89").click()
    page.page.click(".for-training summary")
    page.page.select_option("[aria-label=Classes]", "label")
    page.page.fill(".splits", "train=0.5")
    page.page.click("[data-export=dataset]")
    page.until("document.querySelector('.kept').textContent.includes('the fractions sum to 0.5, not 1')")
    page.page.fill(".splits", "train=0.75,val=0.25")
    assert page.page.inner_text("[data-export=dataset]") == "ImageFolder: the other 89"
    page.page.click("[data-export=dataset]")
    page.page.wait_for_selector(".download-zip")
    assert "89 copies of original files" in page.page.inner_text(".kept")
    assert [one["id"] for one in Axe().run(page.page).response["violations"]] == []
    page.shoot("exports-training")
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, ".download-zip")))
    (folder,) = {name.split("/")[0] for name in archive.namelist()}
    files = {
        path.relative_to(colored.run / "exports").as_posix(): path
        for path in (colored.run / "exports" / folder).rglob("*")
        if path.is_file()
    }
    assert {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")} == {
        name: path.read_bytes() for name, path in files.items()
    }
    labels = Run.open(colored.run).atlas()["label"].to_pylist()
    pictures = {int(path.name.split("-")[0]): path for path in files.values() if path.suffix == ".png"}
    assert sorted(pictures) == [i for i in range(N) if i not in bad]
    assert all(path.parent.name == labels[i] for i, path in pictures.items())
    parts = Counter((path.parent.parent.name, path.parent.name) for path in pictures.values())
    assert {hue for part, hue in parts if part == "train"} == {hue for part, hue in parts if part == "val"} == set(HUES)
    assert np.asarray(Image.open(pictures[0])).shape == (16, 16, 3)


def test_the_page_is_korean_too(look, colored):
    page = look(f"{colored.url}&lang=ko")
    page.page.click(".for-training summary")
    page.page.select_option("[aria-label='형식']", "yolo")
    assert page.page.get_attribute(".splits", "placeholder") == "train=0.8,val=0.2"
    assert page.page.inner_text("[data-export=dataset]") == f"YOLO: 전체 {N}개"
    page.page.locator(".exports").scroll_into_view_if_needed()
    page.shoot("exports-korean")
