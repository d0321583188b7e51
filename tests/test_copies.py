"""Collections of few images, many of them exact copies: every part gives finite results, and copies are alike."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentmap import TSNE, GraphClustering, KMeans, LabelSpreading, map_images, metrics
from latentmap.autoencoder.generation import draw_latents, fit_density
from latentmap.neighbors import nearest_neighbors
from latentmap.run.finding import duplicates, outliers


@st.composite
def collections_of_copies(draw_from):
    """From 5 to 24 vectors of which at most four differ, as small and as large as single precision holds."""
    n, d = draw_from(st.integers(5, 24)), draw_from(st.integers(1, 5))
    kinds = draw_from(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    scale = draw_from(st.sampled_from([0.0, 1e-30, 1e-9, 1.0, 1e12]))
    vectors = np.random.default_rng(draw_from(st.integers(0, 9))).normal(size=(4, d))
    return (scale * vectors[kinds]).astype(np.float32)


few = settings(max_examples=25, deadline=None)


def finite(*values):
    return all(np.isfinite(np.asarray(value, float)).all() for value in values)


@few
@given(collections_of_copies())
def test_groups_of_copies_are_finite(X):
    model = GraphClustering(random_state=0).fit(X)
    assert finite(model.probabilities_, model.confidence_, model.tree_.associations, model.stability())
    assert finite(model.predict_proba(X))
    assert len(model.describe()) == model.n_clusters_


@few
@given(collections_of_copies())
def test_maps_of_copies_are_finite(X):
    model = TSNE(perplexity=max(1.0, (len(X) - 1) / 3), max_iter=250, random_state=0).fit(X)
    assert finite(model.embedding_, model.kl_divergence_, model.transform(X))
    near = (len(X) - 1) // 2
    found = [
        metrics.trustworthiness(X, model.embedding_, n_neighbors=near),
        metrics.neighborhood_preservation(X, model.embedding_, n_neighbors=near),
    ]
    assert all(0 <= value <= 1 for value in found)


@few
@given(collections_of_copies(), st.integers(1, 5))
def test_k_means_labels_and_densities_of_copies_are_finite(X, k):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = KMeans(k, n_init=2, random_state=0).fit(X)
    assert finite(model.cluster_centers_, model.inertia_, model.transform(X))
    spread = LabelSpreading().fit(X, ["a", *[None] * (len(X) - 2), "b"])
    assert finite(spread.label_distributions_, spread.confidence_, spread.predict_proba(X))
    assert finite(draw_latents(fit_density(X), 5, np.random.RandomState(0)))


@few
@given(collections_of_copies(), st.integers(2, 3))
def test_quality_of_groups_of_copies_is_a_figure_or_undefined(X, n_groups):
    groups = np.arange(len(X)) % n_groups
    density, tightness = metrics.density_validity(X, groups), metrics.silhouette(X, groups)
    assert -1 <= tightness <= 1
    assert -1 <= density <= 1 or (np.isnan(density) and len(X) < 3 * n_groups)


@few
@given(collections_of_copies())
def test_what_stands_out_among_copies_is_finite(X):
    graph = nearest_neighbors(X, 4)
    pixels = np.round(127 * X / max(np.abs(X).max(), 1e-37) + 127).astype(np.uint8)[:, None, :]
    found = outliers(np.zeros(len(X), np.float32), graph.distances)
    assert finite(found["isolation"], found["outlier"])
    assert finite(duplicates(pixels, graph.indices, graph.distances)["difference"])


def test_groups_of_copies_are_as_dense_as_can_be():
    X = np.repeat([[0.0, 0.0], [3.0, 4.0]], 5, axis=0)
    assert metrics.density_validity(X, np.repeat([0, 1], 5)) == pytest.approx(1.0)
    assert metrics.density_validity(np.zeros((10, 2)), np.repeat([0, 1], 5)) == 0.0
    near = X + np.random.default_rng(0).normal(scale=1e-10, size=X.shape)  # less than scipy tells from zero
    assert metrics.density_validity(near, np.repeat([0, 1], 5)) == pytest.approx(1.0)


def test_a_map_that_keeps_copies_together_keeps_all_neighbours():
    random = np.random.default_rng(0)
    kinds = random.normal(size=(5, 16)).astype(np.float32)[np.repeat(np.arange(5), 30)]
    xy = np.repeat(random.normal(size=(5, 2)), 30, axis=0) + 1e-4 * random.normal(size=(150, 2))
    assert metrics.neighborhood_preservation(kinds, xy) == 1.0
    assert metrics.trustworthiness(kinds, xy) == 1.0


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("all equal, of one pixel", np.full((5, 1, 1), 7, np.uint8)),
        ("three of ten", np.random.default_rng(0).integers(0, 255, (3, 6, 6), np.uint8)[np.arange(30) % 3]),
    ],
)
def test_a_run_of_copies_has_a_report(name, images, tmp_path):
    del name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        run = map_images(images, tmp_path / "run", epochs=1, latent_dim=3, quiet=True)
    assert (tmp_path / "run" / "report.html").exists()
    atlas = run.atlas()
    for column in ("error", "confidence", "x", "y", "outlier"):
        assert np.isfinite(atlas[column].to_numpy()).all(), column
    assert all(value is None or np.isfinite(value) for value in run.metrics().values())
