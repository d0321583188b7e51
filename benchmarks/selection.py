"""Labels needed for MNIST by strategy of selection, spread by LabelSpreading.

Run with ``python -m benchmarks.selection``. Draws docs/images/selection.png as well. ``--n 12000`` takes a sample of
the digits, and ``--draw`` only draws the results again. Features, groups and graph are those of ``latentmap run``,
and labels are spread as by ``latentmap label``. Random choice, k-center and entropy sampling are the other
strategies: k-center picks the image that is farthest from all picks, and entropy sampling those whose spread label
has the largest entropy, in batches between the numbers of labels, from ten random images on.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import latentmap as lm
from benchmarks.record import load, save
from latentmap.groups.graph import affinity_graph, default_neighbors
from latentmap.groups.stability import neighbors_to_search
from latentmap.subsets import GroupedPoints, doubtful_points, facility_location, mixed_points, typical_points

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "selection.png"
BUDGETS = (10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 400, 500, 700, 1_000, 1_500, 2_000, 3_000)
COLORS = {
    "mixed, asked again": "#009e73",
    "mixed": "#56b4e9",
    "typical": "#0072b2",
    "coverage": "#cc79a7",
    "doubt": "#f0e442",
    "random": "#57606a",
    "k-center": "#e69f00",
    "entropy": "#d55e00",
}

RANDOM = ("random", "k-center", "entropy")  # strategies that begin at random
N_SEEDS = 5  # of these strategies, whose accuracies are medians

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Digits:
    """Digits as a run has them: features, groups, doubts and graph; and their labels."""

    data: GroupedPoints
    doubts: NDArray[np.float32]
    graph: Any
    labels: NDArray[np.uint8]

    def spread(self, rows: Rows) -> lm.LabelSpreading:
        """The labels of some digits, spread to all."""
        given = np.full(len(self.labels), -1)
        given[rows] = self.labels[rows]
        return lm.LabelSpreading(class_weight="balanced").fit(self.data.points, given, graph=self.graph)

    def accuracy(self, rows: Rows) -> float:
        """Fraction of the other digits that get the right label."""
        others = np.setdiff1d(np.arange(len(self.labels)), rows)
        return float((self.spread(rows).transduction_[others] == self.labels[others]).mean())

    def after(self, rows: Rows) -> GroupedPoints:
        """The digits once some are labelled."""
        return replace(self.data, rows=np.setdiff1d(self.data.rows, rows), chosen=rows)


Selecting = Callable[[Digits, int, int, Rows], Rows]  # from digits, a number, a seed and what is labelled to more rows


def main() -> None:
    """Measure the curves and draw them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection")
    parser.add_argument("--n", type=int, default=70_000, help="number of digits")
    parser.add_argument("--draw", action="store_true", help="only draw the results again")
    given = parser.parse_args()
    if not given.draw:
        digits = load_digits(given.n)
        results: dict[str, Any] = {"n": given.n, "budgets": [k for k in BUDGETS if k <= given.n // 4]}
        results["curves"] = _curves(digits, results["budgets"])
        print(save("selection", results, packages=("numpy", "scikit-learn")))
    _draw(load("selection")["results"])


def load_digits(n: int) -> Digits:
    """So many digits, as a run has them."""
    images, labels = lm.load_mnist("all")
    rows = np.random.RandomState(0).permutation(len(images))[:n]
    images, labels = images[rows], labels[rows]
    points = lm.ImageFeatures(random_state=0).fit_transform(images)
    k = default_neighbors(n)
    neighbors = lm.nearest_neighbors(points, neighbors_to_search(k, n))
    groups = lm.GraphClustering(random_state=0).fit(points, neighbors=neighbors)
    print(f"{n:,} digits in {groups.n_clusters_} groups", flush=True)
    data = GroupedPoints.all_of(points, groups.labels_)
    return Digits(data, 1 - groups.confidence_, affinity_graph(neighbors, k), labels)


# ---------------------------------------------------------------- strategies


def select_at_once(digits: Digits, n: int, seed: int, _: Rows, strategy: str) -> Rows:
    """Images of a strategy that is given no labels."""
    random, data = np.random.RandomState(seed), digits.data
    if strategy == "coverage":
        return facility_location(data.points, n, random)[0]
    if strategy == "typical":
        return typical_points(data, n, random)[0]
    return (doubtful_points if strategy == "doubt" else mixed_points)(data, digits.doubts, n, random)[0]


def _asked_again(digits: Digits, n: int, seed: int, labelled: Rows) -> Rows:
    """Mixed images, by the confidence of the labels that were spread before."""
    doubts = 1 - digits.spread(labelled).confidence_ if len(labelled) else digits.doubts
    random = np.random.RandomState(seed)
    more = mixed_points(digits.after(labelled), doubts, n - len(labelled), random)[0]
    return np.concatenate([labelled, more])


def _random(digits: Digits, n: int, seed: int, _: Rows) -> Rows:
    return np.random.RandomState(seed).permutation(len(digits.labels))[:n]


def _k_center(digits: Digits, n: int, seed: int, _: Rows) -> Rows:
    """The image that is farthest from all picks, one after the other, from a random one on."""
    points = digits.data.points
    lengths = np.einsum("ij,ij->i", points, points)
    picks = [int(np.random.RandomState(seed).randint(len(points)))]
    squares = np.full(len(points), np.inf)
    while len(picks) < n:
        squares = np.minimum(squares, lengths + lengths[picks[-1]] - 2 * (points @ points[picks[-1]]))
        picks.append(int(squares.argmax()))
    return np.array(picks)


def _entropy(digits: Digits, n: int, seed: int, labelled: Rows) -> Rows:
    """The images whose spread label has the largest entropy."""
    if not len(labelled):
        return _random(digits, n, seed, labelled)
    chances = digits.spread(labelled).label_distributions_
    entropy = -(chances * np.log(np.maximum(chances, 1e-12))).sum(axis=1)
    entropy[labelled] = -1
    return np.concatenate([labelled, np.argsort(-entropy, kind="stable")[: n - len(labelled)]])


# Strategies that select more by what is labelled, and those of which every beginning is a selection.
IN_STEPS: dict[str, Selecting] = {
    "mixed, asked again": _asked_again,
    "mixed": partial(select_at_once, strategy="mixed"),
    "doubt": partial(select_at_once, strategy="doubt"),
    "entropy": _entropy,
}
IN_ORDER: dict[str, Selecting] = {
    "typical": partial(select_at_once, strategy="typical"),
    "coverage": partial(select_at_once, strategy="coverage"),
    "random": _random,
    "k-center": _k_center,
}


def _curves(digits: Digits, budgets: list[int]) -> dict[str, list[float]]:
    """Median accuracy at each number of labels, by strategy."""
    curves = {}
    for name in COLORS:
        select = (IN_STEPS | IN_ORDER)[name]
        measured = []
        for seed in range(N_SEEDS if name in RANDOM else 1):
            rows: Rows = np.empty(0, np.intp)
            in_order = select(digits, budgets[-1], seed, rows) if name in IN_ORDER else None
            measured.append([])
            for n in budgets:
                rows = select(digits, n, seed, rows) if in_order is None else in_order[:n]
                measured[-1].append(digits.accuracy(rows))
        curves[name] = np.median(measured, axis=0).tolist()
        print(name, [f"{n}: {value:.4f}" for n, value in zip(budgets, curves[name], strict=True)], flush=True)
    return curves


# ---------------------------------------------------------------- the picture


def _draw(results: dict[str, Any]) -> None:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in results["curves"].items():
        axes.plot(
            results["budgets"],
            [1 - value for value in curve],
            "s--" if name in RANDOM else "o-",
            markersize=3,
            color=COLORS[name],
            label=name,
        )
    axes.set(xlabel="labelled digits", ylabel="wrong labels of the other digits", xscale="log", yscale="log")
    ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    axes.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    shown = [n for n in (10, 20, 50, 100, 200, 500, 1_000, 2_000) if n <= results["budgets"][-1]]
    axes.set_xticks(shown, [f"{n:,}" for n in shown])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, ncols=2, fontsize=8)
    figure.savefig(PICTURE, dpi=120)


if __name__ == "__main__":
    main()
