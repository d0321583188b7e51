"""t-SNE: scikit-learn's contract, forces that are those of the formulas, and degenerate input."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn import manifold
from sklearn.datasets import load_digits, make_blobs
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentmap import TSNE, nearest_neighbors
from latentmap.core.parallel import Workers
from latentmap.metrics import neighborhood_preservation
from latentmap.tsne import MapProgress
from latentmap.tsne.affinity import conditional_affinities, joint_affinities
from latentmap.tsne.attraction import Attraction
from latentmap.tsne.optimizer import Descent, DescentPhase
from latentmap.tsne.repulsion import ExactPotential, GridPotential, normalization
from latentmap.tsne.schedule import descent_phases


def blobs(n=150, n_features=10, centers=3):
    X, y = make_blobs(n, n_features=n_features, centers=centers, random_state=0)
    return X.astype(np.float32), y


def short(**parameters):
    return TSNE(**{"max_iter": 250, "perplexity": 5, "random_state": 0, **parameters})


@parametrize_with_checks([TSNE(perplexity=2, max_iter=250)])
def test_scikit_learn_contract_holds(estimator, check):  # every check applies
    check(estimator)


# ---- the formulas


def dense_affinities(X, perplexity):
    """The joint affinities from the formulas, all pairs: bisection on the entropy, then symmetrised."""
    n = len(X)
    squares = ((X[:, None].astype(np.float64) - X[None]) ** 2).sum(2)
    P = np.zeros((n, n))
    for i in range(n):
        others = np.delete(np.arange(n), i)
        low, high = 1e-12, 1e12
        for _ in range(200):
            beta = np.sqrt(low * high)
            p = np.exp(-beta * (squares[i, others] - squares[i, others].min()))
            p /= p.sum()
            entropy = -(p[p > 0] * np.log(p[p > 0])).sum()
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        P[i, others] = p
    return (P + P.T) / (2 * n)


def test_affinities_are_those_of_the_formula():
    X, _ = blobs(60)
    graph = nearest_neighbors(X, 59)
    with Workers() as workers:
        conditional, _ = conditional_affinities(graph.distances, 12, workers)
        upper = joint_affinities(graph.indices, graph.order, conditional, workers).toarray()
    np.testing.assert_allclose(np.tril(upper), 0)
    joint = np.zeros((60, 60))
    joint[np.ix_(graph.order, graph.order)] = upper + upper.T
    np.testing.assert_allclose(joint, dense_affinities(X, 12), atol=2e-6)
    assert joint.sum() == pytest.approx(1)


@pytest.mark.parametrize("perplexity", [1.5, 5, 30, 99])
def test_each_row_has_the_perplexity_that_was_asked_for(perplexity):
    X, _ = blobs(300)
    with Workers() as workers:
        p, _ = conditional_affinities(nearest_neighbors(X, 299).distances, perplexity, workers)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    entropy = -(p * np.log(np.maximum(p, 1e-37))).sum(1)
    np.testing.assert_allclose(np.exp(entropy), perplexity, rtol=1e-4)


def naive_forces(P, Y):
    """Pull, push and normalisation by the formulas, in double precision."""
    differences = Y[:, None].astype(np.float64) - Y[None]
    q = 1 / (1 + (differences**2).sum(2))
    np.fill_diagonal(q, 0)
    pull = ((P * q)[:, :, None] * differences).sum(1)
    push = ((q**2)[:, :, None] * differences).sum(1)
    return pull, push, q.sum()


@pytest.mark.parametrize("n_components", [1, 2, 3, 5])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_pull_and_exact_push(n_components, n_threads):
    random = np.random.default_rng(0)
    P = sparse.random(200, 200, density=0.1, random_state=0, format="csr", dtype=np.float32)
    P = sparse.csr_array(sparse.triu(P, 1))
    Y = random.normal(scale=3, size=(200, n_components)).astype(np.float32)
    pull, push, total = naive_forces((P + P.T).toarray(), Y)
    attraction = Attraction(P, n_components, n_threads)
    with Workers(n_threads) as workers:
        workers.run(lambda chunk: attraction.compute(Y, chunk), n_threads)
        forces, values = np.empty_like(Y), np.empty(200, np.float32)
        potential = ExactPotential(Y, workers)
        potential.evaluate(Y, (forces, values), 0, 200)
    np.testing.assert_allclose(attraction.forces.sum(0), pull, atol=1e-5)
    np.testing.assert_allclose(forces, push, atol=2e-4)
    assert normalization(potential, values) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("n_components", [1, 2])
@pytest.mark.parametrize(("scale", "error"), [(1e-4, 0.01), (0.1, 0.01), (1, 0.003), (10, 0.04), (60, 0.15)])
@pytest.mark.parametrize("offset", [0, 30])
def test_grid_forces_equal_exact_forces(n_components, scale, error, offset):
    """The error is a fraction of the forces, which grows with the distances of the points."""
    random = np.random.default_rng(0)
    Y = (random.normal(scale=scale, size=(3000, n_components)) + offset * scale).astype(np.float32)
    _, push, total = naive_forces(np.zeros((3000, 3000)), Y)
    forces, values = np.empty_like(Y), np.empty(3000, np.float32)
    with Workers() as workers:
        potential = GridPotential(Y, workers)
        potential.evaluate(Y, (forces, values), 0, 3000)
    # of its own push on itself, which is then taken away, a point is given 0.986 times the right amount
    assert normalization(potential, values) == pytest.approx(total, rel=2e-4, abs=0.015 * 3000)
    assert np.square(forces - push).mean() < error**2 * np.square(push).mean()


def test_divergence_is_that_of_the_formula():
    X, _ = blobs(120)
    model = TSNE(perplexity=30, random_state=0).fit(X)
    P = dense_affinities(X, 30)
    Y = model.embedding_.astype(np.float64)
    q = 1 / (1 + ((Y[:, None] - Y[None]) ** 2).sum(2))
    np.fill_diagonal(q, 0)
    q /= q.sum()
    off = ~np.eye(120, dtype=bool)
    expected = (P[off] * np.log(np.maximum(P[off], 1e-300) / q[off])).sum()
    assert model.kl_divergence_ == pytest.approx(expected, abs=2e-3)


# ---- the map


def test_blobs_stay_apart():
    X, y = blobs()
    Y = TSNE(perplexity=15, random_state=0).fit_transform(X)
    assert Y.dtype == np.float32
    assert neighborhood_preservation(Y, X, n_neighbors=5) > 0.3
    nearest = ((Y[:, None] - Y[None]) ** 2).sum(2) + np.diag(np.full(150, np.inf))
    assert (y[nearest.argmin(1)] == y).mean() == 1.0


@pytest.mark.parametrize("n", [150, 2600])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_same_seed_gives_the_same_map_to_the_bit(n, n_jobs):
    X, _ = blobs(n)
    first, second = (short(n_jobs=n_jobs, init="random").fit_transform(X) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_two_threads_give_the_map_of_one_within_rounding():
    """Some steps from a spread map: t-SNE itself makes any difference grow without bound as it goes on."""
    X, _ = blobs(3000)
    graph = nearest_neighbors(X, 31)
    start = np.random.default_rng(0).normal(scale=5, size=(3000, 2)).astype(np.float32)
    maps = []
    for n_threads in (1, 2):
        with Workers(n_threads) as workers:
            affinities, _ = conditional_affinities(graph.distances, 10, workers)
            descent = Descent(
                joint_affinities(graph.indices, graph.order, affinities, workers),
                start.copy(),
                exact=False,
                workers=workers,
            )
            phase = DescentPhase(10, exaggeration=1, learning_rate=100, momentum=0.5)
            no_call = {"on_iteration": lambda _: None, "on_check": lambda _: None}
            descent.run(phase, min_grad_norm=0, patience=10, check_every=50, **no_call)
            maps.append(descent.Y)
    moved = np.abs(maps[0] - start).max()
    assert moved > 0.5
    assert maps[0].tobytes() != maps[1].tobytes()
    assert np.abs(maps[0] - maps[1]).max() < 1e-4 * moved


def test_grid_and_all_pairs_lead_as_far_down():
    X, _ = blobs(2500, centers=5)
    fast, exact = (TSNE(max_iter=500, method=method, random_state=0).fit(X) for method in ("barnes_hut", "exact"))
    assert fast.kl_divergence_ == pytest.approx(exact.kl_divergence_, rel=0.02)


def test_no_worse_than_scikit_learn():
    X = load_digits().data.astype(np.float32)
    ours, theirs = (kind(random_state=0).fit(X) for kind in (TSNE, manifold.TSNE))
    assert ours.kl_divergence_ < 1.005 * theirs.kl_divergence_


@pytest.mark.parametrize("n_components", [1, 2, 3])
@pytest.mark.parametrize("n", [100, 2200])
def test_any_dimension(n, n_components):
    X, y = blobs(n)
    Y = short(n_components=n_components, perplexity=20).fit_transform(X)
    assert Y.shape == (n, n_components)
    nearest = nearest_neighbors(Y, 1).indices[:, 0]
    assert (y[nearest] == y).mean() > 0.95


def test_late_exaggeration_draws_groups_together():
    X, y = blobs(600)

    def tightness(Y):
        return np.mean([Y[y == group].std(axis=0) for group in range(3)]) / Y.std(axis=0).mean()

    tight, usual = (TSNE(exaggeration=e, random_state=0).fit_transform(X) for e in (4, 1))
    assert tightness(tight) < 0.8 * tightness(usual)


def test_one_search_serves_several_perplexities():
    X, _ = blobs(400)
    graph = nearest_neighbors(X, 3 * 50 + 1)
    for perplexity in (5, 50):
        alone = short(perplexity=perplexity).fit_transform(X)
        assert short(perplexity=perplexity).fit_transform(X, neighbors=graph).tobytes() == alone.tobytes()


def test_callback_is_given_the_map_on_its_way():
    X, _ = blobs()
    frames = []
    model = short(max_iter=300, callback=frames.append)
    model.fit(X)
    assert [frame.done for frame in frames] == list(range(10, 301, 10))
    assert all(isinstance(frame, MapProgress) and frame.total == 300 for frame in frames)
    assert frames[-1].embedding.tobytes() == model.embedding_.tobytes()
    assert frames[0].embedding.tobytes() != frames[1].embedding.tobytes()
    assert frames[-1].values["divergence"] == pytest.approx(model.kl_divergence_, rel=0.05)


def test_learning_rate():
    X, _ = blobs()
    assert short().fit(X).learning_rate_ == pytest.approx(150 / 12 / 4)
    assert short(learning_rate=7.0).fit(X).learning_rate_ == 7.0
    with pytest.raises(ValueError, match=r"grew without bound by iteration \d+, at learning_rate=1e\+36"):
        short(learning_rate=1e36, init="random").fit(X)


def test_it_stops_when_the_gradient_vanishes():
    X, _ = blobs()
    assert TSNE(perplexity=5, random_state=0, min_grad_norm=1e3).fit(X).n_iter_ < 299


# ---- new points


@pytest.mark.parametrize("n", [500, 2600])
@pytest.mark.parametrize(("n_components", "metric"), [(2, "euclidean"), (1, "cosine"), (3, "manhattan")])
def test_new_points_lie_among_their_own(n, n_components, metric):
    X, y = blobs(n + 200)
    model = TSNE(n_components, perplexity=20, metric=metric, random_state=0, max_iter=300).fit(X[:n])
    before = model.embedding_.copy()
    placed = model.transform(X[n:])
    assert placed.dtype == np.float32
    assert model.embedding_.tobytes() == before.tobytes()
    nearest = ((placed[:, None] - model.embedding_[None]) ** 2).sum(2).argmin(1)
    assert (y[:n][nearest] == y[n:]).mean() > 0.97
    assert np.array_equal(model.transform(X[:30]), before[:30])
    one_by_one = np.concatenate([model.transform(X[i : i + 1]) for i in range(n, n + 5)])
    assert np.array_equal(one_by_one, placed[:5])


def test_a_point_hardly_moved_is_placed_where_it_was():
    X, _ = blobs(2600, centers=8)
    model = TSNE(perplexity=30, random_state=0).fit(X)
    again = model.transform(X + 1e-6)
    assert np.quantile(np.linalg.norm(again - model.embedding_, axis=1), 0.95) < 0.02 * np.ptp(model.embedding_)


def test_new_points_by_their_distances():
    X, _ = blobs(120)
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    model = short(metric="precomputed", init="random").fit(distances[:100, :100])
    by_points = short(init="random").fit(X[:100])
    np.testing.assert_allclose(model.embedding_, by_points.embedding_, atol=0.3 * np.ptp(by_points.embedding_))
    assert model.transform(distances[100:, :100]).shape == (20, 2)


# ---- degenerate input


@pytest.mark.parametrize(
    "X",
    [
        np.ones((40, 3)),
        np.repeat(np.random.default_rng(0).normal(size=(8, 3)), 5, axis=0),
        np.column_stack([np.arange(40.0), np.full(40, 7.0)]),
        np.random.default_rng(0).normal(size=(7, 3)),
        np.random.default_rng(0).normal(size=(2, 3)),
        np.random.default_rng(0).normal(size=(40, 1)),
        np.random.default_rng(0).normal(size=(40, 3)) * 1e30,
        np.random.default_rng(0).normal(size=(40, 3)) * 1e-30,
        np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) * np.float32(1e38),
        np.random.default_rng(0).normal(size=(40, 3)).astype(np.float16),
        np.asfortranarray(np.random.default_rng(0).normal(size=(40, 3))),
        np.concatenate([np.random.default_rng(0).normal(size=(39, 3)), [[1e12, 0, 0]]]),
    ],
    ids=[
        *("one place", "duplicates", "constant feature", "few points", "two points", "one feature", "huge", "tiny"),
        *("near overflow", "float16", "fortran", "outlier"),
    ],
)
@pytest.mark.parametrize("init", ["pca", "random"])
def test_degenerate_input_gives_a_finite_map(X, init):
    model = short(perplexity=min(5, len(X) - 1), init=init)
    Y = model.fit_transform(X)
    assert Y.shape == (len(X), 2)
    assert np.isfinite(Y).all()
    assert np.isfinite(model.kl_divergence_)
    assert np.isfinite(model.transform(X[:2])).all()


def test_scale_and_offset_do_not_matter():
    X, _ = blobs()
    assert np.array_equal(short().fit_transform(X), short().fit_transform(X * 2.0**40))


def test_a_memory_map_that_cannot_be_written(tmp_path):
    X, _ = blobs()
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(short().fit_transform(mapped), short().fit_transform(X))


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({"perplexity": 30}, np.ones((10, 3)), r"perplexity \(30\.?0?\) must be less than n_samples \(10\)"),
        ({}, np.ones((1, 3)), "1 sample"),
        ({}, np.array([[0.0], [np.nan]] * 10), "NaN"),
        ({}, np.array([[0.0], [np.inf]] * 10), "infinity"),
        ({"init": np.zeros((9, 2))}, np.ones((10, 3)), r"init has shape \(9, 2\): pass .* \(10, 2\)"),
        ({"n_components": 4}, np.ones((10, 3)), 'use method="exact"'),
        ({"exaggeration": 0}, np.ones((10, 3)), "exaggeration"),
        ({"callback": 3}, np.ones((10, 3)), "callback"),
    ],
)
def test_bad_input_is_met_with_a_sentence(parameters, X, message):
    with pytest.raises(ValueError, match=message):
        short(**parameters).fit(X)


def test_a_neighbor_graph_that_does_not_fit():
    X, _ = blobs(60)
    with pytest.raises(ValueError, match="holds 50 points, X has 60"):
        short().fit(X, neighbors=nearest_neighbors(X[:50], 20))
    with pytest.raises(ValueError, match=r"holds 10 neighbours of each point, perplexity=5 needs 16"):
        short().fit(X, neighbors=nearest_neighbors(X, 10))


def test_memory_grows_with_the_neighbors_alone():
    """No array of all pairs: 4,000 points would take 64 MB in single precision."""
    X = np.random.default_rng(0).normal(size=(4000, 8)).astype(np.float32)
    short().fit(X[:2500])  # compiled, and caches filled
    for parameters in ({}, {"n_components": 3, "max_iter": 250}, {"method": "exact"}):
        tracemalloc.start()
        short(**parameters).fit(X)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 24e6


def test_exaggeration_falls_to_the_one_asked_for():
    phases = descent_phases(1200, 120, 300, early_exaggeration=12, exaggeration=1, learning_rate="auto")
    factors = [phase.exaggeration for phase in phases]
    assert factors == sorted(factors, reverse=True)
    assert (factors[0], factors[-1], phases[-1].end) == (12, 1, 300)
    assert [phase.learning_rate * phase.exaggeration for phase in phases] == pytest.approx([300] * len(phases))
    assert max(phase.momentum for phase in phases) == 0.99
    too_fast = descent_phases(1200, 120, 300, early_exaggeration=12, exaggeration=1, learning_rate=301)
    assert max(phase.momentum for phase in too_fast) == 0.8


def test_high_momentum_does_not_carry_a_small_map_away():
    """Without restarts, the divergence of these points rises to 0.14."""
    X = np.random.RandomState(0).randn(50, 2)
    assert TSNE(random_state=0, max_iter=500).fit(X).kl_divergence_ < 0.036
