"""Connected components and induced subgraphs of sparse graphs, without copies of all edges."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, compiled


def connected_components(graph: Any, labels: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """Find the connected components of a symmetric graph.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n), symmetric
    labels : array (n,), int32, optional
        Only edges between nodes with the same label count.

    Returns
    -------
    array (n,), int32
        Component of each node; components are numbered by their first nodes.
    """
    # scipy.sparse.csgraph.connected_components copies the graph, and cannot ignore the edges between labels
    n = graph.shape[0]
    components = np.full(n, -1, np.int32)
    _label_components(graph.indptr, graph.indices, np.zeros(n, np.int32) if labels is None else labels, components)
    return components


@compiled
def _label_components(indptr: Array, indices: Array, labels: Array, components: Array) -> None:
    stack = np.empty(len(components), np.int32)
    component = 0
    for first in range(len(components)):
        if components[first] >= 0:
            continue
        components[first] = component
        stack[0] = first
        n_stacked = 1
        while n_stacked > 0:
            n_stacked -= 1
            node = stack[n_stacked]
            for edge in range(indptr[node], indptr[node + 1]):
                other = indices[edge]
                if components[other] < 0 and labels[other] == labels[node]:
                    components[other] = component
                    stack[n_stacked] = other
                    n_stacked += 1
        component += 1


def induced_subgraph(graph: Any, rows: NDArray[np.intp]) -> Any:
    """Extract the subgraph of some nodes.

    Parameters
    ----------
    graph : sparse CSR matrix (n, n)
    rows : array (m,), int
        The nodes, ascending.

    Returns
    -------
    sparse CSR matrix (m, m)
    """
    # graph[rows][:, rows] copies all edges of the rows first
    place = np.full(graph.shape[0], -1, np.int32)
    place[rows] = np.arange(len(rows))
    begin = np.zeros(len(rows) + 1, np.int32 if graph.nnz <= np.iinfo(np.int32).max else np.int64)
    _count_within(graph.indptr, graph.indices, rows, place, begin)
    begin = np.cumsum(begin, dtype=begin.dtype)
    indices, data = np.empty(begin[-1], np.int32), np.empty(begin[-1], graph.data.dtype)
    _copy_within(graph.indptr, graph.indices, graph.data, rows, place, (indices, data))
    return sparse.csr_matrix((data, indices, begin), shape=(len(rows), len(rows)))


@compiled
def _count_within(indptr: Array, indices: Array, rows: Array, place: Array, counts: Array) -> None:
    for i in range(len(rows)):
        for edge in range(indptr[rows[i]], indptr[rows[i] + 1]):
            if place[indices[edge]] >= 0:
                counts[i + 1] += 1


@compiled
def _copy_within(
    indptr: Array, indices: Array, data: Array, rows: Array, place: Array, out: tuple[Array, Array]
) -> None:
    n_copied = 0
    for i in range(len(rows)):
        for edge in range(indptr[rows[i]], indptr[rows[i] + 1]):
            if place[indices[edge]] >= 0:
                out[0][n_copied] = place[indices[edge]]
                out[1][n_copied] = data[edge]
                n_copied += 1
