"""Features of images: what they are blind to, what they tell apart, and that they are saved and repeated exactly."""

import json

import numpy as np
import pytest

import latentmap as lm
from latentmap import ImageFeatures, InputError, ModelFileError
from latentmap.core.parallel import Workers
from latentmap.features.agreement import agreement_weights
from latentmap.features.color import color_histograms
from latentmap.features.edge_histograms import object_squares, shape_histograms
from latentmap.features.reduction import Reduction
from latentmap.features.resampling import resample
from latentmap.features.texture import texture_statistics
from latentmap.neighbors import NeighborSearch


def drawings(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Discs, squares, crosses and stripes of any colour at any place, on a plain ground: (n, 40, 40, 3)."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 4, n)
    images = np.empty((n, 40, 40, 3), np.uint8)
    y, x = np.mgrid[:40, :40]
    for image, kind in zip(images, kinds, strict=True):
        ground, ink = random.integers(0, 90, 3), random.integers(150, 255, 3)
        v, u = y - random.integers(14, 26), x - random.integers(14, 26)
        size = random.integers(8, 13)
        inside = (np.abs(u) < size) & (np.abs(v) < size)
        drawn = [
            u**2 + v**2 < size**2,
            inside,
            inside & ((np.abs(u) < 3) | (np.abs(v) < 3)),
            inside & (v % 5 < 2),
        ][kind]
        image[:] = np.where(drawn[..., None], ink, ground)
    return images, kinds


@pytest.fixture(scope="module")
def fitted() -> tuple[ImageFeatures, np.ndarray, np.ndarray, np.ndarray]:
    images, kinds = drawings(240)
    features = ImageFeatures(random_state=0)
    return features, features.fit_transform(images), images, kinds


def same_kind(rows: np.ndarray, kinds: np.ndarray) -> float:
    return float((kinds[lm.nearest_neighbors(rows, 1).indices[:, 0]] == kinds).mean())


def test_neighbours_are_of_the_same_kind_whatever_their_colour_and_place(fitted):
    _, rows, images, kinds = fitted
    assert same_kind(rows, kinds) > 0.95
    assert same_kind(rows, kinds) > same_kind(images.reshape(len(images), -1).astype(np.float32), kinds) + 0.1


def test_colour_weighs_less_where_it_says_nothing(fitted):
    features = fitted[0]
    assert sum(features.weights_.values()) == pytest.approx(1)
    assert features.weights_["color"] < features.weights_["shape"] / 5


def test_the_mean_squared_distance_is_one(fitted):
    rows = fitted[1].astype(np.float64)
    n = len(rows)
    mean = ((rows[:, None] - rows[None]) ** 2).sum(-1).sum() / (n * (n - 1))
    assert mean == pytest.approx(1, abs=0.02)


def test_images_that_are_seen_later_have_the_same_features(fitted):
    features, rows, images, kinds = fitted
    np.testing.assert_allclose(features.transform(images[:70]), rows[:70], atol=1e-5)
    np.testing.assert_allclose(features.transform(images[:70] / 255), rows[:70], atol=1e-4)
    new, new_kinds = drawings(60, seed=1)
    nearest, _ = NeighborSearch(rows, "euclidean", None).query(features.transform(new), 1, None)
    assert (kinds[nearest[:, 0]] == new_kinds).mean() > 0.9


def test_threads_and_a_second_fit_change_nothing(fitted):
    _, rows, images, _ = fitted
    for jobs in (1, 3):
        again = ImageFeatures(random_state=0, n_jobs=jobs).fit_transform(images)
        np.testing.assert_array_equal(again, rows)


def test_fractions_say_what_differs(fitted):
    features = fitted[0]
    images, _ = drawings(1)
    red, blue = np.full_like(images, 20), np.full_like(images, 20)
    red[:, 10:30, 10:30, 0] = 250
    blue[:, 10:30, 10:30, 2] = 250
    disc = np.full_like(images, 20)
    y, x = np.mgrid[:40, :40]
    disc[0, (y - 20) ** 2 + (x - 20) ** 2 < 100] = [250, 20, 20]
    rows = features.transform(np.concatenate([red, blue, disc]))
    by_color = features.distance_fractions(rows[:1], rows[1:2])
    by_shape = features.distance_fractions(rows[:1], rows[2:])
    assert by_shape["shape"] > 0.2
    assert by_color["parts"] > by_shape["parts"]
    assert sum(fraction[0] for fraction in by_shape.values()) == pytest.approx(1, abs=1e-5)
    assert all(fraction[0] == 0 for fraction in features.distance_fractions(rows[:1], rows[:1]).values())


def test_saved_features_are_the_same(fitted, tmp_path):
    features, _, images, _ = fitted
    features.save(tmp_path / "model")
    loaded = ImageFeatures.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(images[:9]), features.transform(images[:9]))
    assert loaded.weights_ == features.weights_


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "features.json").unlink(),
        lambda folder: (folder / "features.json").write_text("{"),
        lambda folder: (folder / "features.json").write_text("[]"),
        lambda folder: (folder / "features.json").write_text(
            json.dumps(json.loads((folder / "features.json").read_text()) | {"format_version": 7})
        ),
        lambda folder: (folder / "features.json").write_text(
            json.dumps(json.loads((folder / "features.json").read_text()) | {"block_weights": [1, -1]})
        ),
        lambda folder: (folder / "features.safetensors").write_bytes(b"junk"),
        lambda folder: (folder / "features.safetensors").write_bytes(
            (folder / "features.safetensors").read_bytes()[:-100]
        ),
    ],
)
def test_damaged_files_are_met_with_a_sentence(fitted, tmp_path, damage):
    fitted[0].save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelFileError, match="again"):
        ImageFeatures.load(tmp_path)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((9, 8)), "images of shape"),
        (np.zeros((9, 0, 8)), "images of shape"),
        (np.zeros((9, 8, 8), int), "images of type int64"),
        (np.full((9, 8, 8), 2.0), "outside of"),
        (np.full((9, 8, 8), np.nan), "or NaN"),
        (np.zeros((2, 8, 8), np.uint8), "2 images: pass at least 3"),
    ],
)
def test_what_is_no_collection_is_met_with_a_sentence(images, words):
    with pytest.raises(InputError, match=words):
        ImageFeatures().fit(images)


