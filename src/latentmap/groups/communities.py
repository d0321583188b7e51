"""Communities of a weighted graph: the partition whose edges lie within groups rather than between them.

The objective is modularity with a resolution. It is climbed by moving one node at a time, on the graph and on the
graphs of its communities, up and down again.

References
----------
Reichardt and Bornholdt (2006), Statistical mechanics of community detection: the resolution.
Blondel et al. (2008), Fast unfolding of communities in large networks: node moves, level by level.
Rotta and Noack (2011), Multilevel local search algorithms for modularity clustering: the way down again.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, compiled
from latentmap.groups.pieces import connected_pieces

Labels = NDArray[np.int32]
# Rounds up and down; each begins with the communities of the one before. Later ones gain next to nothing.
N_ROUNDS = 3
MAX_SWEEPS = 30  # visits of a node on one level, at most


def communities(graph: Any, resolution: float, random: np.random.RandomState) -> Labels:
    """Communities of a graph.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric, positive weights
    resolution : float
        Two communities belong together when the edges between them weigh more than this many times what they would
        if edges were drawn at random. The greater, the smaller the communities.
    random : RandomState
        For the order of visits.

    Returns
    -------
    array (n,), int32
        From 0, each a connected piece of the graph.
    """
    labels = np.arange(graph.shape[0], dtype=np.int32)
    for _ in range(N_ROUNDS):
        before = labels
        labels = _round(graph, volumes_of(graph), resolution, labels, random)
        if np.array_equal(before, labels):
            break
    return _connected(graph, labels)


def refine(graph: Any, resolution: float, labels: Labels, random: np.random.RandomState) -> Labels:
    """Move nodes between the given communities while that is better; returned as given if one would be emptied."""
    moved = _moved(graph, volumes_of(graph), resolution, labels, random)
    return moved if moved.max() == labels.max() else labels


def contracted(graph: Any, labels: Labels) -> Any:
    """The graph of the communities: weights of the edges between and within, as a sparse CSR matrix."""
    n, n_communities = graph.shape[0], int(labels.max()) + 1
    # sums of rows, then of columns, by one product: lists of all edges would take several times the graph
    begin = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n_communities))])
    members = sparse.csr_matrix((np.ones(n), np.argsort(labels, kind="stable"), begin), shape=(n_communities, n))
    columns = sparse.csr_matrix((graph.data, labels[graph.indices], graph.indptr), shape=(n, n_communities))
    small = (members @ columns).tocsr()
    small.sort_indices()
    return small


def _round(graph: Any, volumes: Array, resolution: float, labels: Labels, random: np.random.RandomState) -> Labels:
    """Move nodes, then their communities as nodes of a smaller graph and so on, then nodes once more."""
    labels = _moved(graph, volumes, resolution, labels, random)
    n_communities = int(labels.max()) + 1
    if n_communities == graph.shape[0]:
        return labels
    smaller = contracted(graph, labels)
    merged = _round(smaller, volumes_of(smaller), resolution, np.arange(n_communities, dtype=np.int32), random)
    return _moved(graph, volumes, resolution, merged[labels], random)


def _moved(graph: Any, volumes: Array, resolution: float, labels: Labels, random: np.random.RandomState) -> Labels:
    labels = labels.copy()
    order = random.permutation(graph.shape[0]).astype(np.int32)
    _move(graph.indptr, graph.indices, graph.data, volumes, resolution / volumes.sum(), labels, order, MAX_SWEEPS)
    return renumbered(labels)


def _connected(graph: Any, labels: Labels) -> Labels:
    """Communities, each that is in several pieces taken apart."""
    return renumbered(connected_pieces(graph, labels))


def volumes_of(graph: Any) -> Array:
    """Weight of all edges of each node, (n,)."""
    return np.asarray(graph.sum(axis=1), np.float64).ravel()


def renumbered(labels: NDArray[Any]) -> Labels:
    """The same partition, numbered from 0."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int32)


@compiled
def _move(
    begin: Array,
    neighbors: Array,
    weights: Array,
    volumes: Array,
    pull: float,
    labels: Array,
    order: Array,
    sweeps: int,
) -> None:
    """Move each node into the neighbouring community that gains most, until none gains; ``labels`` is written."""
    n = len(order)
    total = np.zeros(n)  # volume of each community
    for i in range(n):
        total[labels[i]] += volumes[i]
    queue = order.copy()
    waiting = np.ones(n, np.bool_)
    to = np.zeros(n)  # weight from the node to each community
    seen = np.empty(n, np.int32)
    head, n_waiting = 0, n
    left = sweeps * n
    while n_waiting > 0 and left > 0:
        i = queue[head]
        head = (head + 1) % n
        n_waiting -= 1
        left -= 1
        waiting[i] = False
        own = labels[i]
        n_seen = 0
        for e in range(begin[i], begin[i + 1]):
            j = neighbors[e]
            if j != i:
                community = labels[j]
                if to[community] == 0.0:
                    seen[n_seen] = community
                    n_seen += 1
                to[community] += weights[e]
        total[own] -= volumes[i]
        best, most = own, to[own] - pull * volumes[i] * total[own]
        for s in range(n_seen):
            community = seen[s]
            gain = to[community] - pull * volumes[i] * total[community]
            if gain > most + 1e-12:
                best, most = community, gain
        total[best] += volumes[i]
        for s in range(n_seen):
            to[seen[s]] = 0.0
        if best != own:
            labels[i] = best
            for e in range(begin[i], begin[i + 1]):
                j = neighbors[e]
                if labels[j] != best and not waiting[j]:
                    waiting[j] = True
                    queue[(head + n_waiting) % n] = j
                    n_waiting += 1
