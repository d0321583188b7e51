"""Pictures on a map never cover each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentmap.plots.thumbnails import place_thumbnails

places = hnp.arrays(np.float64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.floats(-100, 100, width=32))


@given(xy=places, n_images=st.integers(1, 70), size=st.one_of(st.none(), st.floats(0.01, 0.5)))
def test_no_two_overlap(xy, n_images, size):
    chosen, side = place_thumbnails(xy, n_images, size)
    assert 1 <= len(chosen) <= n_images
    assert len(set(chosen.tolist())) == len(chosen)
    apart = np.abs(xy[chosen][:, None] - xy[chosen][None]).max(2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() >= side


@given(xy=places, size=st.floats(0.01, 0.5))
def test_what_is_left_out_would_overlap(xy, size):
    chosen, side = place_thumbnails(xy, len(xy), size)
    for index in set(range(len(xy))) - set(chosen.tolist()):
        assert np.abs(xy[chosen] - xy[index]).max(1).min() < side


def test_as_many_as_wanted_find_room():
    xy = np.random.default_rng(0).normal(size=(5000, 2))
    chosen, side = place_thumbnails(xy, 200)
    assert len(chosen) == 200
    assert side > 0.01 * np.ptp(xy, axis=0).max()


@given(xy=places, n_images=st.integers(1, 70), size=st.floats(0.01, 0.5))
def test_the_first_that_fit_are_chosen(xy, n_images, size):
    chosen, side = place_thumbnails(xy, n_images, size)
    first: list[int] = []
    for index in range(len(xy)):
        if len(first) < n_images and all(np.abs(xy[index] - xy[other]).max() >= side for other in first):
            first.append(index)
    assert chosen.tolist() == first


def test_no_places_are_met_with_a_sentence():
    with pytest.raises(ValueError, match=r"xy of shape \(0, 2\): pass an array"):
        place_thumbnails(np.zeros((0, 2)))