def test_another_shape_and_a_wrong_parameter_are_met_with_a_sentence(fitted):
    with pytest.raises(InputError, match=r"pass images of \(40, 40, 3\)"):
        fitted[0].transform(np.zeros((1, 8, 8), np.uint8))
    with pytest.raises(InputError, match="n_components=0"):
        ImageFeatures(n_components=0).fit(np.zeros((9, 8, 8), np.uint8))
    with pytest.raises(InputError, match="pass two arrays"):
        fitted[0].distance_fractions(np.zeros((1, 3)), np.zeros((1, 3)))


@pytest.mark.parametrize(
    "shape", [(3, 1, 1), (5, 1, 7), (4, 2, 2, 3), (7, 90, 30), (6, 5, 200, 3), (9, 16, 16, 4), (12, 33, 31, 2)]
)
def test_images_of_any_shape_have_finite_features(shape):
    images = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    rows = ImageFeatures(random_state=0).fit_transform(images)
    assert rows.shape[0] == shape[0]
    assert np.isfinite(rows).all()


def test_equal_images_have_equal_features_and_nothing_else():
    features = ImageFeatures(random_state=0)
    rows = features.fit_transform(np.full((8, 6, 6), 7, np.uint8))
    assert not rows.any()
    assert features.transform(np.full((1, 6, 6), 200, np.uint8)).any()


def test_resampling_keeps_the_mean():
    images = np.random.default_rng(0).random((2, 37, 21, 3)).astype(np.float32)
    small = resample(images, 10, 8)
    np.testing.assert_allclose(small.mean(axis=(1, 2)), images.mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(resample(np.ones((1, 5, 5, 1), np.float32), 32, 32), 1, atol=1e-6)


def test_an_edge_is_binned_where_it_is_and_by_its_direction():
    image = np.zeros((1, 64, 64, 1), np.float32)
    image[:, :, 20:] = 1  # rises to the right: direction 0
    fine, _, _ = shape_histograms(image)
    cells = fine.reshape(8, 8, 16)
    assert (cells[:, :, 0].argmax(axis=1) == 2).all()
    assert cells[:, 5:].max() == 0
    assert (cells[4, 2].argmax(), shape_histograms(1 - image)[0].reshape(8, 8, 16)[4, 2].argmax()) == (0, 8)


def test_the_object_is_found_on_any_ground():
    image = np.full((1, 40, 60, 3), 0.3, np.float32)
    image[0, 10:20, 30:36] = [1, 0, 0]
    np.testing.assert_array_equal(object_squares(image), [[10, 28, 10]])
    np.testing.assert_array_equal(object_squares(np.zeros((1, 8, 8, 1), np.float32)), [[0, 0, 8]])


def test_texture_follows_scale_and_orientation_and_not_place():
    y, x = np.mgrid[:32, :32]

    def waves(angle: float, period: float, phase: float) -> np.ndarray:
        along = x * np.cos(angle) + y * np.sin(angle)
        return (0.5 + 0.5 * np.sin(2 * np.pi * along / period + phase)).astype(np.float32)

    rows = texture_statistics(np.stack([waves(0, 6, 0), waves(0, 6, 2), waves(np.pi / 2, 6, 0), waves(0, 14, 0)]))
    apart = np.linalg.norm(rows[0] - rows, axis=1)
    assert apart[1] < min(apart[2], apart[3]) / 5


def test_colour_histograms_sum_to_one():
    images = np.random.default_rng(0).random((3, 9, 9, 3)).astype(np.float32)
    for part in (images, images[..., :1]):
        np.testing.assert_allclose((color_histograms(part) ** 2).sum(axis=1), 1, atol=1e-4)


def test_reduction_has_unit_mean_squared_distance_and_keeps_the_order_of_variances():
    rows = np.random.default_rng(0).normal(size=(400, 20)).astype(np.float32) * np.linspace(
        3, 0.1, 20, dtype=np.float32
    )
    reduced = Reduction.fit(rows, 8).apply(rows)
    assert reduced.shape == (400, 8)
    variances = reduced.var(axis=0)
    assert (np.diff(variances) < 0).all()
    assert 2 * variances.sum() == pytest.approx(1, abs=1e-3)


def test_a_block_of_noise_gets_no_weight():
    random = np.random.default_rng(0)
    kinds = random.integers(0, 10, 600)
    centers = random.normal(size=(2, 10, 16)) * 3

    def block(rows: np.ndarray) -> np.ndarray:
        return Reduction.fit(rows.astype(np.float32), 16).apply(rows.astype(np.float32))

    blocks = [block(centers[i][kinds] + random.normal(size=(600, 16))) for i in range(2)]
    with Workers(2) as workers:
        weights = agreement_weights([*blocks, block(random.normal(size=(600, 16)))], [1, 1, 1], workers)
    assert weights[2] < 0.05
    assert weights[0] == pytest.approx(weights[1], rel=0.3)


def test_fewer_rows_than_columns_are_reduced_alike():
    rows = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)
    few, many = Reduction.fit(rows, 8).apply(rows), Reduction.fit(np.concatenate([rows, rows]), 8).apply(rows)
    np.testing.assert_allclose(np.abs(few), np.abs(many), atol=1e-4)
