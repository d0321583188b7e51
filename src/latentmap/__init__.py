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
    "KMeans": "latentmap.kmeans",
    "TSNE": "latentmap.tsne",
    "ImageCollection": "latentmap.images",
    "load_images": "latentmap.images",
    "load_mnist": "latentmap.images",
    "read_idx": "latentmap.images",
    "Run": "latentmap.run",
    "metrics": "latentmap.metrics",
    "plots": "latentmap.plots",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - the keys are strings

if TYPE_CHECKING:
    from latentmap import metrics as metrics
    from latentmap import plots as plots
    from latentmap.autoencoder import Autoencoder as Autoencoder
    from latentmap.images import ImageCollection as ImageCollection
    from latentmap.images import load_images as load_images
    from latentmap.images import load_mnist as load_mnist
    from latentmap.images import read_idx as read_idx
    from latentmap.kmeans import KMeans as KMeans
    from latentmap.run import Run as Run
    from latentmap.tsne import TSNE as TSNE


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'latentmap' has no attribute {name!r}")
    module = import_module(_PUBLIC[name])
    value = module if _PUBLIC[name] == f"latentmap.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
