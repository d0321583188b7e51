"""Graphs of parts of the points, and the stability of cuts."""

import numpy as np

from latentmap import nearest_neighbors
from latentmap.groups.block_tree import BlockTree
from latentmap.groups.graph import affinity_graph
from latentmap.groups.resolution import RESOLUTIONS
from latentmap.groups.stability import find_stabilities, graph_of_part, neighbors_to_search, random_part


def test_the_graph_of_a_part_is_that_of_its_points_alone():
    X = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    rows = random_part(400, 0.8, np.random.RandomState(0))
    graph = graph_of_part(nearest_neighbors(X, 60), rows, 8, X, 10, 1)
    alone = affinity_graph(nearest_neighbors(X[rows], 8), 8)
    np.testing.assert_allclose(graph.toarray(), alone.toarray(), rtol=1e-5)


def test_a_point_with_too_few_neighbours_in_the_part_keeps_those_that_it_has():
    X = np.arange(12, dtype=np.float32)[:, None]
    neighbors = nearest_neighbors(X, 4)
    rows = np.array([0, 1, 2, 3, 8, 9, 10, 11])
    graph = graph_of_part(neighbors, rows, 4, X, 2, 1).toarray()
    assert (graph.diagonal() == 0).all()
    for one, row in enumerate(rows):
        known = set(neighbors.indices[row]) | {other for other in rows if row in neighbors.indices[other]}
        assert set(rows[graph[one] > 1e-5]) == known & set(rows)


def test_stability_is_one_for_separate_groups_and_low_for_parts_of_them():
    random = np.random.RandomState(0)
    X = random.normal(size=(900, 8)).astype(np.float32)
    X[300:] += 30
    X[600:] += 30
    neighbors = nearest_neighbors(X, neighbors_to_search(15, 900))
    whole = BlockTree.build(affinity_graph(neighbors, 15), 15, random)
    found, cuts, parts = find_stabilities(whole, neighbors, 15, X, 5, random, 1)
    assert found.counts.shape == found.means.shape == RESOLUTIONS.shape
    assert (np.diff(found.counts[RESOLUTIONS <= 1]) >= 0).all()
    assert (found.means[(found.counts == 3) & (RESOLUTIONS <= 1)] > 0.99).all()
    assert (whole.cut_at(5.0)[whole.blocks].max()) > 2  # parts of the clouds
    number = int(np.flatnonzero(found.counts == 3)[0])
    np.testing.assert_array_equal(cuts.labels(number), whole.cut_at(RESOLUTIONS[number])[whole.blocks])
    assert [len(part.labels(number)) for part in parts] == [720] * 5
