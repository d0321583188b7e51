"""Connected components of sparse graphs, without copies of all edges."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
