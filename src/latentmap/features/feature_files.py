"""Fitted features on disk: features.json and features.safetensors, from which no code is run."""

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from latentmap.core.atomic_files import write_bytes, write_text
from latentmap.core.errors import ModelFileError
from latentmap.features.block_map import BlockMap
from latentmap.features.kernel import LocalKernel
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
    for number, one in enumerate(features._maps):
        arrays |= {f"{number}.{name}": array for name, array in vars(one.reduction).items()}
        if one.kernel is not None:
            arrays |= {f"{number}.kernel.{name}": array for name, array in vars(one.kernel).items()}
    config = {
        "format_version": FEATURES_FORMAT_VERSION,
        "image_shape": list(features.image_shape_),
        "n_components": int(features.n_components),
        "block_weights": features.block_weights_.tolist(),
    }
    write_bytes(folder / ARRAYS, safetensors.numpy.save(arrays))
    write_text(folder / CONFIG, json.dumps(config, indent=1))


def read_features(folder: Path, n_blocks: int) -> tuple[dict[str, Any], PartDictionary, list[BlockMap]]:
    """Read what :func:`write_features` wrote; see :meth:`latentmap.ImageFeatures.load`."""
    try:
        with (folder / CONFIG).open("rb") as file:
            config = json.loads(file.read(MAX_CONFIG_BYTES))
        arrays = safetensors.numpy.load((folder / ARRAYS).read_bytes())
        if config["format_version"] != FEATURES_FORMAT_VERSION:
            raise ModelFileError(f"{folder / CONFIG}: format version {config['format_version']!r}: fit them again")
        parts = PartDictionary(arrays["parts.filters"], arrays["parts.bias"])
        maps = [_block_map(arrays, f"{n}.") for n in range(n_blocks)]
        _check(config, parts, maps)
        _check_arrays(arrays)
    except OSError as error:
        raise ModelFileError(f"{error.filename}: cannot be read ({error.strerror}): fit the features again") from error
    except ModelFileError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, SafetensorError) as error:
        raise ModelFileError(f"{folder}: features are damaged ({error}): fit them again") from error
    return config, parts, maps


def _block_map(arrays: dict[str, NDArray[Any]], prefix: str) -> BlockMap:
    reduction = Reduction(*(arrays[prefix + field.name] for field in fields(Reduction)))
    if f"{prefix}kernel.axes" not in arrays:
        return BlockMap(reduction, None)
    return BlockMap(reduction, LocalKernel(*(arrays[f"{prefix}kernel.{field.name}"] for field in fields(LocalKernel))))


def _check(config: dict[str, Any], parts: PartDictionary, maps: list[BlockMap]) -> None:
    """Raise ValueError for a description or arrays that do not fit each other."""
    weights = np.array(config["block_weights"], float)
    if weights.shape != (len(maps),) or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("weights are no weights")
    if not all(isinstance(side, int) and 0 < side < 2**16 for side in config["image_shape"]):
        raise ValueError("the image shape is none")
    if parts.filters.ndim != 2 or parts.bias.shape != parts.filters.shape[1:]:
        raise ValueError("filters and bias do not fit")
    for one in maps:
        reduction, kernel = one.reduction, one.kernel
        if reduction.axes.ndim != 2 or reduction.center.shape != reduction.axes.shape[:1]:
            raise ValueError("centers and axes do not fit")
        if kernel is not None and not _fit(kernel, reduction.axes.shape[1]):
            raise ValueError("arrays of a kernel do not fit")


def _fit(kernel: LocalKernel, n_reduced: int) -> bool:
    """Whether the arrays of a kernel fit each other and vectors of this length."""
    m, p = len(kernel.scales), len(kernel.offset)
    shapes = ((m, n_reduced), (m,), (), (m, p), (p,))
    have_shapes = all(array.shape == shape for array, shape in zip(vars(kernel).values(), shapes, strict=True))
    return have_shapes and m > 1 and bool((kernel.scales > 0).all() and kernel.min_scale > 0)


def _check_arrays(arrays: dict[str, NDArray[Any]]) -> None:
    """Raise ValueError for arrays of another type, infinite or NaN."""
    for array in arrays.values():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError("arrays hold other numbers")
