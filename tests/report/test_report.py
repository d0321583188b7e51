"""The report: results first, numbers that mean something, grammar by number, and a command that makes the run again."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from latentmap import map_images
from latentmap.report import page as report
from latentmap.report import report_data
from latentmap.report.report_data import ReportData
from latentmap.run import RunOptions


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of six images in one group, two of them without a label, beside a file that is broken."""
    folder = tmp_path_factory.mktemp("source")
    random = np.random.default_rng(0)
    lines = ["path,label"]
    for i in range(6):
        Image.fromarray(random.integers(0, 255, (6, 6), np.uint8)).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{'<b>$</b>' if i < 4 else ''}")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    lines.append("broken.png,<b>$</b>")
    (folder / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    run = map_images(folder / "images.csv", folder / "run", epochs=1, latent_dim=1, quiet=True)
    return re.sub(r'src="data:[^"]*"', "", (run.path / "report.html").read_text(encoding="utf-8"))


def words(page):
    """What a reader sees, with single spaces."""
    text = re.sub(r"<style>.*?</style>|<title>.*?</title>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


def test_results_come_before_how_they_were_made_and_what_was_skipped(page):
    found = re.findall(r'<h2 id="([\w-]+)"', page)
    assert found == [
        *("groups", "next", "group-details", "labels", "errors", "duplicates", "outliers", "decoder"),
        *("training", "quality", "provenance", "skipped"),
    ]
    assert page.index('alt="the map') < page.index('id="groups"')
    assert "latentmap explore " in page[page.index('id="next"') : page.index('id="group-details"')]


def test_issues_are_counted_and_shown(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8)
    images[3] = 90
    run = map_images(images, tmp_path / "run", epochs=1, latent_dim=1, quiet=True)
    text = words((run.path / "report.html").read_text(encoding="utf-8"))
    assert "The audit found low contrast (1) beside duplicates and outliers." in text
    assert "figures/issues.png" in run.stages["report"]["files"]


@pytest.mark.parametrize(("kept", "has_samples"), [(1.0, True), (0.8, True), (0.7, False), (0.0, False)])
def test_samples_are_shown_where_the_network_draws_the_detail_of_the_images(kept, has_samples):
    images = np.random.default_rng(0).integers(0, 255, (450, 5, 4, 3), np.uint8)
    model = SimpleNamespace(reconstruct=lambda some: 0.3 + kept * some / 255)
    facts = {"has_vectors": False, "has_decoder": True}
    run = SimpleNamespace(images=lambda: SimpleNamespace(images=images), model=lambda: model, **facts)
    assert ReportData(run).detail == pytest.approx(kept, abs=1e-6)
    assert ReportData(run).has_samples == has_samples


@pytest.mark.parametrize(("least", "is_shown"), [(0.0, True), (99.0, False)])
def test_samples_that_would_be_smears_are_left_out_with_a_sentence(least, is_shown, tmp_path, monkeypatch):
    monkeypatch.setattr(report_data, "MIN_DETAIL", least)
    images = np.random.default_rng(0).integers(0, 255, (8, 6, 6), np.uint8)
    run = map_images(images, tmp_path / "run", epochs=1, latent_dim=2, quiet=True)
    text = (run.path / "report.html").read_text(encoding="utf-8")
    assert ("pictures of latent vectors drawn at random" in text) == is_shown
    assert ("Samples are left out: the network draws these images with" in words(text)) != is_shown
    assert (run.path / "figures" / "samples.png").exists() == is_shown


def test_skipped_files_are_folded_and_counted_by_reason(page):
    folded = page[page.index('id="skipped"') :]
    assert "<details><summary>1 file could not be decoded." in folded
    assert re.search(r"<h3>[^<]+: 1 file</h3>", folded)
    assert "<code>broken.png</code>" in folded


def test_grammar_follows_the_number(page):
    text = words(page)
    assert not re.search(
        r"\b1 (images|groups|files|duplicates|outliers|epochs|threads|numbers|labels|parameters)\b", text
    )
    prose = words(re.sub(r"<(pre|code)>.*?</\1>", "", page, flags=re.DOTALL))
    assert not re.search(r"[a-z]{2}\.[A-Z]", prose), "sentences without a space between them"
    assert "in 1 group." in text
    assert "for 1 epoch," in text


def test_one_group_is_said_plainly_and_compared_with_nothing(page):
    text = words(page)
    assert "All images form one group of 6 images." in text
    assert "--n-clusters 8" in text
    assert "With one group there is nothing to compare with labels." in text
    quality = page[page.index('id="quality"') : page.index('id="provenance"')]
    assert "K-means" not in quality
    assert "Clustering accuracy" not in quality


def test_labels_are_counted_without_the_missing_ones_and_escaped(page):
    assert "4 images of 6 have a label, with 1 different label." in words(page)
    assert "<b>$</b>" not in page
    assert "&lt;b&gt;$&lt;/b&gt;" in page


def made(given, folder="/runs/a map", working_folder="/home/me/my work", options=None, **source):
    """A run, as far as its command goes."""
    state = {"source": {"path": given, "labels": None, "decoding": {}, **source}, "working_folder": working_folder}
    return SimpleNamespace(state=state, options=options or RunOptions(), home=Path(folder), has_pictures=True)


def test_the_command_names_relative_sources_from_where_it_ran():
    cd, line = report._command(
        made(["scans", "more scans"], options=RunOptions(epochs=3, invariant=False))
    ).splitlines()
    assert shlex.split(cd) == ["cd", "/home/me/my work"]
    folder = str(Path("/runs/a map").resolve())
    expected = ["latentmap", "run", "-o", folder, "--epochs", "3", "--no-invariant", "scans", "more scans"]
    assert shlex.split(line) == expected


@pytest.mark.parametrize("given", ["mnist", "/data/scans", ["/data/a", "~/b"]])
def test_the_command_needs_no_folder_for_absolute_sources(given):
    assert report._command(made(given)).startswith("latentmap run ")


def test_the_command_keeps_names_that_begin_with_a_dash_apart_from_options():
    line = report._command(made("-scans", decoding={"background": "-x"}, labels="my labels.txt"))
    assert shlex.split(line.splitlines()[1])[-5:] == ["--background=-x", "--labels", "my labels.txt", "--", "-scans"]


def test_images_from_memory_are_made_again_from_python():
    command = report._command(made(None, options=RunOptions(n_clusters=3)))
    assert command.startswith("latentmap.map_images(images, ")
    assert command.endswith(", n_clusters=3)")


def test_skipped_files_are_grouped_the_most_frequent_reason_first():
    skipped = [(f"{i}.png", "empty" if i % 3 else "truncated") for i in range(60)]
    found = report._skipped_by_reason(skipped)
    assert [(reason, n, len(paths)) for reason, n, paths in found] == [("empty", 40, 10), ("truncated", 20, 10)]


def test_a_run_of_tiles_shows_whole_images_and_its_command(tmp_path):
    (tmp_path / "scans").mkdir()
    for i in range(2):
        pixels = np.random.default_rng(i).integers(0, 255, (16, 32), np.uint8)
        pixels[8:, 24:] = 0
        Image.fromarray(pixels).save(tmp_path / "scans" / f"{i}.png")
    run = map_images(tmp_path / "scans", tmp_path / "run", tiles=8, epochs=1, latent_dim=1, quiet=True)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert 'alt="whole images, with each part in the colour of its group"' in page
    assert Image.open(run.path / "figures" / "overviews.png").width > 400
    text = words(re.sub(r'src="data:[^"]*"', "", page))
    assert "Tiles of 8 × 8 pixels, of 2 images. 2 tiles were left out, with more than 99 % of nearly one colour" in text
    assert re.search(r"latentmap run -o \S+ .*--tiles 8 --overlap 0 --max-empty 0.99 ", text)
