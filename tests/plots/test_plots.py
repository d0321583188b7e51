"""Figures show what they were given, all of it inside the page, and leave nothing open."""

import subprocess
import sys
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from latentmap import plots
from latentmap.groups.tree import Dendrogram
from latentmap.plots.maps import MIN_PICTURE_FRACTION

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 255, (60, 9, 7), dtype=np.uint8)
STROKES = GREY.copy()
STROKES[:, [0, -1]] = STROKES[:, :, [0, -1]] = 0
COLOR = RANDOM.uniform(0, 1, (60, 8, 8, 3))
XY = RANDOM.normal(size=(60, 2))
STEPS = [
    SimpleNamespace(centers=XY[:3] + t, labels=RANDOM.integers(0, 3, 60), inertia=100.0 - t) for t in (0.0, 0.5, 1.0)
]
TREE = Dendrogram(np.array([[0, 1], [2, 3], [4, 5]]), np.array([2.0, 0.4, 0.01]))


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


FIGURES = {
    "first_image": lambda: plots.first_image(GREY[0], label=5),
    "first_image_color": lambda: plots.first_image(COLOR[0]),
    "loss_curve": lambda: plots.loss_curve({"loss": [0.5, 0.1, 0.02], "val_loss": [0.6, 0.2, 0.1]}, [0.7, 0.3, 0.1]),
    "loss_curve_one": lambda: plots.loss_curve({"loss": [0.5]}),
    "reconstructions": lambda: plots.reconstructions(GREY[:4], GREY[:4] / 255),
    "residuals": lambda: plots.residuals(GREY[:4], GREY[4:8] / 255, ["a", "b", "c", "d"]),
    "residuals_color": lambda: plots.residuals(COLOR[:2], COLOR[2:4]),
    "strips": lambda: plots.strips(GREY[:12].reshape(3, 4, *GREY.shape[1:]), ["first", "second", "third"]),
    "strips_color": lambda: plots.strips(COLOR[:2, None] / 255),
    "activations": plots.activations,
    "kmeans_steps": lambda: plots.kmeans_steps(XY, STEPS),
    "cluster_sheet": lambda: plots.cluster_sheet(GREY, np.arange(60) % 4),
    "cluster_sheet_names": lambda: plots.cluster_sheet(COLOR, np.array(["a long name", "b"])[np.arange(60) % 2]),
    "scatter": lambda: plots.scatter(XY, np.arange(60) % 10, title="coloured by digit"),
    "group_tree": lambda: plots.group_tree(TREE, 3, GREY[:3], [1, 3, 2]),
    "group_tree_coarse": lambda: plots.group_tree(TREE, 2, GREY[:3], [1, 3, 2]),
    "scatter_plain": lambda: plots.scatter(XY),
    "scatter_many": lambda: plots.scatter(XY, np.arange(60)),
    "t_against_normal": plots.t_against_normal,
    "perplexity_sweep": lambda: plots.perplexity_sweep(dict.fromkeys((5, 10, 15, 25, 50, 100), XY), np.arange(60) % 3),
    "image_map": lambda: plots.image_map(XY, STROKES, np.arange(60) % 10, n_images=20, size_inches=8),
    "image_map_color": lambda: plots.image_map(XY, COLOR, None, n_images=20, size_inches=8),
    "image_map_one": lambda: plots.image_map(XY[:1], GREY[:1], ["only"], size_inches=4),
}


@pytest.mark.parametrize("name", FIGURES)
def test_all_text_lies_inside_the_page(name):
    figure = drawn(FIGURES[name]())
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        box = axes.get_tightbbox(renderer)
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1


@pytest.mark.parametrize("name", FIGURES)
def test_no_panel_is_empty(name):
    for axes in drawn(FIGURES[name]()).axes:
        assert axes.has_data() or axes.get_label() == "<colorbar>"


def test_panels_are_as_many_as_the_steps_and_maps():
    assert len(plots.kmeans_steps(XY, STEPS).axes) == 3
    assert len(plots.perplexity_sweep(dict.fromkeys((5, 10, 15, 25, 50, 100), XY)).axes) == 6


def test_residuals_are_red_where_the_image_is_brighter():
    bright, dark = np.full((1, 4, 4), 255, np.uint8), np.zeros((1, 4, 4))
    sheet = plots.residuals(bright, dark).axes[0].images[0].get_array()
    np.testing.assert_array_equal(sheet[:4, :4], 1)
    np.testing.assert_array_equal(sheet[5:9, :4], 0)
    np.testing.assert_allclose(sheet[10:14, :4], np.broadcast_to(colormaps["RdBu_r"](1.0)[:3], (4, 4, 3)))


def test_each_image_stands_beside_its_reconstruction():
    figure = plots.reconstructions(GREY[:5], GREY[:5][::-1], pairs_per_row=3)
    sheet = figure.axes[0].images[0].get_array()
    height, width = GREY.shape[1:]
    for n in range(5):
        top, left = n // 3 * (height + 1), n % 3 * 2 * (width + 1)
        np.testing.assert_array_equal(sheet[top : top + height, left : left + width], GREY[n])
        np.testing.assert_array_equal(sheet[top : top + height, left + width + 1 :][:, :width], GREY[4 - n])
    assert texts(figure)[:6] == ["original", "reconstruction"] * 3
    assert np.all(np.asarray(sheet)[height + 1 :, 4 * (width + 1) :] == 255)  # of the sixth pair


