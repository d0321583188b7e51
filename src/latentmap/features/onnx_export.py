"""Export of fitted features to ONNX."""

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentmap.core.onnx_files import check_onnx_packages, write_onnx
from latentmap.features.resampling import Pixels, resample

if TYPE_CHECKING:
    from latentmap.features.estimator import ImageFeatures

MAX_ONNX_DIFFERENCE = 1e-3  # of a feature, where the length of rows is at most 1; relative to the longest row above
N_NOISE, N_SMOOTH = 2, 3  # images that an exported file is checked with
SMOOTH_SIDE = 4  # random values per side of a smooth image


def export_features(features: "ImageFeatures", path: Path) -> None:
    """Write fitted features as an ONNX file; see :meth:`latentmap.ImageFeatures.export_onnx`."""
    check_onnx_packages()
    from latentmap.features.torch_blocks import FeatureModule  # torch takes a second to import

    scales = np.sqrt(features.block_weights_).astype(np.float32)
    module = FeatureModule(features.image_shape_, features._parts, features._maps, scales).eval()
    images = _check_images(features.image_shape_)
    silent = copy.copy(features)
    silent.callback = None  # the check is no work of the caller's
    expected = silent.transform(images)
    longest = float(np.linalg.norm(expected, axis=1).max())
    write_onnx(
        path,
        module,
        {"images": images},
        "features",
        expected,
        max_difference=MAX_ONNX_DIFFERENCE * max(1.0, longest),
        reference="transform",
    )


def _check_images(image_shape: tuple[int, ...]) -> Pixels:
    """Random images (5, *image_shape), float32 in [0, 1]: noise, and smooth ones."""
    height, width, *channels = image_shape
    random = np.random.default_rng(0)
    noise = random.random((N_NOISE, *image_shape), np.float32)
    coarse = random.random((N_SMOOTH, SMOOTH_SIDE, SMOOTH_SIDE, *(channels or [1])), np.float32)
    smooth = resample(coarse, height, width).clip(0, 1).reshape(N_SMOOTH, *image_shape)
    return np.concatenate([noise, smooth])
