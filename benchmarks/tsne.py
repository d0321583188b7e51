"""t-SNE against scikit-learn and openTSNE, on latent vectors of MNIST, and its cost against the number of points.

Run with ``python -m benchmarks.tsne`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import openTSNE
import torch
from numpy.typing import NDArray
from scipy import fft
from sklearn import manifold
from sklearn.neighbors import NearestNeighbors

import latentmap as lm
from benchmarks.latents import drawn_latents, mnist_latents
from benchmarks.record import peak_memory, save
from benchmarks.rounds import ROUNDS, in_turns, peaks
from latentmap.neighbors.index import n_scanned_among

SIZES = (10_000, 70_000, 300_000, 1_000_000)
JOBS = os.cpu_count() or 1
FEW, FEW_PERPLEXITY, MANY_PERPLEXITY = 5_000, 15, 30


def main() -> None:
    if sys.argv[1:2] == ["--size"]:
        print(json.dumps(_grown(int(sys.argv[2]))))
        return
    latents = mnist_latents()
    best = peaks()
    results = {
        "peaks": best,
        "compile_seconds": _compile_seconds(),
        "few": _few(latents[:FEW]),
        "many": _many(latents),
        "neighbors": _recall(latents),
        "neighbors_of_most": _recall(drawn_latents(SIZES[-1])),
        "floor": _floor(latents, best),
        "growth": [_in_a_process(n) for n in SIZES],
    }
    print(save("tsne", results, packages=("numpy", "torch", "numba", "scikit-learn", "openTSNE")))


def _few(X: NDArray[np.float32]) -> dict[str, Any]:
    """5,000 points at perplexity 15, with the defaults of each."""
    sides = {
        "latentmap": _latentmap(X, FEW_PERPLEXITY),
        "scikit-learn": _scikit_learn(X, FEW_PERPLEXITY),
        "openTSNE, tree": _opentsne(X, FEW_PERPLEXITY, "bh"),
        "openTSNE, FFT": _opentsne(X, FEW_PERPLEXITY, "fft"),
    }
    return _compared(X, FEW_PERPLEXITY, sides)


def _many(X: NDArray[np.float32]) -> dict[str, Any]:
    """70,000 points at perplexity 30, with the defaults of each."""
    sides = {"latentmap": _latentmap(X, MANY_PERPLEXITY), "openTSNE, FFT": _opentsne(X, MANY_PERPLEXITY, "fft")}
    return _compared(X, MANY_PERPLEXITY, sides)


def _latentmap(X: NDArray[np.float32], perplexity: float) -> Callable[[int], NDArray[np.float32]]:
    return lambda seed: lm.TSNE(perplexity=perplexity, random_state=seed).fit_transform(X)


def _scikit_learn(X: NDArray[np.float32], perplexity: float) -> Callable[[int], NDArray[np.float32]]:
    return lambda seed: manifold.TSNE(perplexity=perplexity, random_state=seed, n_jobs=JOBS).fit_transform(X)


def _opentsne(X: NDArray[np.float32], perplexity: float, method: str) -> Callable[[int], NDArray[np.float32]]:
    return lambda seed: np.asarray(
        openTSNE.TSNE(perplexity=perplexity, random_state=seed, n_jobs=JOBS, negative_gradient_method=method).fit(X)
    )


def _compared(X: NDArray[np.float32], perplexity: float, sides: dict[str, Any]) -> dict[str, Any]:
    _latentmap(X[:3000], perplexity)(0)  # compiled, or read from disk
    found = in_turns(sides, ROUNDS)
    P = affinities(X, perplexity)
    for side in found.values():
        maps = side.pop("results")
        side["divergence"] = float(np.median([divergence(P, Y) for Y in maps]))
        side["trustworthiness"] = float(np.median([lm.metrics.trustworthiness(X, Y) for Y in maps]))
    return found


def affinities(X: NDArray[np.float32], perplexity: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Symmetric affinities by the definition, in double precision, from exact neighbours: rows, columns, values."""
    n, k = len(X), int(3 * perplexity + 1)
    distances, columns = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=JOBS).fit(X).kneighbors()
    squares = distances.astype(np.float64) ** 2
    squares -= squares[:, :1]
    low, high = np.full((n, 1), -50.0), np.full((n, 1), 50.0)
    for _ in range(60):
        middle = (low + high) / 2
        p = np.exp(-np.exp(middle) * squares)
        p /= p.sum(1, keepdims=True)
        entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(1, keepdims=True)
        low, high = (
            np.where(entropy > np.log(perplexity), middle, low),
            np.where(entropy > np.log(perplexity), high, middle),
        )
    rows = np.repeat(np.arange(n), k)
    columns, p = columns.ravel(), p.ravel() / (2 * n)
    # both directions; an edge found from both ends is one with the sum of its values
    keys = np.concatenate([rows * n + columns, columns * n + rows])
    keys, place = np.unique(keys, return_inverse=True)
    values = np.bincount(place, weights=np.concatenate([p, p]))
    return keys // n, keys % n, values


