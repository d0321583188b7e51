"""Blocks, and cuts of the tree over them."""

import numpy as np
import pytest

from latentmap import nearest_neighbors
from latentmap.groups.block_tree import BlockTree, default_min_size
from latentmap.groups.graph import affinity_graph


@pytest.fixture(scope="module")
def whole() -> BlockTree:
    """Four clouds of 200 points, and five points apart."""
    X = np.random.default_rng(0).normal(size=(805, 6)).astype(np.float32)
    X += np.repeat([0, 40, 80, 120, 200], [200, 200, 200, 200, 5])[:, None]
    return BlockTree.build(affinity_graph(nearest_neighbors(X, 4), 4), 40, np.random.RandomState(0))


def test_small_nodes_are_no_groups(whole):
    groups = whole.cut_at(0.01)
    assert sorted(np.bincount(groups, weights=whole.sizes))[:3] == [200, 200, 200]
    assert groups.max() == 3


@pytest.mark.parametrize("k", [1, 2, 3, 4, 6])
def test_the_tree_is_cut_into_groups_of_the_minimum_size(whole, k):
    sizes = np.bincount(whole.cut_into(k), weights=whole.sizes)
    assert len(sizes) == k
    assert (sizes >= 40).all()


def test_more_groups_than_have_the_minimum_size_are_smaller(whole):
    groups = whole.cut_into(len(whole.sizes))
    assert len(np.unique(groups)) == len(whole.sizes)


def test_the_minimum_size_grows_with_the_points():
    assert [default_min_size(n, 15) for n in (2, 40, 300, 70_000)] == [2, 5, 15, 140]