def test_arrows_lead_from_each_centre_to_its_next_place():
    second = plots.kmeans_steps(XY, STEPS).axes[1]
    arrows = [child for child in second.texts if child.arrow_patch is not None]
    assert len(arrows) == 3
    np.testing.assert_allclose([arrow.xy for arrow in arrows], STEPS[1].centers)
    np.testing.assert_allclose([arrow.get_position() for arrow in arrows], STEPS[0].centers)


def test_equal_labels_have_equal_colours_and_others_not():
    labels = np.array(list("abc"))[np.arange(60) % 3]
    dots = plots.scatter(XY, labels).axes[0].collections[0]
    places, colors = dots.get_offsets(), dots.get_facecolors()
    index = [int(np.flatnonzero((place == XY).all(1))[0]) for place in places]
    by_label = {name: {tuple(colors[i]) for i in range(60) if labels[index[i]] == name} for name in "abc"}
    assert all(len(found) == 1 for found in by_label.values())
    assert len(set.union(*by_label.values())) == 3


def test_labels_are_written_on_the_map_and_on_the_colour_bar():
    figure = drawn(plots.scatter(XY, np.arange(60) % 10))
    found = texts(figure)
    assert all(found.count(str(digit)) == 2 for digit in range(10))


def test_of_many_long_names_those_with_room_are_written():
    rng = np.random.default_rng(0)
    names = np.array([f"a name of a class, number {i}" for i in range(60)])
    labels = names[np.concatenate([np.zeros(200, int), rng.integers(0, 60, 800)])]
    xy = rng.normal(size=(1000, 2))
    xy[:200] = (3.0, 0.0)  # the largest class, at the edge
    figure = drawn(plots.scatter(xy, labels))
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    frame = axes.get_window_extent()
    assert 5 < len(boxes) < 60
    assert axes.texts[0].get_text() == "a name of a class, numb…"
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for box in boxes)


def test_cluster_sheet_shows_the_lowest_scores_first():
    images = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    sheet = plots.cluster_sheet(images, np.arange(40) % 2, 3, scores=-np.arange(40.0)).axes[0].images[0].get_array()
    gap = max(1, 4 // 14)
    assert [int(sheet[0, i * (4 + gap)]) for i in range(3)] == [38, 36, 34]
    assert [int(sheet[4 + gap, i * (4 + gap)]) for i in range(3)] == [39, 37, 35]


def test_largest_groups_are_kept_when_there_are_too_many():
    groups = np.concatenate([np.zeros(30, int), np.ones(20, int), np.arange(2, 12)])
    figure = plots.cluster_sheet(GREY, groups, max_rows=2)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == ["0  (30)", "1  (20)"]
    assert "12 groups, the 2 largest" in figure.axes[0].get_title()


def test_pictures_lie_at_their_places():
    figure = plots.image_map(XY, COLOR, np.arange(60) % 3, n_images=15, size_inches=6)
    pictures = figure.axes[0].images
    assert len(pictures) == 15
    middles = np.array([[(e[0] + e[1]) / 2, (e[2] + e[3]) / 2] for e in (p.get_extent() for p in pictures)])
    for middle in middles:
        assert np.abs(XY - middle).sum(1).min() < 1e-9


@pytest.mark.parametrize("n", [1, 2, 10, 11, 50, 200])
def test_colours_differ_from_each_other(n):
    colors = plots.group_colors(n)
    assert colors.shape == (n, 3)
    assert len(np.unique(colors.round(6), axis=0)) == n


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plots.scatter(XY, [1, 2]), "60 in xy, but 2 in labels"),
        (lambda: plots.scatter(np.zeros((3, 3))), r"a map is \(n, 2\)"),
        (lambda: plots.image_map(XY, GREY[:5]), "60 in xy, but 5 in images"),
        (lambda: plots.cluster_sheet(GREY, [0]), "60 in images, but 1 in groups"),
        (lambda: plots.kmeans_steps(np.zeros((60, 3)), STEPS), "points in the plane"),
        (lambda: plots.reconstructions(np.zeros((2, 4)), GREY), "images of shape"),
        (lambda: plots.perplexity_sweep({}), "no maps"),
    ],
)
def test_wrong_input_is_met_with_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_pyplot_is_left_alone():
    code = "import sys, latentmap.plots as p; p.activations(); assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_few_images_are_pictures_on_the_map_and_not_specks():
    xy = np.concatenate([RANDOM.normal(size=(30, 2)), [[0.5, 0.5], [0.500001, 0.5]]])
    figure = plots.image_map(xy, np.zeros((32, 4, 4), np.uint8), n_images=400, size_inches=3)
    extent = np.ptp(xy, axis=0).max()
    sides = [image.get_extent()[1] - image.get_extent()[0] for image in figure.axes[0].images]
    assert len(sides) > 10
    assert min(sides) > 0.9 * MIN_PICTURE_FRACTION * extent
