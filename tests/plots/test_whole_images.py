"""Whole images side by side, with the colours of groups."""

import numpy as np
import pytest

from latentmap import plots


@pytest.mark.parametrize(("n_groups", "title"), [(3, "group"), (45, "group, 20\nof 45")])
def test_overviews_have_their_names_and_a_legend_of_the_groups(n_groups, title):
    pictures = [np.zeros((20, 30, 3), np.uint8), np.zeros((40, 10, 3), np.uint8)]
    figure = plots.overviews(pictures, ["a $x$.png", "b.png"], n_groups)
    assert [axes.get_title() for axes in figure.axes] == ["a $x$.png", "b.png"]
    assert [axes.images[0].get_array().shape for axes in figure.axes] == [(20, 30, 3), (40, 10, 3)]
    (legend,) = figure.legends
    assert legend.get_title().get_text() == title
    assert [text.get_text() for text in legend.get_texts()] == [str(i) for i in range(min(n_groups, 20))]
    figure.canvas.draw()


def test_without_groups_there_is_no_legend():
    assert not plots.overviews([np.zeros((20, 30, 3), np.uint8)], ["a.png"], 0).legends
