"""latentmap turns a pile of unlabelled images into a map you can explore.

The public names are loaded when first used: ``import latentmap`` imports neither torch nor scikit-learn.

>>> import latentmap as lm
>>> images, labels = lm.load_mnist("test")
>>> images.shape, images.dtype
((10000, 28, 28), dtype('uint8'))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> the module that defines it. A module listed as itself is public as a whole.
_PUBLIC = {
    "Autoencoder": "latentmap.autoencoder",
    "GraphClustering": "latentmap.groups",
    "ImageDecoder": "latentmap.autoencoder",
    "ImageEncoder": "latentmap.encoder",
    "ImageFeatures": "latentmap.features",
    "KMeans": "latentmap.kmeans",
    "LabelSpreading": "latentmap.groups",
    "TSNE": "latentmap.tsne",
    "invariant_neighbors": "latentmap.neighbors",
    "nearest_neighbors": "latentmap.neighbors",
    "ImageCollection": "latentmap.images",
    "open_images": "latentmap.images",
    "load_mnist": "latentmap.images",
    "read_idx": "latentmap.images",
    "Run": "latentmap.run",
    "add_images": "latentmap.api",
    "audit_images": "latentmap.api",
    "compare": "latentmap.api",
    "explore": "latentmap.api",
    "map_images": "latentmap.api",
    "select": "latentmap.api",
    "metrics": "latentmap.metrics",
    "plots": "latentmap.plots",
    **dict.fromkeys(
        [
            "EncoderError",
            "ExportError",
            "IdxError",
            "InputError",
            "InputTypeError",
            "LatentmapError",
            "MissingPackageError",
            "ModelFileError",
            "OptionError",
            "PortError",
            "RunError",
            "RunMemoryError",
            "SourceError",
            "TrainingError",
            "UnavailableError",
        ],
        "latentmap.core.errors",
    ),
}

__all__ = [
    "TSNE",
    "Autoencoder",
    "EncoderError",
    "ExportError",
    "GraphClustering",
    "IdxError",
    "ImageCollection",
    "ImageDecoder",
    "ImageEncoder",
    "ImageFeatures",
    "InputError",
    "InputTypeError",
    "KMeans",
    "LabelSpreading",
    "LatentmapError",
    "MissingPackageError",
    "ModelFileError",
    "OptionError",
    "PortError",
    "Run",
    "RunError",
    "RunMemoryError",
    "SourceError",
    "TrainingError",
    "UnavailableError",
    "__version__",
    "add_images",
    "audit_images",
    "compare",
    "explore",
    "invariant_neighbors",
    "load_mnist",
    "map_images",
    "metrics",
    "nearest_neighbors",
    "open_images",
    "plots",
    "read_idx",
    "select",
]

if TYPE_CHECKING:
    from latentmap import metrics, plots
    from latentmap.api import add_images, audit_images, compare, explore, map_images, select
    from latentmap.autoencoder import Autoencoder, ImageDecoder
    from latentmap.core.errors import (
        EncoderError,
        ExportError,
        IdxError,
        InputError,
        InputTypeError,
        LatentmapError,
        MissingPackageError,
        ModelFileError,
        OptionError,
        PortError,
        RunError,
        RunMemoryError,
        SourceError,
        TrainingError,
        UnavailableError,
    )
    from latentmap.encoder import ImageEncoder
    from latentmap.features import ImageFeatures
    from latentmap.groups import GraphClustering, LabelSpreading
    from latentmap.images import ImageCollection, load_mnist, open_images, read_idx
    from latentmap.kmeans import KMeans
    from latentmap.neighbors import invariant_neighbors, nearest_neighbors
    from latentmap.run import Run
    from latentmap.tsne import TSNE


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'latentmap' has no attribute {name!r}")
    module = import_module(_PUBLIC[name])
    value = module if _PUBLIC[name] == f"latentmap.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
