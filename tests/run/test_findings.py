"""The sentences that end a run."""

import shutil

import numpy as np
import pytest
from PIL import Image

from latentmap import map_images
from latentmap.groups import Cut
from latentmap.run import Run
from latentmap.run.findings import findings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of two kinds, one of them twice, and one that is no image."""
    path = tmp_path_factory.mktemp("kinds")
    random = np.random.default_rng(0)
    for number in range(80):
        image = random.integers(0, 40, (16, 16), dtype=np.uint8)
        image[:, 2:6] += np.uint8(200 * (number % 2))
        image[9:12] += np.uint8(200 * (1 - number % 2))
        Image.fromarray(image).save(path / f"{number:02}.png")
    shutil.copy(path / "07.png", path / "copy.png")
    (path / "broken.png").write_bytes(b"no image")
    return path


def test_groups_duplicates_and_skipped_files_are_told(folder, tmp_path):
    run = map_images(str(folder), tmp_path / "run", epochs=1, latent_dim=2, quiet=True)
    groups, duplicates, outliers, skipped = findings(run)
    assert groups.startswith("2 groups of 40 to 41 images, stability 1.00: nearly the same")
    assert duplicates.startswith("1 exact duplicate and ")
    assert outliers.endswith(("outlier", "outliers"))
    assert run.cuts() == [Cut(2, run.metrics()["stability"])]
    assert skipped == "1 file skipped, with reasons in the report"


def test_one_group_no_group_and_groups_without_a_stability(folder, tmp_path, monkeypatch):
    one = map_images(str(folder), tmp_path / "one", epochs=1, latent_dim=2, n_clusters=1, quiet=True)
    assert findings(one)[0] == "one group"
    by_kmeans = map_images(str(folder), tmp_path / "kmeans", epochs=1, latent_dim=2, groups="kmeans", quiet=True)
    assert findings(by_kmeans)[0].startswith("10 groups of ")
    assert "stability" not in findings(by_kmeans)[0]
    assert one.cuts() == by_kmeans.cuts() == []
    monkeypatch.setattr(Run, "groups", lambda _: np.full(81, -1))
    assert findings(one)[0] == "no groups: all images have a confidence below 0"
