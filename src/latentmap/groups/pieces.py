"""Pieces of a graph: the connected ones, and the one that some nodes make, without copies of all edges."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.core.parallel import Array, compiled


def connected_pieces(graph: Any, labels: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """The piece of each node of a symmetric sparse graph, numbered by their first nodes: (n,), int32.

    With ``labels`` only edges between nodes of one label count.
    """
    n = graph.shape[0]
    pieces = np.full(n, -1, np.int32)
    _spread(graph.indptr, graph.indices, np.zeros(n, np.int32) if labels is None else labels, pieces)
    return pieces


@compiled
def _spread(indptr: Array, indices: Array, labels: Array, pieces: Array) -> None:
    waiting = np.empty(len(pieces), np.int32)
    number = 0
    for first in range(len(pieces)):
        if pieces[first] >= 0:
            continue
        pieces[first] = number
        waiting[0] = first
        n_waiting = 1
        while n_waiting > 0:
            n_waiting -= 1
            node = waiting[n_waiting]
            for edge in range(indptr[node], indptr[node + 1]):
                other = indices[edge]
                if pieces[other] < 0 and labels[other] == labels[node]:
                    pieces[other] = number
                    waiting[n_waiting] = other
                    n_waiting += 1
        number += 1


def induced(graph: Any, rows: NDArray[np.intp]) -> Any:
    """The graph that some nodes, ascending, make among themselves: sparse CSR (len(rows), len(rows))."""
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
    put = 0
    for i in range(len(rows)):
        for edge in range(indptr[rows[i]], indptr[rows[i] + 1]):
            if place[indices[edge]] >= 0:
                out[0][put] = place[indices[edge]]
                out[1][put] = data[edge]
                put += 1
