"""Balance of parts: equal numbers, as far as each has enough."""

import numpy as np
import pytest

from latentmap.subsets import balanced_order


def by_hand(sizes: list[int], n: int, taken: list[int]) -> list[int]:
    """The rule, one pick after the other."""
    left, counts, found = list(sizes), list(taken), []
    for _ in range(n):
        part = min((p for p in range(len(sizes)) if left[p]), key=lambda p: (counts[p], -sizes[p], p))
        left[part] -= 1
        counts[part] += 1
        found.append(part)
    return found


@pytest.mark.parametrize(
    ("sizes", "n", "taken", "numbers"),
    [
        ([5, 5, 5], 6, [0, 0, 0], [2, 2, 2]),
        ([5, 5, 5], 7, [0, 0, 0], [3, 2, 2]),
        ([9, 1, 4], 9, [0, 0, 0], [4, 1, 4]),
        ([9, 9, 9], 6, [5, 0, 1], [0, 4, 2]),  # labelled ones count
        ([9, 0, 9], 4, [0, 0, 0], [2, 0, 2]),
        ([1, 8, 3], 2, [0, 0, 0], [0, 1, 1]),  # fewer picks than parts: the largest ones
        ([3, 2], 5, [0, 0], [3, 2]),
    ],
)
def test_parts_get_equal_numbers(sizes, n, taken, numbers):
    order = balanced_order(np.array(sizes), n, np.array(taken))
    assert np.bincount(order, minlength=len(sizes)).tolist() == numbers


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_that_of_the_rule(seed):
    generator = np.random.default_rng(seed)
    sizes, taken = generator.integers(0, 6, 5), generator.integers(0, 4, 5)
    n = int(generator.integers(0, sizes.sum() + 1))
    assert balanced_order(sizes, n, taken).tolist() == by_hand(sizes.tolist(), n, taken.tolist())


def test_every_beginning_is_balanced():
    order = balanced_order(np.array([50, 50, 50, 50]), 100)
    assert all(np.ptp(np.bincount(order[:n], minlength=4)) <= 1 for n in range(101))
