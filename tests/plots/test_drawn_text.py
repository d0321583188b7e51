"""Text from data is drawn as it stands, whatever is in it, and never breaks or floods a figure."""

import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from latentmap import plots
from latentmap.plots import maps
from latentmap.plots.text import MAX_DRAWN_LENGTH, NO_GLYPH, short_text

ODD = [
    "$",
    "$$",
    "$x^2$",
    "^_{",
    r"\frac",
    "a_{b}^{c}",
    "[{(<",
    "x" * 500,
    "new\nline",
    "\x00\x07\x1b[31m",
    "שלום",
    "漢字とかな",
    "한글",
    "😀",
    "e\u0301",
    "\udcff",
    "%s {0}",
    "-1",
    "nan",
]


def drawn(figure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), dpi=30)
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_odd_labels_are_drawn_literally_and_without_warnings():
    n = len(ODD)
    xy, images = np.random.default_rng(0).normal(size=(3 * n, 2)), np.zeros((3 * n, 5, 5), np.uint8)
    labels = np.array(ODD * 3, object)
    assert set(drawn(plots.scatter(xy, labels, title="$"))) <= {short_text(label) for label in ODD}
    sheet = plots.cluster_sheet(images, labels, title="$$", show_sizes=False)
    assert {tick.get_text() for tick in sheet.axes[0].get_yticklabels()} == {short_text(label) for label in ODD}
    drawn(sheet)
    drawn(plots.image_map(xy, images, labels, size_inches=3))
    drawn(plots.row(images[:n], ODD))
    drawn(plots.strips(images.reshape(n, 3, 5, 5), ODD))
    for label in ("$", "^_{"):
        drawn(plots.first_image(images[0], label))
        drawn(plots.residuals(images[:2], images[:2], [label, "b"]))


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60))
def test_any_text_becomes_one_short_line(text):
    shown = short_text(text)
    assert len(shown) <= MAX_DRAWN_LENGTH
    assert not set(shown) & set("\n\r\t\x00\x1b\u2028")


def test_what_no_font_has_is_a_box():
    assert short_text("a\U0010fffdb") == f"a{NO_GLYPH}b"
    assert short_text("\ud800") == NO_GLYPH


def test_combining_characters_that_no_font_has_are_left_out():
    assert short_text("a\u0f8d") == "a"


def test_hundreds_of_labels_are_as_many_as_there_is_room_for():
    xy = np.random.default_rng(0).normal(size=(600, 2))
    names = drawn(plots.scatter(xy, [f"class {i % 300}" for i in range(600)]))
    assert 1 < len(names) <= maps.MAX_NAMES


def test_images_without_a_label_are_grey_and_the_legend_says_so():
    xy = np.random.default_rng(0).normal(size=(30, 2))
    grey = np.array(to_rgb(maps.GREY))
    for labels in (
        np.array(["a", "", "b"] * 10),
        np.array(["a", None, "b"] * 10, object),
        np.array([0, np.nan, 1] * 10),
        [0, None, "b"] * 10,
    ):
        figure = plots.scatter(xy, labels)
        colors = figure.axes[0].collections[0].get_facecolors()[:, :3]
        assert (np.abs(colors - grey).max(axis=1) < 1e-9).sum() == 10
        assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()][-1] == "no label"
        assert len(drawn(figure)) == 2
    one = plots.scatter(xy, ["a", "", ""] * 10)
    assert one.axes[0].get_legend().get_texts()[0].get_text() == "no label (20)"
    drawn(plots.scatter(xy, [None] * 30))
    drawn(plots.image_map(xy, np.zeros((30, 4, 4), np.uint8), ["", "a", ""] * 10, size_inches=3))


def test_images_in_no_group_are_no_row_of_the_sheet():
    figure = plots.cluster_sheet(np.zeros((6, 4, 4), np.uint8), np.array([-1, 0, 0, 1, -1, -1]))
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["0  (2)", "1  (1)"]
    assert figure.axes[0].get_title() == "2 groups"
    with pytest.raises(ValueError, match="no image is in a group"):
        plots.cluster_sheet(np.zeros((2, 4, 4), np.uint8), [-1, -1])
