"""Exact search for the nearest points on a device, by products of matrices and a selection that torch provides.

Each chunk of queries is multiplied with all points; the points with the largest products are candidates, whose
distances are then computed from differences. A chunk takes a bounded part of the free memory of the device, and is
halved if that does not suffice.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentmap.core.devices import full_precision, rows_that_fit, run_in_chunks
from latentmap.core.scaling import PowerOfTwoScaler
from latentmap.neighbors.index import CANCELLATION_FRACTION, MAX_SAFE_EXPONENT, order_centers

MAX_QUERIES = 8192  # in a chunk; more of them do not make products faster
N_EXTRA_CANDIDATES = 8  # beyond k, since rounding moves points of nearly equal distance across the border
PRODUCT_COPIES = 3  # of the products of a query, for their selection


class DeviceIndex:
    """Index of points for exact nearest-neighbour search by Euclidean distance on a device.

    Parameters
    ----------
    X : array (n, d), float32 or float64
    device : torch.device

    Attributes
    ----------
    order : array (n,), int
        Rows of X sorted by the nearest of 2 √n points, so that neighbours are close to each other in this order.
    """

    def __init__(self, X: NDArray[Any], device: torch.device) -> None:
        self._scaler = PowerOfTwoScaler.fit(X)
        self._dtype = X.dtype if abs(self._scaler.exponent) < MAX_SAFE_EXPONENT else np.dtype(np.float64)
        self._device = device
        self._points = self._to_device(X)
        self._half_norms = self._points.square().sum(1) / 2
        self.order = self._order()

    def graph(self, k: int) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Find the k nearest neighbours of each point, the point itself excluded.

        Parameters
        ----------
        k : int
            From 1 to n - 1.

        Returns
        -------
        indices : array (n, k), int32
            Rows of the neighbours, nearest first.
        distances : array (n, k), float32 or float64
            Distances in the unit of X.
        """
        return self._search(self._points, k, is_graph=True)

    def query(self, X: NDArray[Any], k: int) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Find the k points nearest to each query.

        Parameters
        ----------
        X : array (m, d), float32 or float64
            Queries.
        k : int
            From 1 to n.

        Returns
        -------
        indices : array (m, k), int32
            Rows of the nearest points, nearest first.
        distances : array (m, k), float32 or float64
            Distances in the unit of the indexed points.
        """
        return self._search(self._to_device(X), k, is_graph=False)

    def _to_device(self, X: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self._scaler.transform(X), np.float32)).to(self._device)

    def _search(
        self, queries: Tensor, k: int, *, is_graph: bool
    ) -> tuple[NDArray[np.int32], NDArray[np.floating[Any]]]:
        """Search for queries, which are the points themselves for a graph; return rows and distances."""
        m = len(queries)
        n, d = self._points.shape
        indices, distances = np.empty((m, k), np.int32), np.empty((m, k), self._dtype)
        row_bytes = 4 * (PRODUCT_COPIES * n + 2 * (k + N_EXTRA_CANDIDATES) * (d + 4))

        def search(rows: slice) -> None:
            chunk = queries[rows]
            itself = torch.arange(rows.start, rows.stop, device=self._device) if is_graph else None
            found, squares = self._nearest(chunk, k, itself)
            indices[rows] = found.to(torch.int32).cpu().numpy()
            distances[rows] = squares.sqrt_().cpu().numpy()

        with full_precision(), torch.inference_mode():
            run_in_chunks(search, m, rows_that_fit(row_bytes, self._device, MAX_QUERIES), "queries")
        return indices, np.ldexp(distances, self._scaler.exponent, out=distances)

    def _nearest(self, queries: Tensor, k: int, itself: Tensor | None) -> tuple[Tensor, Tensor]:
        """Rows (m, k) and squared distances (m, k) of the nearest points, nearest first, without ``itself`` (m,)."""
        n_candidates = min(len(self._points) - (itself is not None), k + N_EXTRA_CANDIDATES)
        # the nearest point y of a query x maximizes x·y - |y|²/2
        products = torch.addmm(self._half_norms, queries, self._points.t(), beta=-1)
        if itself is not None:
            products.scatter_(1, itself[:, None], -torch.inf)
        candidates = products.topk(n_candidates, dim=1, sorted=False).indices
        del products
        squares = (self._points[candidates] - queries[:, None]).square_().sum(2)
        squares, order = squares.sort(dim=1)
        found, squares = candidates.gather(1, order[:, :k]), squares[:, :k]
        is_too_close = squares[:, -1] < CANCELLATION_FRACTION * queries.square().sum(1)
        close = is_too_close.nonzero().flatten()
        if len(close):
            found[close], squares[close] = self._nearest_by_differences(
                queries[close], k, None if itself is None else itself[close]
            )
        return found, squares

    def _nearest_by_differences(self, queries: Tensor, k: int, itself: Tensor | None) -> tuple[Tensor, Tensor]:
        """As ``_nearest``, for points too close for products to tell them apart."""
        distances = torch.cdist(queries, self._points, compute_mode="donot_use_mm_for_euclid_dist")
        if itself is not None:
            distances.scatter_(1, itself[:, None], torch.inf)
        nearest, found = distances.topk(k, dim=1, largest=False, sorted=True)
        return found, nearest.square_()

    def _order(self) -> NDArray[np.intp]:
        """Rows of the points, sorted by the nearest of some points that are ordered along a chain."""
        n = len(self._points)
        rows = np.random.default_rng(0).choice(n, min(n, round(2 * np.sqrt(n))), replace=False)
        centers = self._points[torch.from_numpy(rows).to(self._device)]
        chain = order_centers(centers.cpu().numpy())
        centers = centers[torch.tensor(chain, device=self._device)]
        half_norms = centers.square().sum(1) / 2
        labels = np.empty(n, np.int32)

        def assign(part: slice) -> None:
            products = torch.addmm(half_norms, self._points[part], centers.t(), beta=-1)
            labels[part] = products.argmax(1).to(torch.int32).cpu().numpy()

        row_bytes = 4 * PRODUCT_COPIES * len(centers)
        run_in_chunks(assign, n, rows_that_fit(row_bytes, self._device, n), "points")
        return np.argsort(labels, kind="stable")
