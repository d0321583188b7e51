"""Files of an unusual size, proportion, number of bytes or colour mode."""

import numpy as np

from latentmap.audit.issues import IssueList
from latentmap.audit.odd_files import find_odd_file_sizes, find_odd_modes, find_odd_sizes


def rows(issues: IssueList) -> list[tuple[str, int, str]]:
    return [(row["issue"], row["id"], row["note"]) for row in issues.table().to_pylist()]


def test_odd_sizes_and_aspects():
    width, height = np.full((2, 30), 100.0)
    width[4], height[4] = 600, 600
    width[9] = 250
    width[20] = height[20] = np.nan
    issues = IssueList()
    find_odd_sizes(issues, width, height)
    assert rows(issues) == [("odd_size", 4, "600 × 600"), ("odd_aspect", 9, "250 × 100")]


def test_sizes_that_vary_are_not_odd():
    random = np.random.default_rng(0)
    width, height = np.exp(random.normal(6, 0.6, (2, 200)))
    issues = IssueList()
    find_odd_sizes(issues, width, height)
    assert len(rows(issues)) <= 2


def test_bytes_are_compared_within_a_format_and_few_files_are_not():
    n_bytes, pixels = np.full(45, 1000.0), np.full(45, 100.0)
    formats = np.array(["PNG"] * 20 + ["JPEG"] * 20 + ["GIF"] * 5)
    n_bytes[20:] = 80
    n_bytes[3], n_bytes[30], n_bytes[42], n_bytes[10] = 50, 900, 5000, np.nan
    issues = IssueList()
    find_odd_file_sizes(issues, n_bytes, pixels, formats)
    assert sorted(rows(issues)) == [("odd_file_size", 3, "50 bytes"), ("odd_file_size", 30, "900 bytes")]


def test_rare_modes_and_grey_pictures_among_colours():
    modes = np.array(["RGB"] * 98 + ["CMYK", ""])
    grey = np.zeros(100)
    grey[7] = 1
    issues = IssueList()
    find_odd_modes(issues, modes, grey)
    assert sorted(rows(issues)) == [("odd_mode", 7, "RGB, without colours"), ("odd_mode", 98, "CMYK")]


def test_modes_of_a_mixed_collection_and_unknown_ones_are_not_odd():
    for modes in (np.array(["RGB"] * 50 + ["L"] * 46 + ["P"] * 4), np.full(30, "")):
        issues = IssueList()
        find_odd_modes(issues, modes, None)
        assert rows(issues) == []


def test_arrays_without_modes_are_judged_by_their_colours():
    grey = np.zeros(50)
    grey[2] = 1
    issues = IssueList()
    find_odd_modes(issues, np.full(50, ""), grey)
    assert rows(issues) == [("odd_mode", 2, "colour, without colours")]
