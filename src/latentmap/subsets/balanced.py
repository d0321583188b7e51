"""Balance: equal numbers of picks from each part of the points, as far as each part has enough."""

import numpy as np
from numpy.typing import NDArray


def balanced_order(sizes: NDArray[np.int64], n: int, taken: NDArray[np.int64] | None = None) -> NDArray[np.intp]:
    """The part that each pick is from, such that the parts get equal numbers as far as each has enough.

    Each pick is from the part with the fewest picks among those that have points left; from the largest one of several
    with equally few.

    Parameters
    ----------
    sizes : array (p,), int
        Number of points in each part that can be picked.
    n : int
        Number of picks, at most the sum of the sizes.
    taken : array (p,), int, optional
        Number of points of each part that count as picked before the first pick; 0 by default.

    Returns
    -------
    array (n,), int
        Part of each pick, in order.

    Examples
    --------
    >>> balanced_order(np.array([2, 5, 1]), 6).tolist()
    [1, 0, 2, 1, 0, 1]
    """
    taken = np.zeros_like(sizes) if taken is None else taken
    parts = np.repeat(np.arange(len(sizes)), np.minimum(sizes, n))
    starts = np.cumsum(np.minimum(sizes, n)) - np.minimum(sizes, n)
    levels = np.arange(len(parts)) - starts[parts] + taken[parts]
    order = np.lexsort((parts, -sizes[parts], levels))
    found: NDArray[np.intp] = parts[order[:n]]
    return found
