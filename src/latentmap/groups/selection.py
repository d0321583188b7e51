"""Which nodes of a tree are groups: those that hang together better than they hang on the rest.

The conductance of a set is the share of its edges that leave it. A group is a set whose own narrowest balanced cut has
a greater conductance than the border to everything else (Kannan, Vempala and Vetta 2004, On clusterings: good, bad and
spectral; Oveis Gharan and Trevisan 2014, Partitioning into expanders). A piece of a homogeneous cloud fails: its border
is as wide as any cut through it, whatever the dimension.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentmap.groups.tree import Dendrogram

# How much greater; clouds without structure, and parts of one digit, stay below.
SEPARATED = 2.0
# A piece beside groups that is none itself is left as one when it is no worse than this; else it is shared out.
UNRESOLVED = 0.75
# Both sides of a cut hold at least this share of the set.
BALANCE = 0.15
# Standard deviations by which numbers of edges may have come about by chance, against the group, which then still has
# to be cut less easily than cut off.
DOUBT = 1.5


@dataclass(frozen=True)
class Separation:
    """How well each of the 2B - 1 nodes of a tree is separated.

    Attributes
    ----------
    sizes : array, int64
        Points.
    ratios : array, float64
        Conductance of the narrowest cut within over that of the border. NaN for the root, which has no border.
    """

    sizes: NDArray[np.int64]
    ratios: NDArray[np.float64]


def measure(tree: Dendrogram, between: NDArray[np.float64], sizes: NDArray[np.int64], unit: float) -> Separation:
    """Measure every node.

    Parameters
    ----------
    tree : Dendrogram over B blocks
    between : array (B, B)
        Weight of the edges between blocks; on the diagonal those within, counted twice.
    sizes : array (B,)
        Points of each block.
    unit : float
        Weight of one edge, to count edges by.
    """
    within = tree.totals(tree.totals(between).T).T  # between any two nodes
    volumes = within[:, -1]
    all_sizes = tree.totals(sizes.astype(float)).astype(np.int64)
    leaving = np.maximum(volumes - within.diagonal(), 0) / unit
    parents = tree.parents()
    narrowest, doubted = np.full((2, len(volumes)), np.inf)
    for part in range(len(volumes) - 1):
        whole = parents[part]
        while whole >= 0:
            rest = all_sizes[whole] - all_sizes[part]
            if min(rest, all_sizes[part]) >= BALANCE * all_sizes[whole]:
                crossing = max(within[part, whole] - within[part, part], 0) / unit
                lighter = min(volumes[part], volumes[whole] - volumes[part]) / unit
                narrowest[whole] = min(narrowest[whole], crossing / lighter)
                doubted[whole] = min(doubted[whole], (crossing - DOUBT * np.sqrt(crossing)) / lighter)
            whole = parents[whole]
    edges = volumes / unit
    ratios = _ratios(narrowest, leaving / edges, edges)
    sure = _ratios(doubted, (leaving + DOUBT * np.sqrt(leaving)) / edges, edges)
    ratios[sure < 1] = np.minimum(ratios, sure)[sure < 1]
    ratios[-1] = np.nan  # the whole has no border
    return Separation(all_sizes, ratios)


def separated_groups(tree: Dendrogram, separation: Separation, least: int, ratio: float = SEPARATED) -> list[int]:
    """The finest set of disjoint nodes that are groups by ``ratio`` and have at least ``least`` points.

    Fewer than two mean that everything is one group.
    """
    ratios, sizes, B = separation.ratios, separation.sizes, tree.n_blocks
    typical = np.nan_to_num(ratios, nan=0.0)
    root = 2 * B - 2

    def is_group(node: int) -> bool:
        return node != root and sizes[node] >= least and typical[node] >= ratio

    chosen: list[list[int]] = [[node] if is_group(node) else [] for node in range(B)]
    for step, (left, right) in enumerate(tree.merges):
        node = B + step
        parts = [chosen[left], chosen[right]]
        found = [*parts[0], *parts[1]]
        if len(found) < 2 and is_group(node) and (not found or typical[node] >= typical[found[0]] / 2):
            chosen.append([node])  # a group that has grown, rather than its core
            continue
        if found:
            for side, own in zip((left, right), parts, strict=True):
                if not own and sizes[side] >= least and typical[side] >= UNRESOLVED:
                    found = [*found, int(side)]
        chosen.append(found)
    return chosen[root]


def _ratios(
    narrowest: NDArray[np.float64], border: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Cut over border; one edge is the least cut, half an edge the least border: fewer cannot be told from none."""
    known = np.isfinite(narrowest)
    typical = float(np.median(narrowest[known])) if known.any() else 0.0  # where nothing can be cut in balance
    return np.maximum(np.where(known, narrowest, typical), 1 / edges) / np.maximum(border, 0.5 / edges)
