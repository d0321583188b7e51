"""Lloyd's algorithm for K-means, run on several starts at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Workers
from latentmap.kmeans.assignment import Assignment, squared_distances


@dataclass(frozen=True)
class LloydResult:
    """Result of one start.

    Attributes
    ----------
    labels : array (n,), int32
    inertia : float
        Weighted sum of squared distances of the points to their closest centre.
    centers : array (k, d), of the type of the data
    n_iter : int
    stop_reason : str
        Sentence that says why the iteration stopped.
    """

    labels: NDArray[np.int32]
    inertia: float
    centers: NDArray[Any]
    n_iter: int
    stop_reason: str


# Called with (start, iteration, centres (k, d), labels (n,)) after each assignment of a start.
OnAssignment = Callable[[int, int, NDArray[Any], NDArray[np.int32]], None]


def lloyd(
    X: NDArray[Any],
    weights: NDArray[Any],
    starts: NDArray[Any],
    *,
    max_iter: int,
    tol: float,
    workers: Workers,
    on_assignment: OnAssignment | None = None,
    on_end: Callable[[LloydResult], None] | None = None,
) -> list[LloydResult]:
    """Run Lloyd's algorithm on all starts together.

    A start stops when no label changes, when its centres move by no more than the tolerance, or after ``max_iter``
    iterations; the other starts continue. Iterations are counted as scikit-learn counts them: an iteration that changes
    no label counts, the final assignment after any other stop does not.

    Parameters
    ----------
    X : array (n, d), float32 or float64, C order
        Should have mean zero.
    weights : array (n,), of the type of X
    starts : array (n_starts, k, d), of the type of X
        Initial centres.
    max_iter : int
    tol : float
        Largest sum of squared centre shifts at which a start has converged.
    workers : Workers
    on_assignment : callable, optional
        Called with ``(start, iteration, centers, labels)`` after each assignment of each start.
    on_end : callable, optional
        Called with the :class:`LloydResult` of each start when it stops.

    Returns
    -------
    list of LloydResult
        One for each start.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM.
    """
    centers = np.array(starts)
    n_starts, k, _ = centers.shape
    assignment = Assignment(X, weights, n_starts=n_starts, n_clusters=k, workers=workers)
    results: dict[int, LloydResult] = {}

    def notify(start: int, iteration: int) -> None:
        if on_assignment is not None:
            on_assignment(start, iteration, centers[start], assignment.labels[start])

    def finish(start: int, n_iter: int, stop_reason: str) -> None:
        labels = assignment.labels[start].copy()
        inertia = float((squared_distances(X, centers[start], labels, workers) * weights).sum())
        results[start] = LloydResult(labels, inertia, centers[start].copy(), n_iter, stop_reason)
        if on_end is not None:
            on_end(results[start])

    active = list(range(n_starts))
    for iteration in range(max_iter):
        changed = assignment.update(centers[active], active)
        means = _update_centers(X, assignment, active, centers, workers)
        center_shifts = ((means.astype(np.float64) - centers[active]) ** 2).sum((1, 2))
        stopped = []
        for start, center, n_changed, center_shift in zip(active, means, changed, center_shifts, strict=True):
            notify(start, iteration)
            centers[start] = center
            if n_changed == 0:
                finish(start, iteration + 1, f"Converged at iteration {iteration}: strict convergence.")
            elif center_shift <= tol:
                reason = f"Converged at iteration {iteration}: center shift {center_shift} within tolerance {tol}."
                stopped.append((start, reason))
            elif iteration + 1 == max_iter:
                stopped.append((start, f"Stopped after {max_iter} iterations."))
        for start, stop_reason in stopped:
            assignment.update(centers[[start]], [start])
            notify(start, iteration + 1)
            finish(start, iteration + 1, stop_reason)
        active = [start for start in active if start not in results]
        if not active:
            break
    return [results[start] for start in range(n_starts)]


def _update_centers(
    X: NDArray[Any], assignment: Assignment, starts: list[int], centers: NDArray[Any], workers: Workers
) -> NDArray[Any]:
    """Weighted means of the clusters; an empty cluster gets the point that is farthest from its own centre."""
    sums, weights, counts = assignment.sums[starts], assignment.weights[starts], assignment.counts[starts]
    for row in np.flatnonzero((counts == 0).any(1)):
        sums[row], weights[row] = _relocate_empty_clusters(X, assignment, starts[row], centers[starts[row]], workers)
    means = sums / np.where(weights > 0, weights, 1)[:, :, None]
    for row, cluster in np.argwhere(weights <= 0):  # it cannot be relocated: all points lie on a centre
        means[row, cluster] = means[row, weights[row].argmax()]
    return means.astype(centers.dtype)


def _relocate_empty_clusters(
    X: NDArray[Any], assignment: Assignment, start: int, centers: NDArray[Any], workers: Workers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and weights after the farthest points moved from their clusters into the empty ones, as in scikit-learn."""
    labels = assignment.labels[start]
    sums, weights = assignment.sums[start].copy(), assignment.weights[start].copy()
    empty = np.flatnonzero(assignment.counts[start] == 0)
    sums[empty], weights[empty] = 0, 0
    distances = squared_distances(X, centers, labels, workers)
    if distances.max() == 0:
        return sums, weights
    for cluster, point in zip(empty, np.argpartition(distances, -len(empty))[: -len(empty) - 1 : -1], strict=True):
        weight = assignment.point_weights[point]
        sums[labels[point]] -= weight * X[point].astype(np.float64)
        weights[labels[point]] -= weight
        sums[cluster], weights[cluster] = weight * X[point].astype(np.float64), weight
    return sums, weights
