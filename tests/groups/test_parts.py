"""Communities, the tree over blocks, and the selection of groups, on graphs done by hand."""

import networkx as nx
import numpy as np
from scipy import sparse
from scipy.cluster import hierarchy

from latentmap.groups.blocks import assign_leftovers, group_weights, grouped_tree
from latentmap.groups.communities import communities, contract_graph
from latentmap.groups.tree import average_linkage, merge_small_blocks


def modularity(graph, labels, resolution=1.0):
    total = graph.sum()
    weights = contract_graph(graph, labels).toarray()
    return weights.trace() / total - resolution * ((weights.sum(axis=1) / total) ** 2).sum()


def random_graph(seed, n=200):
    G = nx.random_partition_graph([n // 4] * 4, 0.2, 0.02, seed=seed)
    return sparse.csr_matrix(nx.to_scipy_sparse_array(G, dtype=float)), G


def test_communities_are_as_good_as_networkx_finds():
    for seed in range(5):
        graph, G = random_graph(seed)
        ours = communities(graph, 1.0, np.random.RandomState(0))
        theirs = nx.community.louvain_communities(G, seed=0)
        assert modularity(graph, ours) >= nx.community.modularity(G, theirs) - 1e-3


def test_communities_of_the_karate_club():
    graph = sparse.csr_matrix(nx.to_scipy_sparse_array(nx.karate_club_graph(), weight=None, dtype=float))
    best = max(modularity(graph, communities(graph, 1.0, np.random.RandomState(seed))) for seed in range(5))
    assert round(best, 4) == 0.4198  # the optimum (Brandes et al. 2008)


def test_communities_are_connected():
    graph, _ = random_graph(3)
    labels = communities(graph, 4.0, np.random.RandomState(0))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        assert sparse.csgraph.connected_components(graph[rows][:, rows])[0] == 1


def test_the_tree_is_average_linkage():
    random = np.random.default_rng(0)
    weights = random.random((12, 12))
    weights += weights.T
    tree = average_linkage(weights, np.ones(12))  # equal volumes: the mean over pairs, as SciPy takes it
    distances = (weights.max() - weights)[np.triu_indices(12, 1)]
    theirs = hierarchy.linkage(distances, "average")
    for k in range(1, 13):
        ours = tree.cut(k)
        other = hierarchy.fcluster(theirs, k, "maxclust")
        assert len(set(zip(ours, other, strict=True))) == k


def test_three_blocks_by_hand():
    weights = np.array([[8.0, 4, 1], [4, 6, 1], [1, 1, 10]])
    tree = average_linkage(weights, weights.sum(axis=1))
    assert tree.merges.tolist() == [[0, 1], [3, 2]]
    np.testing.assert_allclose(tree.associations, [4 * 36 / (13 * 11), 2 * 36 / (24 * 12)])
    assert tree.paths() == ["00", "01", "1"]
    np.testing.assert_allclose(tree.totals(np.array([1.0, 2, 3])), [1, 2, 3, 3, 6])


def test_small_blocks_go_to_the_closest_of_their_label():
    weights = np.array([[9.0, 2, 5, 0], [2, 9, 0, 0], [5, 0, 1, 0], [0, 0, 0, 9]])
    sizes = np.array([10, 10, 2, 10])
    assert merge_small_blocks(np.zeros(4, np.int32), weights, sizes, 5).tolist() == [0, 1, 0, 2]
    assert merge_small_blocks(np.array([0, 1, 1, 0], np.int32), weights, sizes, 5).tolist() == [0, 1, 1, 2]
    assert merge_small_blocks(np.array([0, 1, 2, 0], np.int32), weights, sizes, 5).tolist() == [0, 1, 2, 3]


def test_leftover_blocks_are_assigned_along_chains():
    weights = np.eye(5)
    for i, weight in enumerate([3.0, 2.0, 1.0, 4.0]):
        weights[i, i + 1] = weights[i + 1, i] = weight
    assert assign_leftovers(np.array([0, -1, -1, -1, 1], np.int32), weights).tolist() == [0, 0, 0, 1, 1]


def test_groups_stay_whole_in_the_tree():
    random = np.random.default_rng(1)
    weights = random.random((20, 20))
    weights += weights.T
    groups = random.integers(0, 5, 20).astype(np.int32)
    tree = grouped_tree(weights, groups)
    assert len(set(zip(tree.cut(5), groups, strict=True))) == 5
    np.testing.assert_allclose(group_weights(weights, groups).sum(), weights.sum())


def test_connected_components_equal_those_of_scipy():
    from scipy import sparse
    from scipy.sparse import csgraph

    from latentmap.groups.components import connected_components

    random = np.random.default_rng(0)
    directed = sparse.random(400, 400, 0.002, random_state=random, format="csr")
    graph = (directed + directed.T).tocsr()
    np.testing.assert_array_equal(connected_components(graph), csgraph.connected_components(graph, directed=False)[1])
    labels = random.integers(0, 3, 400).astype(np.int32)
    within = graph.multiply(labels[:, None] == labels[None]).tocsr()
    within.eliminate_zeros()
    np.testing.assert_array_equal(
        connected_components(graph, labels), csgraph.connected_components(within, directed=False)[1]
    )


def test_contracted_graphs_add_up_the_edges():
    from scipy import sparse

    from latentmap.groups.communities import contract_graph

    random = np.random.default_rng(1)
    directed = sparse.random(60, 60, 0.1, random_state=random, format="csr")
    graph = (directed + directed.T).tocsr()
    labels = random.integers(0, 7, 60).astype(np.int32)
    labels[:7] = np.arange(7)
    members = np.eye(7)[labels]
    np.testing.assert_allclose(contract_graph(graph, labels).toarray(), members.T @ graph.toarray() @ members)
