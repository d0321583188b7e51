"""Features as a PyTorch module and as an ONNX file: both compute what ``transform`` computes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import latentmap as lm
from latentmap import ImageFeatures
from latentmap.core.errors import ExportError, MissingPackageError
from latentmap.features import onnx_export
from latentmap.features.torch_blocks import FeatureModule, _turn

MAX_DIFFERENCE = 1e-3
SHAPES = [(28, 28), (20, 33, 3), (128, 96), (32, 20, 1), (30, 32, 2), (16, 16, 4), (90, 100, 3), (1, 5), (7, 3, 3)]


def discs(n: int, image_shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Discs of any size, colour and place on a plain ground: (n, *image_shape), float32.

    Colours of 8 bits would differ as much in one channel as in another now and then, and rounding would choose.
    """
    random = np.random.default_rng(seed)
    height, width, *channels = image_shape
    images = np.empty((n, height, width, *(channels or [1])), np.float32)
    y, x = np.mgrid[:height, :width]
    for image in images:
        image[:] = random.random(image.shape[2])
        for _ in range(random.integers(1, 5)):
            row, column = random.random(2) * (height, width)
            radius = random.uniform(0.1, 0.4) * min(height, width)
            image[(y - row) ** 2 + (x - column) ** 2 < radius**2] = random.random(image.shape[2])
    return images.reshape(n, *image_shape)


def extremes(image_shape: tuple[int, ...]) -> np.ndarray:
    """Noise, faint noise, plain images, stripes and ramps along both sides and across: (n, *image_shape), float32.

    The stripes are irregular. The response to others does not vary, and rounding alone gives its deviation.
    """
    random = np.random.default_rng(0)
    height, width, *channels = image_shape
    one = (height, width, *(channels or [1]))
    y, x = np.mgrid[:height, :width]
    images = [random.random(one) * contrast for contrast in (1, 1, 0.5, 0.16, 0.1, 0.01)]
    images += [np.full(one, value) for value in (0, 1, 0.5, 1 / 3)]
    images += [np.broadcast_to(random.random(one[2]), one) for _ in range(4)]
    for pattern in (
        (x // 3 + x // 7) % 2,
        (y // 2 + y // 5) % 2,
        x / width,
        1 - y / height,
        (x + y) / (height + width),
        np.sin(x) ** 2,
    ):
        images.append(np.broadcast_to(pattern[..., None], one))
    return np.stack(images).reshape(-1, *image_shape).astype(np.float32)


def module_of(features: ImageFeatures) -> Callable[[np.ndarray], np.ndarray]:
    scales = np.sqrt(features.block_weights_).astype(np.float32)
    module = FeatureModule(features.image_shape_, features._parts, features._maps, scales)
    return lambda images: module(torch.from_numpy(images)).numpy()


def session_of(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    return lambda images: session.run(["features"], {"images": images})[0]


def as_values(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / np.float32(255)


@pytest.fixture(scope="module")
def fitted() -> ImageFeatures:
    """Features of colour images that are not square."""
    return ImageFeatures(random_state=0).fit(discs(80, (20, 33, 3), 0))


@pytest.fixture(scope="module")
def exported(fitted, tmp_path_factory) -> Path:
    pytest.importorskip("onnxscript")
    path = tmp_path_factory.mktemp("onnx") / "features.onnx"
    fitted.export_onnx(path)
    return path


@pytest.mark.parametrize("image_shape", SHAPES, ids=str)
def test_the_module_computes_what_transform_computes(image_shape):
    features = ImageFeatures(n_components=16, random_state=0).fit(discs(40, image_shape, 0))
    compute = module_of(features)
    for images in (discs(30, image_shape, 1), extremes(image_shape)):
        np.testing.assert_allclose(compute(images), features.transform(images), atol=MAX_DIFFERENCE)


def test_drawn_images_differ_by_rounding_only(fitted):
    images = discs(60, (20, 33, 3), 1)
    np.testing.assert_allclose(module_of(fitted)(images), fitted.transform(images), atol=2e-5)


def test_equal_images_have_a_module():
    images = np.full((5, 9, 9), 77, np.uint8)
    features = ImageFeatures(random_state=0).fit(images)
    np.testing.assert_allclose(module_of(features)(as_values(images)), features.transform(images), atol=MAX_DIFFERENCE)


def test_angles_are_right_along_the_axes_and_between_them():
    turns = np.append(np.arange(16) / 16, 0)
    x, y = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    x[[4, 12]], y[[0, 8]], x[16], y[16] = 0, 0, 0, 0
    found = _turn(torch.tensor(x), torch.tensor(y)).numpy()
    np.testing.assert_allclose(found, turns, atol=1e-7)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_onnx_gives_what_transform_gives_for_any_number_of_images(fitted, exported, n):
    compute = session_of(exported)
    for images in (discs(n, (20, 33, 3), 1), extremes((20, 33, 3))[:n]):
        found = compute(images)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, fitted.transform(images), atol=MAX_DIFFERENCE)


def test_features_that_were_loaded_are_exported(tmp_path):
    pytest.importorskip("onnxscript")
    images, _ = lm.load_mnist("test")
    ImageFeatures(random_state=0).fit(images[:300]).save(tmp_path / "model")
    features = ImageFeatures.load(tmp_path / "model")
    features.export_onnx(tmp_path / "features.onnx")
    np.testing.assert_allclose(
        session_of(tmp_path / "features.onnx")(as_values(images[300:500])),
        features.transform(images[300:500]),
        atol=MAX_DIFFERENCE,
    )


def test_an_export_with_other_results_is_not_written(fitted, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(onnx_export, "MAX_ONNX_DIFFERENCE", -1.0)
    with pytest.raises(ExportError, match="onnxruntime differs from transform by"):
        fitted.export_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_large_features_may_differ_in_proportion(fitted, tmp_path, monkeypatch):
    allowed = []
    monkeypatch.setattr(onnx_export, "write_onnx", lambda *_, max_difference, **__: allowed.append(max_difference))
    monkeypatch.setattr(onnx_export, "check_onnx_packages", lambda: None)
    fitted.export_onnx(tmp_path / "x.onnx")
    monkeypatch.setattr(fitted, "block_weights_", fitted.block_weights_ * 1e6)
    fitted.export_onnx(tmp_path / "x.onnx")
    assert 1e-3 <= allowed[0] < 1e-2
    assert allowed[1] > 100 * allowed[0]


def test_the_check_does_not_report_progress(fitted, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(fitted, "callback", calls.append)
    monkeypatch.setattr(onnx_export, "write_onnx", lambda *_, **__: None)
    monkeypatch.setattr(onnx_export, "check_onnx_packages", lambda: None)
    fitted.export_onnx(tmp_path / "x.onnx")
    assert fitted.callback is not None
    assert not calls


def test_torch_is_imported_for_an_export_only():
    code = "import sys, latentmap.features; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_features_that_are_not_fitted_and_missing_packages_are_met_with_a_sentence(fitted, tmp_path, monkeypatch):
    with pytest.raises(NotFittedError, match="not fitted"):
        ImageFeatures().export_onnx(tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(ImageFeatures, "transform", None)  # nothing is computed before
    with pytest.raises(MissingPackageError, match=r"needs the package onnx: pip install 'latentmap\[onnx\]'"):
        fitted.export_onnx(tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
