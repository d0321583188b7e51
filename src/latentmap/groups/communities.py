"""Community detection on a weighted graph by multilevel local moving.

The objective is modularity with a resolution parameter. Nodes are moved one at a time to the community with the largest
gain, on the graph and then on the graphs of its communities (the Louvain method), and again on each level on the way
back (multilevel refinement).

References
----------
Reichardt and Bornholdt (2006), Statistical mechanics of community detection: modularity with a resolution.
Blondel et al. (2008), Fast unfolding of communities in large networks: the Louvain method.
Rotta and Noack (2011), Multilevel local search algorithms for modularity clustering: multilevel refinement.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, compiled
from latentmap.groups.components import connected_components

Labels = NDArray[np.int32]
# Rounds through all levels; each starts from the communities of the round before. Later rounds gain next to nothing.
MAX_ROUNDS = 3
MAX_SWEEPS = 30  # visits of each node on one level


def communities(graph: Any, resolution: float, random: np.random.RandomState) -> Labels:
    """Find communities of a graph.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric, positive weights
    resolution : float
        Two communities are merged if the weight of the edges between them exceeds this multiple of its expected value
        in a random graph with the same node volumes. A greater resolution gives smaller communities.
    random : RandomState
        Generator for the order in which nodes are visited.

    Returns
    -------
    array (n,), int32
        Community of each node, numbered from 0. Each community is connected.
    """
    labels = np.arange(graph.shape[0], dtype=np.int32)
    for _ in range(MAX_ROUNDS):
        before = labels
        labels = _multilevel_round(graph, node_volumes(graph), resolution, labels, random)
        if np.array_equal(before, labels):
            break
    return _split_disconnected(graph, labels)


def refine_communities(graph: Any, resolution: float, labels: Labels, random: np.random.RandomState) -> Labels:
    """Improve given communities by local moving.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric, positive weights
    resolution : float
        See :func:`communities`.
    labels : array (n,), int32
        Community of each node, numbered from 0.
    random : RandomState
        Generator for the order in which nodes are visited.

    Returns
    -------
    array (n,), int32
        Improved communities, or ``labels`` if a community would become empty.
    """
    moved = _move_nodes(graph, node_volumes(graph), resolution, labels, random)
    return moved if moved.max() == labels.max() else labels


def contract_graph(graph: Any, labels: Labels) -> Any:
    """Contract each community to a single node.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric
    labels : array (n,), int32
        Community of each node, numbered from 0 to C - 1.

    Returns
    -------
    sparse CSR matrix (C, C)
        Weights of the edges between communities; on the diagonal those within, counted twice.
    """
    n, n_communities = graph.shape[0], int(labels.max()) + 1
    # a product of sparse matrices, since a list of all edges would take several times the memory of the graph
    indptr = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n_communities))])
    members = sparse.csr_matrix((np.ones(n), np.argsort(labels, kind="stable"), indptr), shape=(n_communities, n))
    columns = sparse.csr_matrix((graph.data, labels[graph.indices], graph.indptr), shape=(n, n_communities))
    small = (members @ columns).tocsr()
    small.sort_indices()
    return small


def _multilevel_round(
    graph: Any, volumes: Array, resolution: float, labels: Labels, random: np.random.RandomState
) -> Labels:
    """Run local moving on the graph, recursively on the graph of its communities, and again on the graph."""
    labels = _move_nodes(graph, volumes, resolution, labels, random)
    n_communities = int(labels.max()) + 1
    if n_communities == graph.shape[0]:
        return labels
    smaller = contract_graph(graph, labels)
    merged = _multilevel_round(
        smaller, node_volumes(smaller), resolution, np.arange(n_communities, dtype=np.int32), random
    )
    return _move_nodes(graph, volumes, resolution, merged[labels], random)


def _move_nodes(graph: Any, volumes: Array, resolution: float, labels: Labels, random: np.random.RandomState) -> Labels:
    labels = labels.copy()
    order = random.permutation(graph.shape[0]).astype(np.int32)
    _local_moving(
        graph.indptr, graph.indices, graph.data, volumes, resolution / volumes.sum(), labels, order, MAX_SWEEPS
    )
    return renumber_labels(labels)


def _split_disconnected(graph: Any, labels: Labels) -> Labels:
    """Split each community that is not connected into its connected components."""
    return renumber_labels(connected_components(graph, labels))


def node_volumes(graph: Any) -> Array:
    """Total weight of the edges of each node of a sparse graph: (n,), float64."""
    return np.asarray(graph.sum(axis=1), np.float64).ravel()


def renumber_labels(labels: NDArray[Any]) -> Labels:
    """Renumber the labels (n,) of a partition from 0 without gaps."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


@compiled
def _local_moving(
    indptr: Array,
    indices: Array,
    weights: Array,
    volumes: Array,
    resolution_per_volume: float,
    labels: Array,
    order: Array,
    max_sweeps: int,
) -> None:
    """Move each node to the neighbouring community with the largest gain, until no move gains; writes ``labels``."""
    n = len(order)
    community_volumes = np.zeros(n)
    for i in range(n):
        community_volumes[labels[i]] += volumes[i]
    queue = order.copy()
    waiting = np.ones(n, np.bool_)
    weight_to = np.zeros(n)  # weight of the edges from the node to each community
    seen = np.empty(n, np.int32)
    head, n_waiting = 0, n
    n_visits_left = max_sweeps * n
    while n_waiting > 0 and n_visits_left > 0:
        i = queue[head]
        head = (head + 1) % n
        n_waiting -= 1
        n_visits_left -= 1
        waiting[i] = False
        own = labels[i]
        n_seen = 0
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            if j != i:
                community = labels[j]
                if weight_to[community] == 0.0:
                    seen[n_seen] = community
                    n_seen += 1
                weight_to[community] += weights[e]
        community_volumes[own] -= volumes[i]
        best, best_gain = own, weight_to[own] - resolution_per_volume * volumes[i] * community_volumes[own]
        for s in range(n_seen):
            community = seen[s]
            gain = weight_to[community] - resolution_per_volume * volumes[i] * community_volumes[community]
            if gain > best_gain + 1e-12:
                best, best_gain = community, gain
        community_volumes[best] += volumes[i]
        for s in range(n_seen):
            weight_to[seen[s]] = 0.0
        if best != own:
            labels[i] = best
            for e in range(indptr[i], indptr[i + 1]):
                j = indices[e]
                if labels[j] != best and not waiting[j]:
                    waiting[j] = True
                    queue[(head + n_waiting) % n] = j
                    n_waiting += 1
