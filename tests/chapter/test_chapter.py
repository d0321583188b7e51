"""The chapter: rows without training are judged, and all rows run on a tenth of the data."""

import json

import pytest

from latentmap.chapter import reproduce, reproduction
from latentmap.chapter.comparisons import Check
from latentmap.chapter.models import Workload
from latentmap.chapter.rows import CHAPTER_ROWS


def test_rows_without_training_are_met(tmp_path):
    results = reproduce(tmp_path, ["s1", "S5", "S7", "S12"], quiet=True)
    assert [result.id for result in results] == ["S1", "S5", "S7", "S12"]
    assert [result.verdict for result in results] == ["met"] * 4
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    record = json.loads((tmp_path / "chapter.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in record["rows"]] == ["S1", "S5", "S7", "S12"]
    for row in record["rows"]:
        assert all((tmp_path / name).stat().st_size > 3000 for name in row["figures"])


def test_a_missed_figure_is_reported(tmp_path, monkeypatch):
    def miss(_, findings):
        findings.at_most("error", 0.1, 0.2)
        findings.equal("shape", (1,), (1,))

    monkeypatch.setitem(CHAPTER_ROWS, "S3", ("dense reconstructions", miss))
    (result,) = reproduce(tmp_path, ["S3"], quiet=True)
    assert result.verdict == "not met"
    assert result.checks[0] == Check("error", "0.1", "0.2", "at most", False)
    assert "not-met" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_whole_chapter_runs_on_less_data_and_judges_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction, "QUICK_WORKLOAD", Workload(1200, 300, 1, 1, 320))
    results = reproduce(tmp_path, quick=True, quiet=True)
    assert [result.id for result in results] == [f"S{i}" for i in range(1, 15)]
    assert {result.verdict for result in results} == {"not judged"}
    assert all(result.checks for result in results)
    assert sum(len(result.figures) for result in results) >= 13
    assert "A quick run" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_whole_chapter_is_met(tmp_path):
    results = reproduce(tmp_path, quiet=True)
    assert {result.id: result.verdict for result in results} == dict.fromkeys(CHAPTER_ROWS, "met")
