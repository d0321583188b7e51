"""K-means against scikit-learn, scikit-learn-intelex and FAISS, on latent vectors of MNIST.

Run with ``python -m benchmarks.kmeans`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``.
"""

import os
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn import cluster
from sklearnex.cluster import KMeans as IntelKMeans

import latentmap as lm
from benchmarks.latents import drawn_latents, mnist_latents
from benchmarks.record import save
from benchmarks.rounds import in_turns, peaks

# FAISS makes as many iterations as it is told, and does not stop when nothing changes any more
CASES = {
    "60,000, k=10, 10 starts": {"n": 60_000, "k": 10, "n_init": 10, "faiss_iterations": 100, "rounds": 7},
    "60,000, k=100, 1 start": {"n": 60_000, "k": 100, "n_init": 1, "faiss_iterations": 100, "rounds": 5},
    "60,000, k=1,000, 1 start": {"n": 60_000, "k": 1000, "n_init": 1, "faiss_iterations": 50, "rounds": 3},
    "1,000,000, k=10, 3 starts": {"n": 1_000_000, "k": 10, "n_init": 3, "faiss_iterations": 100, "rounds": 3},
}


def main() -> None:
    faiss.omp_set_num_threads(os.cpu_count())
    best = peaks()
    results = {name: _measure(case, best) for name, case in CASES.items()}
    packages = ("numpy", "torch", "numba", "scikit-learn", "scikit-learn-intelex", "faiss-cpu")
    print(save("kmeans", {"peaks": best, "cases": results}, packages=packages))


def _measure(case: dict[str, int], best: dict[str, float]) -> dict[str, Any]:
    n, k, n_init = case["n"], case["k"], case["n_init"]
    X = mnist_latents()[:n] if n <= 60_000 else drawn_latents(n)
    kinds = {"latentmap": lm.KMeans, "scikit-learn": cluster.KMeans, "scikit-learn-intelex": IntelKMeans}
    sides: dict[str, Any] = {
        name: lambda seed, kind=kind: _fitted(kind(k, n_init=n_init, random_state=seed), X)
        for name, kind in kinds.items()
    }
    sides["FAISS"] = lambda seed: _faiss(X, k, n_init, case["faiss_iterations"], seed)
    for side in sides.values():
        side(1000)
    found = in_turns(sides, case["rounds"])
    for side in found.values():
        runs = side.pop("results")
        side["inertia"] = float(np.median([inertia for inertia, _ in runs]))
        side["iterations"] = float(np.median([n_iter for _, n_iter in runs]))
    ours = found["latentmap"]
    # what Lloyd's algorithm without bounds cannot be quicker than, and the time to read the points once an iteration
    products = 2 * n * X.shape[1] * k * n_init * ours["iterations"] / best["flops"]
    reading = X.nbytes * ours["iterations"] / best["bytes_per_second"]
    floor = {"products_seconds": products, "reading_seconds": reading}
    return {**case, "sides": found, "floor": floor}


def _fitted(model: Any, X: NDArray[np.float32]) -> tuple[float, int]:
    model.fit(X)
    return float(model.inertia_), int(model.n_iter_)


def _faiss(X: NDArray[np.float32], k: int, n_init: int, n_iter: int, seed: int) -> tuple[float, int]:
    model = faiss.Kmeans(X.shape[1], k, niter=n_iter, nredo=n_init, max_points_per_centroid=len(X), seed=seed + 1)
    model.train(X)
    return float(model.obj[-1]), n_iter


if __name__ == "__main__":
    main()
