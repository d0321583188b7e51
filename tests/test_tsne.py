"""t-SNE: scikit-learn's contract, and groups that are apart stay apart."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentmap.metrics import neighborhood_preservation
from latentmap.tsne import TSNE


@parametrize_with_checks([TSNE(perplexity=2, max_iter=250)])
def test_scikit_learn_contract_holds(estimator, check):  # every check applies
    check(estimator)


def test_blobs_stay_apart_and_the_same_seed_gives_the_same_map():
    X, y = make_blobs(150, n_features=10, centers=3, random_state=0)
    first, second = (TSNE(perplexity=15, random_state=0).fit_transform(X.astype(np.float32)) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.dtype == np.float32
    assert neighborhood_preservation(first, X, n_neighbors=5) > 0.3
    nearest = ((first[:, None] - first[None]) ** 2).sum(2) + np.diag(np.full(150, np.inf))
    assert (y[nearest.argmin(1)] == y).mean() == 1.0


def test_too_large_perplexity_is_met_with_a_sentence():
    with pytest.raises(ValueError, match=r"perplexity \(30\.?0?\) must be less than n_samples \(10\)"):
        TSNE(perplexity=30).fit_transform(np.random.default_rng(0).normal(size=(10, 3)))
