"""Lloyd's algorithm (1982) on several starts at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.parallel import Workers
from latentmap.kmeans.assignment import Assignment, squared_distances


@dataclass(frozen=True)
class Start:
    """Where one start ended: labels (n,), inertia, centres (k, d), the iterations that it took, and why it ended."""

    labels: NDArray[np.int32]
    inertia: float
    centers: NDArray[Any]
    n_iter: int
    why: str


# (start, iteration, centres, labels) after each assignment of each start
Watcher = Callable[[int, int, NDArray[Any], NDArray[np.int32]], None]


def lloyd(
    X: NDArray[Any],
    weights: NDArray[Any],
    starts: NDArray[Any],
    *,
    max_iter: int,
    tol: float,
    workers: Workers,
    watch: Watcher | None = None,
    ended: Callable[[Start], None] | None = None,
) -> list[Start]:
    """Advance all starts together until no label changes, the centres rest, or ``max_iter``.

    A start that has ended leaves, and the others go on. Iterations are counted as scikit-learn does: the one that
    finds nothing to change counts, the last assignment after any other end does not.

    Parameters
    ----------
    X : array (n, d), float32 or float64, C order, mean zero
    weights : array (n,) of the same type
    starts : array (n_starts, k, d) of the same type
    max_iter : int
    tol : float
        Sum of the squared moves of the centres at which they are taken to rest.
    workers : Workers
    watch : callable, optional
        Called after each assignment of each start.
    ended : callable, optional
        Called with the result of each start when it ends.
    """
    centers = np.array(starts)
    n_starts, k, _ = centers.shape
    assignment = Assignment(X, weights, n_starts=n_starts, n_clusters=k, workers=workers)
    results: dict[int, Start] = {}

    def look(start: int, iteration: int) -> None:
        if watch is not None:
            watch(start, iteration, centers[start], assignment.labels[start])

    def end(start: int, n_iter: int, why: str) -> None:
        labels = assignment.labels[start].copy()
        inertia = float((squared_distances(X, centers[start], labels, workers) * weights).sum())
        results[start] = Start(labels, inertia, centers[start].copy(), n_iter, why)
        if ended is not None:
            ended(results[start])

    active = list(range(n_starts))
    for iteration in range(max_iter):
        changed = assignment.update(centers[active], active)
        means = _means(X, assignment, active, centers, workers)
        shifts = ((means.astype(np.float64) - centers[active]) ** 2).sum((1, 2))
        resting = []
        for start, moved, n_changed, shift in zip(active, means, changed, shifts, strict=True):
            look(start, iteration)
            centers[start] = moved
            if n_changed == 0:
                end(start, iteration + 1, f"Converged at iteration {iteration}: strict convergence.")
            elif shift <= tol:
                resting.append(
                    (start, f"Converged at iteration {iteration}: center shift {shift} within tolerance {tol}.")
                )
            elif iteration + 1 == max_iter:
                resting.append((start, f"Stopped after {max_iter} iterations."))
        for start, why in resting:
            assignment.update(centers[[start]], [start])
            look(start, iteration + 1)
            end(start, iteration + 1, why)
        active = [start for start in active if start not in results]
        if not active:
            break
    return [results[start] for start in range(n_starts)]


def _means(
    X: NDArray[Any], assignment: Assignment, starts: list[int], centers: NDArray[Any], workers: Workers
) -> NDArray[Any]:
    """Weighted means of the clusters; one without members gets the point that is farthest from its own centre."""
    sums, weights, counts = assignment.sums[starts], assignment.weights[starts], assignment.counts[starts]
    for row in np.flatnonzero((counts == 0).any(1)):
        sums[row], weights[row] = _relocate(X, assignment, starts[row], centers[starts[row]], workers)
    means = sums / np.where(weights > 0, weights, 1)[:, :, None]
    for row, cluster in np.argwhere(weights <= 0):  # nowhere to relocate it to: all points lie on a centre
        means[row, cluster] = means[row, weights[row].argmax()]
    return means.astype(centers.dtype)


def _relocate(
    X: NDArray[Any], assignment: Assignment, start: int, centers: NDArray[Any], workers: Workers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and weights with the farthest points moved from their clusters into the empty ones, as scikit-learn does."""
    labels = assignment.labels[start]
    sums, weights = assignment.sums[start].copy(), assignment.weights[start].copy()
    empty = np.flatnonzero(assignment.counts[start] == 0)
    sums[empty], weights[empty] = 0, 0
    distances = squared_distances(X, centers, labels, workers)
    if distances.max() == 0:
        return sums, weights
    for cluster, point in zip(empty, np.argpartition(distances, -len(empty))[: -len(empty) - 1 : -1], strict=True):
        part = assignment.point_weights[point]
        sums[labels[point]] -= part * X[point].astype(np.float64)
        weights[labels[point]] -= part
        sums[cluster], weights[cluster] = part * X[point].astype(np.float64), part
    return sums, weights
