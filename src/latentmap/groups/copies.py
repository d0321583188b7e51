"""Copies among points.

Many copies of one point are each other's nearest neighbours, and would be a group of their own. Groups are therefore
found among one point of each set of copies.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from latentmap.groups.components import connected_components
from latentmap.neighbors import NeighborGraph

# Points nearer than this fraction of a usual distance are copies that differ by rounding. The usual distance is this
# quantile, so that it is not one between copies unless nearly all points are.
ROUNDING, USUAL = 1e-4, 0.9


def first_copies(neighbors: NeighborGraph) -> NDArray[np.int64]:
    """Find the first of the copies of each point.

    Parameters
    ----------
    neighbors : NeighborGraph
        Neighbours of n points.

    Returns
    -------
    array (n,), int64
        Row of the first copy; the row of the point itself if it is the first or has none.
    """
    n, k = neighbors.indices.shape
    lengths = neighbors.distances
    is_copy = (lengths <= ROUNDING * np.quantile(lengths[:, -1], USUAL)) & np.isfinite(lengths)
    if not is_copy.any():
        return np.arange(n)
    edges = (np.repeat(np.arange(n), k)[is_copy.ravel()], neighbors.indices[is_copy])
    directed = sparse.csr_matrix((np.ones(len(edges[0])), edges), shape=(n, n))
    components = connected_components((directed + directed.T).tocsr())
    _, firsts = np.unique(components, return_index=True)
    found: NDArray[np.int64] = firsts[components].astype(np.int64)
    return found
