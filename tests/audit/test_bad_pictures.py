"""Bad pictures are found where they are rare, and a collection that is like them is left alone."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from latentmap.audit.bad_pictures import find_bad_pictures
from latentmap.audit.issues import ISSUES, SCHEMA, IssueList, count_issues
from latentmap.audit.quality import measure_quality

N = 60


def squares(n: int = N) -> np.ndarray:
    """Bright squares of any size and place on a dark ground, with some noise."""
    random = np.random.default_rng(0)
    images = random.integers(0, 30, (n, 24, 24))
    for image in images:
        top, left, height, width = random.integers(3, 11, 4)
        image[top : top + height, left : left + width] += random.integers(120, 220)
    return images.astype(np.uint8)


def issues_of(images: np.ndarray) -> dict[str, list[int]]:
    issues = IssueList()
    find_bad_pictures(issues, measure_quality(images))
    found = issues.table()
    assert found.schema == SCHEMA
    below = (found["score"].to_numpy() <= found["threshold"].to_numpy()).all()
    assert below
    by_kind: dict[str, list[int]] = {}
    for row in found.to_pylist():
        by_kind.setdefault(row["issue"], []).append(row["id"])
    return by_kind


def test_a_clean_collection_has_no_issues():
    assert issues_of(squares()) == {}


def test_each_kind_is_found():
    images = squares()
    images[3] = np.asarray(Image.fromarray(images[3]).filter(ImageFilter.GaussianBlur(2)))
    images[7] = images[7] * 0.1
    images[11] = 255 - images[11] * 0.3
    images[13] = 90
    assert issues_of(images) == {"blurry": [3], "dark": [7], "bright": [11], "low_contrast": [13]}


@pytest.mark.parametrize("change", [lambda x: x // 8, lambda x: 255 - x // 8, lambda x: 100 + x // 16])
def test_a_collection_that_is_all_alike_is_not_listed(change):
    assert issues_of(change(squares())) == {}


def test_a_blurred_collection_is_not_listed():
    soft = [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(2))) for one in squares()]
    assert "blurry" not in issues_of(np.stack(soft))


def test_a_black_picture_in_a_dark_collection_is_found():
    images = squares() // 8
    images[5] = 0
    assert issues_of(images) == {"low_contrast": [5]}


@pytest.mark.parametrize("images", [np.zeros((N, 8, 8), np.uint8), squares(1), np.repeat(squares(1), 9, axis=0)])
def test_one_image_equal_images_and_blank_ones_have_no_issues(images):
    assert issues_of(images) == {}


def test_single_pixels_of_several_channels():
    images = np.random.default_rng(0).integers(9000, 60000, (N, 1, 1, 5)).astype(np.uint16)
    assert "blurry" not in issues_of(images)


def test_issues_are_in_order_and_counted():
    issues = IssueList()
    issues.add("leak", np.array([4]), 0.0, 0.02, np.array([1]), ["train, test"])
    issues.add_low("dark", np.array([0.3, np.nan, 0.1, 0.9]), 0.5)
    found = issues.table()
    assert found.column_names == ["id", "issue", "score", "threshold", "related", "note"]
    assert found["id"].to_pylist() == [2, 0, 4]
    assert found["related"].to_pylist() == [None, None, 1]
    assert count_issues(found) == {"dark": 2, "leak": 1}
    assert IssueList().table().num_rows == 0
    assert len(set(ISSUES)) == len(ISSUES)
