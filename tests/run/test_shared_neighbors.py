"""Neighbours of a run are searched once, and what each stage gets of them does not depend on the others."""

import numpy as np
import pytest

from latentmap.neighbors import nearest_neighbors
from latentmap.run import shared_neighbors
from latentmap.run.shared_neighbors import SharedNeighbors


@pytest.fixture
def searches(monkeypatch):
    asked = []

    def search(X, n_neighbors, device):
        asked.append(n_neighbors)
        return nearest_neighbors(X, n_neighbors)

    monkeypatch.setattr(shared_neighbors, "nearest_neighbors", search)
    return asked


def test_one_search_serves_the_map_and_the_groups(searches):
    X = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    shared = SharedNeighbors()
    mapped = shared.for_map(X, 91)
    kept = shared.for_groups(X)
    assert searches == [91]
    assert mapped.n_neighbors == 91
    assert kept.n_neighbors == 60
    np.testing.assert_array_equal(kept.indices, mapped.indices[:, :60])
    np.testing.assert_array_equal(kept.distances, mapped.distances[:, :60])


def test_equally_far_neighbours_are_the_same_whatever_the_map_asks_for(searches):
    X = np.random.default_rng(0).integers(0, 2, (300, 9)).astype(np.float32)
    alone = SharedNeighbors().for_groups(X)
    for wanted in (10, 91, 200):
        shared = SharedNeighbors()
        assert shared.for_map(X, wanted).n_neighbors >= wanted
        np.testing.assert_array_equal(shared.for_groups(X).indices, alone.indices)


def test_what_is_forgotten_is_searched_again(searches):
    X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    shared = SharedNeighbors()
    first = shared.for_groups(X)
    shared.forget()
    np.testing.assert_array_equal(shared.for_groups(X).indices, first.indices)
    assert len(searches) == 2


def test_large_latent_vectors_keep_only_what_groups_need(searches, monkeypatch):
    monkeypatch.setattr(shared_neighbors, "MAX_TANGENT_VALUES", 100)
    X = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    assert SharedNeighbors().for_groups(X).n_neighbors == 23  # half as many again as in the graph