def divergence(P: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], embedding: NDArray[Any]) -> float:
    """KL(P || Q) by the definition, over all pairs, in double precision."""
    rows, columns, values = P
    Y = torch.from_numpy(np.asarray(embedding, np.float64))
    total = 0.0
    for block in Y.split(1000):
        total += float((1 / (1 + torch.cdist(block, Y, compute_mode="donot_use_mm_for_euclid_dist") ** 2)).sum())
    total -= len(Y)
    near = 1 + ((Y[rows] - Y[columns]) ** 2).sum(1).numpy()
    return float((values * np.log(values * near * total)).sum())


def _recall(X: NDArray[np.float32]) -> dict[str, float]:
    """Seconds of the neighbour search, and the share of the true neighbours that it finds, of 2,000 points."""
    k = 3 * MANY_PERPLEXITY + 1
    begun = time.perf_counter()
    found = lm.nearest_neighbors(X, k).indices
    seconds = time.perf_counter() - begun
    chosen = np.random.default_rng(0).choice(len(X), 2000, replace=False)
    true = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(X).kneighbors(X[chosen])[1]
    shares = [len(set(found[i]) & (set(row) - {i})) / k for i, row in zip(chosen.tolist(), true.tolist(), strict=True)]
    return {"seconds": seconds, "recall": float(np.mean(shares))}


def _floor(X: NDArray[np.float32], best: dict[str, float]) -> dict[str, float]:
    """Seconds that the operations and the bytes of a fit take at this machine's best: neighbours, then iterations."""
    n, d = X.shape
    model = lm.TSNE(perplexity=MANY_PERPLEXITY, random_state=0)
    n_iter = model.max_iter
    Y = model.fit_transform(X)
    # edges of the upper triangle, an index and a value each; the points themselves fit into the cache
    n_edges = len(affinities(X, MANY_PERPLEXITY)[2]) / 2
    nodes = [fft.next_fast_len(int(2 * extent / 0.5), real=True) for extent in np.ptp(Y, axis=0)]
    transforms = 2 * 2.5 * np.prod(nodes) * np.log2(np.prod(nodes))
    return {
        "neighbors": 2 * n * n_scanned_among(n) * d / best["flops"],
        "attraction": n_iter * n_edges * 8 / best["bytes_per_second"],
        # 9 operations for each pair in the plane, 16 nodes spread and read for each point
        "edges": n_iter * n_edges * 14 / best["flops"],
        "repulsion": n_iter * (transforms + n * 16 * 8) / best["flops"],
    }


def _compile_seconds() -> float:
    """What the first call of all takes: the warm-up without a cache, less the warm-up with it."""
    with tempfile.TemporaryDirectory() as cache:
        seconds = []
        for _ in range(2):
            begun = time.perf_counter()
            environment = os.environ | {"NUMBA_CACHE_DIR": cache}
            subprocess.run([sys.executable, "-m", "latentmap.run.warmup"], env=environment, check=True)
            seconds.append(time.perf_counter() - begun)
    return seconds[0] - seconds[1]


def _in_a_process(n: int) -> dict[str, float]:
    """Time and memory of one size, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.tsne", "--size", str(n)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(found, flush=True)
    return found


def _grown(n: int) -> dict[str, float]:
    X = mnist_latents()[:n] if n <= 70_000 else drawn_latents(SIZES[-1])[:n].copy()
    lm.TSNE(random_state=0, max_iter=250).fit(X[:3000])
    begun = time.perf_counter()
    model = lm.TSNE(random_state=0).fit(X)
    seconds = time.perf_counter() - begun
    return {"n": n, "seconds": seconds, "divergence": model.kl_divergence_, "peak_gib": peak_memory() / 2**30}


if __name__ == "__main__":
    main()
