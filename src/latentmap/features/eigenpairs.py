"""The largest eigenvalues of a symmetric matrix, and their eigenvectors."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Matrix = NDArray[np.float64]


def largest_eigenpairs(matrix: Matrix, n_pairs: int) -> tuple[Matrix, Matrix]:
    """Compute the largest eigenvalues of a symmetric matrix.

    Parameters
    ----------
    matrix : array (n, n), float64
        It is overwritten.
    n_pairs : int
        Maximum number of eigenvalues.

    Returns
    -------
    values : array (k,), float64
        The largest first.
    vectors : array (n, k), float64
        Eigenvectors, known up to their sign.
    """
    n = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=(max(0, n - n_pairs), n - 1), overwrite_a=True, check_finite=False)
    return values[::-1], vectors[:, ::-1]
