"""Features whose kinds are given other weights than the data chose."""

import numpy as np
import pytest

from latentmap import ImageFeatures, InputError
from latentmap.features.reweighting import nearest_by_factors, normalized_weights, weighted_kinds

OWN = {"shape": 0.5, "texture": 0.0, "color": 0.5}


@pytest.fixture(scope="module")
def fitted() -> tuple[ImageFeatures, np.ndarray]:
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (80, 16, 16, 3), dtype=np.uint8)
    for image, kind in zip(images, random.integers(0, 3, 80), strict=True):
        image[4 * kind : 4 * kind + 4, :, kind] += 180
    model = ImageFeatures(random_state=0, n_jobs=1)
    return model, model.fit_transform(images)


def test_the_weights_of_the_data_change_nothing(fitted):
    model, features = fitted
    assert np.allclose(model.reweighted(features, model.weights_), features)
    doubled = {kind: 2 * weight for kind, weight in model.weights_.items()}
    assert np.allclose(model.reweighted(features, doubled), features)  # only ratios matter


def test_squared_distances_are_weighted_sums_over_kinds(fitted):
    model, features = fitted
    one, other = features[:30], features[30:60]
    total = ((one - other) ** 2).sum(axis=1)
    unweighted = {
        kind: part * total / model.weights_[kind]
        for kind, part in model.distance_fractions(one, other).items()
        if model.weights_[kind]
    }
    a, b = list(unweighted)[:2]
    found = model.reweighted(one, {a: 3, b: 1}) - model.reweighted(other, {a: 3, b: 1})
    assert np.allclose((found**2).sum(axis=1), 0.75 * unweighted[a] + 0.25 * unweighted[b], rtol=1e-4)


def test_the_nearest_are_those_of_the_reweighted_features(fitted):
    model, features = fitted
    weights = dict.fromkeys(weighted_kinds(model.weights_), 1.0)
    copy = model.reweighted(features, weights).astype(float)
    for image in (0, 7, 79):
        distances = np.linalg.norm(copy - copy[image], axis=1)
        rows, found = model.nearest(features, features[image], weights, 10)
        assert rows.tolist() == np.argsort(distances, kind="stable")[:10].tolist()
        assert model.distances(features, features[image], weights) == pytest.approx(distances, rel=1e-4, abs=1e-5)
        assert np.allclose(found, np.sort(distances)[:10], atol=1e-4)
    assert len(model.nearest(features, features[0], weights, 1000)[0]) == 80


def test_of_equally_far_rows_the_first_come_first():
    features = np.repeat([[1.0], [0.0], [1.0]], 50, axis=0).astype(np.float32)
    rows, distances = nearest_by_factors(features, np.zeros(1, np.float32), np.full(1, 4, np.float32), 53)
    assert rows.tolist() == [*range(50, 100), 0, 1, 2]
    assert distances[-1] == 2


def test_weights_are_scaled_to_a_sum_of_one_and_keep_their_order():
    assert normalized_weights({"color": 30, "shape": 10}, OWN) == {"shape": 0.25, "color": 0.75}
    assert normalized_weights({"color": 1e308, "shape": 1e308}, OWN) == {"shape": 0.5, "color": 0.5}
    assert normalized_weights({"color": 5e-324}, OWN) == {"color": 1.0}
    assert normalized_weights(OWN, OWN) == {"shape": 0.5, "color": 0.5}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({}, "no weight is above 0: give at least one of shape, color"),
        ({"shape": 0.0}, "no weight is above 0"),
        ({"smell": 1.0}, "'smell', which is no kind of these features: use shape, color"),
        ({"texture": 1.0}, "'texture', which is no kind"),  # its features are 0
        ({"shape": -1.0}, "weight -1.0 of shape: pass a finite number of at least 0"),
        ({"shape": float("nan")}, "weight nan of shape"),
        ({"shape": float("inf")}, "weight inf of shape"),
    ],
)
def test_what_is_no_weight_is_met_with_a_sentence(weights, words):
    with pytest.raises(InputError, match=words):
        normalized_weights(weights, OWN)


def test_features_of_another_number_are_met_with_a_sentence(fitted):
    model, features = fitted
    with pytest.raises(InputError, match="pass an array"):
        model.reweighted(features[:, :-1], model.weights_)
    with pytest.raises(InputError, match="pass an array"):
        model.nearest(features, features[0, :-1], model.weights_, 3)
