"""Fitted features on disk: features.json and features.safetensors, from which no code is run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from latentmap.core.atomic_files import write_bytes, write_text
from latentmap.core.errors import ModelFileError
from latentmap.features.parts import PartDictionary
from latentmap.features.reduction import Reduction

if TYPE_CHECKING:
    from latentmap.features.estimator import ImageFeatures

CONFIG, ARRAYS = "features.json", "features.safetensors"
FEATURES_FORMAT_VERSION = 1
MAX_CONFIG_BYTES = 2**20


def write_features(features: "ImageFeatures", folder: Path) -> None:
    """Write fitted features into a folder; see :meth:`latentmap.ImageFeatures.save`."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"parts.filters": features._parts.filters, "parts.bias": features._parts.bias}
    for number, one in enumerate(features._reductions):
        arrays |= {f"{number}.center": one.center, f"{number}.axes": one.axes}
    config = {
        "format_version": FEATURES_FORMAT_VERSION,
        "image_shape": list(features.image_shape_),
        "n_components": int(features.n_components),
        "block_weights": features.block_weights_.tolist(),
    }
    write_bytes(folder / ARRAYS, safetensors.numpy.save(arrays))
    write_text(folder / CONFIG, json.dumps(config, indent=1))


def read_features(folder: Path, n_blocks: int) -> tuple[dict[str, Any], PartDictionary, list[Reduction]]:
    """Read what :func:`write_features` wrote; see :meth:`latentmap.ImageFeatures.load`."""
    try:
        with (folder / CONFIG).open("rb") as file:
            config = json.loads(file.read(MAX_CONFIG_BYTES))
        arrays = safetensors.numpy.load((folder / ARRAYS).read_bytes())
        if config["format_version"] != FEATURES_FORMAT_VERSION:
            raise ModelFileError(f"{folder / CONFIG}: format version {config['format_version']!r}: fit them again")
        parts = PartDictionary(arrays["parts.filters"], arrays["parts.bias"])
        reductions = [Reduction(arrays[f"{n}.center"], arrays[f"{n}.axes"]) for n in range(n_blocks)]
        _check(config, parts, reductions)
    except OSError as error:
        raise ModelFileError(f"{error.filename}: cannot be read ({error.strerror}): fit the features again") from error
    except ModelFileError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, SafetensorError) as error:
        raise ModelFileError(f"{folder}: features are damaged ({error}): fit them again") from error
    return config, parts, reductions


def _check(config: dict[str, Any], parts: PartDictionary, reductions: list[Reduction]) -> None:
    """Raise ValueError for arrays that do not fit each other."""
    weights = np.array(config["block_weights"], float)
    if weights.shape != (len(reductions),) or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("weights are no weights")
    if not all(isinstance(side, int) and 0 < side < 2**16 for side in config["image_shape"]):
        raise ValueError("the image shape is none")
    if parts.filters.ndim != 2 or parts.bias.shape != parts.filters.shape[1:]:
        raise ValueError("filters and bias do not fit")
    for one in reductions:
        if one.axes.ndim != 2 or one.center.shape != one.axes.shape[:1]:
            raise ValueError("centers and axes do not fit")
    for array in (parts.filters, parts.bias, *(part for one in reductions for part in (one.center, one.axes))):
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError("arrays hold other numbers")
