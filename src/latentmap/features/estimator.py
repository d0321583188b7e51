"""Features of images as a scikit-learn estimator."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import InputError
from latentmap.core.mapped_arrays import release
from latentmap.core.parallel import Result, Workers, one_blas_thread
from latentmap.core.progress import Callback, Progress
from latentmap.features.agreement import agreement_weights
from latentmap.features.block_map import BlockMap
from latentmap.features.color import N_RGB, bands, color_histograms
from latentmap.features.edge_histograms import shape_histograms, shape_size
from latentmap.features.feature_files import read_features, write_features
from latentmap.features.onnx_export import export_features
from latentmap.features.parts import PARTS_SIDE, PartDictionary
from latentmap.features.resampling import Pixels, resample
from latentmap.features.reweighting import column_factors, distances_by_factors, nearest_by_factors
from latentmap.features.texture import texture_statistics

MIN_IMAGES = 3
N_SAMPLE = 5_000  # images that the parts and the maps of the blocks are learned from
N_COMPARED = 2_000  # images whose neighbours decide about the weights
CHUNK_SIZE = 64  # images that a thread processes in one call
N_CHUNKS_AT_ONCE = 32  # after which progress is reported, and the pages of a memory-mapped file are released


@dataclass(frozen=True)
class FeatureBlock:
    """A block of features: its name, the kind that it belongs to, and its weight before the data are seen."""

    name: str
    kind: str
    prior: float


BLOCKS = (
    FeatureBlock("fine shape", "shape", 1.0),
    FeatureBlock("coarse shape", "shape", 1.0),
    FeatureBlock("shape of the object", "shape", 1.0),
    FeatureBlock("texture", "texture", 2.0),
    FeatureBlock("parts", "parts", 2.0),
    FeatureBlock("color", "color", 1.0),
)
# Prior of the block "color" if the channels are no colours: people stain or measure for what each channel holds.
PRIOR_OF_CHANNELS = 2.0
KINDS = tuple(dict.fromkeys(block.kind for block in BLOCKS))


class ImageFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Feature vectors by which images that look alike are near each other.

    Six blocks of features describe an image: oriented gradients in fine and in coarse cells of the image and in cells
    of the object in it (shape), statistics of log-Gabor filters (texture), similarities to patches that are typical of
    the collection (parts), and a histogram of colours. Of images of other channels than grey or RGB, texture and
    histogram describe each channel, and the last block also which channels coincide. Each block is reduced to its
    principal components, whitened by half, and then to components of a kernel that compares distances with those to the
    nearest images. The weights of the blocks follow from how well their neighbours agree, without labels.

    Parameters
    ----------
    n_components : int, default=64
        Maximum number of dimensions of each block.
    random_state : int, RandomState or None, default=None
        Seed or generator for the sample of images and patches that the features are learned from.
    n_jobs : int, optional
        Number of threads; all CPUs by default. Results do not depend on it.
    callback : callable, optional
        Called with a :class:`latentmap.core.progress.Progress` after each chunk of images.

    Attributes
    ----------
    weights_ : dict
        Weight of each kind of feature ("shape", "texture", "parts", "color") in the squared distance; they sum to 1.
    block_weights_ : array (6,), float64
        Weight of each block.
    image_shape_ : tuple of int
        Shape of an image: (height, width) or (height, width, channels).
    n_features_out_ : int
        Number of features.

    References
    ----------
    Dalal and Triggs (2005), Histograms of oriented gradients for human detection.
    Zelnik-Manor and Perona (2004), Self-tuning spectral clustering.
    Coates, Lee and Ng (2011), An analysis of single-layer networks in unsupervised feature learning.
    Manjunath and Ma (1996), Texture features for browsing and retrieval of image data.

    Examples
    --------
    >>> import latentmap as lm
    >>> images, _ = lm.load_mnist("test")
    >>> features = lm.ImageFeatures(random_state=0)
    >>> features.fit_transform(images[:200]).shape
    (200, 384)
    >>> max(features.weights_, key=features.weights_.get)
    'shape'
    """

    def __init__(
        self,
        *,
        n_components: int = 64,
        random_state: Any = None,
        n_jobs: int | None = None,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.callback = callback

    def fit(self, images: ArrayLike, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn the parts, the maps of the blocks and the weights from a collection.

        Parameters
        ----------
        images : array (n, h, w) or (n, h, w, channels), uint8, uint16, or float32 or float64 in [0, 1]
            At least 3 images.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            For an array of another shape or type, values out of range, fewer than 3 images, or ``n_components`` below
            1.
        """
        self._learn(_check_images(images))
        return self

    def fit_transform(self, images: ArrayLike, y: object = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Learn from a collection, and compute its features.

        Parameters
        ----------
        images : array (n, h, w) or (n, h, w, channels), uint8, uint16, or float32 or float64 in [0, 1]
            At least 3 images.
        y : ignored

        Returns
        -------
        array (n, n_features_out_), float32

        Raises
        ------
        InputError
            For the same reasons as :meth:`fit`.
        """
        pixels = _check_images(images)
        rows, sample = self._learn(pixels)
        if len(rows) < len(pixels):
            return self.transform(pixels)
        found = np.empty((len(pixels), self.n_features_out_), np.float32)

        def map_chunk(number: int) -> None:
            part = _chunk(number)
            self._map([block[part] for block in sample], found[part])

        with Workers(self.n_jobs) as workers, one_blas_thread():
            workers.run(map_chunk, _n_chunks(len(rows)))
        return found

    def transform(self, images: ArrayLike) -> NDArray[np.float32]:
        """Compute the features of images.

        Parameters
        ----------
        images : array (n, h, w) or (n, h, w, channels), uint8, uint16, or float32 or float64 in [0, 1]
            Images of the shape that the features were fitted to.

        Returns
        -------
        array (n, n_features_out_), float32
            The Euclidean distance of two rows says how different the images look. Its square is the weighted mean of
            the squared distances by each block; two images of the collection have a mean of 1.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            For an array of another shape or type, or values out of range.
        """
        check_is_fitted(self)
        pixels = _check_images(images)
        if pixels.shape[1:] != self.image_shape_:
            raise InputError(f"images of shape {pixels.shape[1:]}: pass images of {self.image_shape_}, as in fit")
        found = np.empty((len(pixels), self.n_features_out_), np.float32)
        with Workers(self.n_jobs) as workers, one_blas_thread():
            self._for_chunks(
                pixels,
                np.arange(len(pixels)),
                lambda number, images: self._map(_blocks(images, self._parts), found[_chunk(number)]),
                workers,
            )
        return found

    def distance_fractions(self, one: ArrayLike, other: ArrayLike) -> dict[str, NDArray[np.float32]]:
        """Compute the fraction of each kind of feature in squared distances: what makes images different.

        Parameters
        ----------
        one, other : array (m, n_features_out_), float32
            Features of the two images of each pair.

        Returns
        -------
        dict of array (m,), float32
            The fraction by kind; 0 for all kinds where the features are equal.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If the arrays have another number of features.
        """
        check_is_fitted(self)
        left, right = np.asarray(one, np.float32), np.asarray(other, np.float32)
        if left.shape != right.shape or left.ndim != 2 or left.shape[1] != self.n_features_out_:
            raise InputError(
                f"features of shapes {left.shape} and {right.shape}: pass two arrays (m, {self.n_features_out_})"
            )
        squares = (left - right) ** 2
        total = squares.sum(axis=1)
        return {
            kind: np.divide(part.sum(axis=1), total, out=np.zeros(len(total), np.float32), where=total > 0)
            for kind in self.weights_
            for part in [squares[:, self._kinds_of_columns == kind]]
        }

    def reweighted(self, features: ArrayLike, weights: Mapping[str, float]) -> NDArray[np.float32]:
        """Compute the features that other weights of the kinds give.

        Parameters
        ----------
        features : array (n, n_features_out_), float32
            Features of this estimator.
        weights : mapping of str to float
            New weight of each kind in the squared distance, in any unit: only their ratios matter. Kinds that are left
            out get 0. Kinds to which the data gave the weight 0 in :attr:`weights_` cannot get another.

        Returns
        -------
        array (n, n_features_out_), float32
            Equal to ``features`` for ``weights_``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            If the array has another number of features, or for a kind without features, a negative or infinite weight,
            or no weight above 0.

        Examples
        --------
        >>> import latentmap as lm
        >>> images, _ = lm.load_mnist("test")
        >>> model = lm.ImageFeatures(random_state=0)
        >>> features = model.fit_transform(images[:200])
        >>> by_shape = model.reweighted(features, {"shape": 1})
        >>> round(float(model.distance_fractions(by_shape[:1], by_shape[1:2])["shape"][0]), 3)
        1.0
        """
        found: NDArray[np.float32] = self._checked(features) * np.sqrt(self._factors(weights))
        return found

    def nearest(
        self, features: NDArray[np.float32], query: NDArray[np.float32], weights: Mapping[str, float], n: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Find the images nearest to one by other weights of the kinds, without a copy of the features.

        Parameters
        ----------
        features : array (m, n_features_out_), float32
            Features of this estimator.
        query : array (n_features_out_,), float32
            Features of the image whose neighbours are found.
        weights : mapping of str to float
            New weight of each kind, as for :meth:`reweighted`.
        n : int
            Number of images to find, at least 1.

        Returns
        -------
        rows : array (n,), int
            Rows of ``features``, nearest first; all of them if there are fewer.
        distances : array (n,), float32
            Distances between the reweighted features.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            For the same reasons as :meth:`reweighted`.
        """
        (vector,) = self._checked(np.asarray(query)[None])
        return nearest_by_factors(self._checked(features), vector, self._factors(weights), n)

    def distances(
        self, features: NDArray[np.float32], query: NDArray[np.float32], weights: Mapping[str, float]
    ) -> NDArray[np.float32]:
        """Distances of all images to one by other weights of the kinds, without a copy of the features.

        Parameters
        ----------
        features : array (m, n_features_out_), float32
            Features of this estimator.
        query : array (n_features_out_,), float32
            Features of the image that the others are compared with.
        weights : mapping of str to float
            New weight of each kind, as for :meth:`reweighted`.

        Returns
        -------
        distances : array (m,), float32
            Distances between the reweighted features.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        InputError
            For the same reasons as :meth:`reweighted`.
        """
        (vector,) = self._checked(np.asarray(query)[None])
        return distances_by_factors(self._checked(features), vector, self._factors(weights))

    def _checked(self, features: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        rows = np.asarray(features, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_out_:
            raise InputError(f"features of shape {rows.shape}: pass an array (n, {self.n_features_out_})")
        return rows

    def _factors(self, weights: Mapping[str, float]) -> NDArray[np.float32]:
        return column_factors(self._kinds_of_columns, weights, self.weights_)

    def save(self, folder: str | Path) -> None:
        """Write the fitted features as features.safetensors and features.json, which run no code when they are read.

        Parameters
        ----------
        folder : path
            The folder; created if it does not exist.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        """
        check_is_fitted(self)
        write_features(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read features that :meth:`save` wrote.

        Parameters
        ----------
        folder : path

        Returns
        -------
        ImageFeatures

        Raises
        ------
        ModelFileError
            If a file is missing, damaged or of another format.
        """
        config, parts, maps = read_features(Path(folder), len(BLOCKS))
        features = cls(n_components=config["n_components"])
        features.image_shape_ = tuple(config["image_shape"])
        features._set_learned(parts, maps, np.array(config["block_weights"]))
        return features

    def export_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the features as an ONNX file, after comparing what onnxruntime computes from it with :meth:`transform`.

        The file maps ``images`` (n, *image_shape_), float32 in [0, 1], to ``features`` (n, n_features_out_), float32.
        The number of images n is free. All n are computed at once, each in a few megabytes.

        Features differ from those of :meth:`transform` by rounding, typically by 1e-6. Up to a few hundredths are
        possible where rounding decides: if two channels have gradients of equal length in different directions, if
        pixels differ from the colour of the border by just the threshold of the object, or if the responses of a
        texture filter do not vary, as on exact stripes.

        Parameters
        ----------
        path : path
            File to write.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        MissingPackageError
            If the packages of ``pip install 'latentmap[onnx]'`` are missing.
        ExportError
            If the results of onnxruntime differ for random images by more than 1e-3, or by more than 1e-3 of the
            longest row of features if that is above 1; the file is then not written.
        """
        check_is_fitted(self)
        export_features(self, user_path(path))

    def _learn(self, pixels: NDArray[Any]) -> tuple[NDArray[np.intp], list[Pixels]]:
        """Learn from a sample of the images; return their rows and their blocks of features."""
        if len(pixels) < MIN_IMAGES:
            raise InputError(f"{len(pixels)} images: pass at least {MIN_IMAGES}")
        if not isinstance(self.n_components, int | np.integer) or self.n_components < 1:
            raise InputError(f"n_components={self.n_components!r}: ask for a whole number of at least 1")
        random = check_random_state(self.random_state)
        rows = np.sort(random.choice(len(pixels), min(len(pixels), N_SAMPLE), replace=False))
        self.image_shape_ = pixels.shape[1:]
        with Workers(self.n_jobs) as workers, one_blas_thread():
            small = [_at_parts_size(_as_values(pixels[rows[_chunk(number)]])) for number in range(_n_chunks(len(rows)))]
            parts = PartDictionary.learn(np.concatenate(small), random)
            del small
            chunks = self._for_chunks(pixels, rows, lambda _, images: _blocks(images, parts), workers)
            sample = [np.concatenate(found) for found in zip(*chunks, strict=True)]
            del chunks
            shuffled = random.permutation(len(rows))
            compared = shuffled[:N_COMPARED]

            def fit_map(number: int) -> tuple[BlockMap, Pixels]:
                one = BlockMap.fit(sample[number][shuffled], self.n_components)
                return one, one.apply(sample[number][compared])

            maps, mapped = zip(*workers.map(fit_map, len(BLOCKS)), strict=True)
            has_channels = pixels.ndim == 4 and pixels.shape[3] not in (1, N_RGB)
            prior = [PRIOR_OF_CHANNELS if has_channels and block.kind == "color" else block.prior for block in BLOCKS]
            weights = agreement_weights(mapped, prior, workers)
        self._set_learned(parts, list(maps), weights)
        return rows, sample

    def _set_learned(self, parts: PartDictionary, maps: list[BlockMap], block_weights: NDArray[np.float64]) -> None:
        self._parts, self._maps, self.block_weights_ = parts, maps, block_weights
        sizes = [one.n_components for one in maps]
        self._kinds_of_columns = np.repeat([block.kind for block in BLOCKS], sizes)
        self.n_features_out_ = sum(sizes)
        self.weights_ = {
            kind: float(sum(w for block, w in zip(BLOCKS, block_weights, strict=True) if block.kind == kind))
            for kind in KINDS
        }

    def _for_chunks(
        self, pixels: NDArray[Any], rows: NDArray[np.intp], compute: Callable[[int, Pixels], Result], workers: Workers
    ) -> list[Result]:
        """Results of ``compute`` for each chunk of rows, by its number and its images."""
        n_chunks = _n_chunks(len(rows))

        def compute_chunk(first: int, i: int) -> Result:
            return compute(first + i, _as_values(pixels[rows[_chunk(first + i)]]))

        results = []
        for first in range(0, n_chunks, N_CHUNKS_AT_ONCE):
            last = min(n_chunks, first + N_CHUNKS_AT_ONCE)
            results += workers.map(partial(compute_chunk, first), last - first)
            release(pixels)
            if self.callback is not None:
                self.callback(Progress(min(len(rows), last * CHUNK_SIZE), len(rows)))
        return results

    def _map(self, blocks: list[Pixels], found: Pixels) -> None:
        """Write the features that blocks of a chunk of images give to rows (m, n_features_out_)."""
        scales, end = np.sqrt(self.block_weights_).astype(np.float32), 0
        for one, block, scale in zip(self._maps, blocks, scales, strict=True):
            begin, end = end, end + one.n_components
            np.multiply(one.apply(block), scale, out=found[:, begin:end])


def _blocks(images: Pixels, parts: PartDictionary) -> list[Pixels]:
    """Blocks of features of a chunk of images (n, h, w, c), in the order of ``BLOCKS``."""
    _, h, w, _ = images.shape
    shape = shape_histograms(resample(images, *shape_size(h, w)))
    small = _at_parts_size(images)
    return [*shape, _textures(small), parts.activations(small), color_histograms(small)]


def _textures(images: Pixels) -> Pixels:
    """Texture of grey, of the mean of colours, or of each of several channels: (n, 64) or (n, 64 b)."""
    if images.shape[3] in (1, N_RGB):
        return texture_statistics(images.mean(axis=3))
    found = bands(images)
    return np.concatenate([texture_statistics(found[..., k]) for k in range(found.shape[3])], axis=1)


def _at_parts_size(images: Pixels) -> Pixels:
    return resample(images, PARTS_SIDE, PARTS_SIDE)


def _n_chunks(n: int) -> int:
    return -(-n // CHUNK_SIZE)


def _chunk(number: int) -> slice:
    return slice(number * CHUNK_SIZE, (number + 1) * CHUNK_SIZE)


def _as_values(images: NDArray[Any]) -> Pixels:
    """Images as (n, h, w, channels), float32 in [0, 1]."""
    values = images.astype(np.float32)
    if images.dtype in (np.uint8, np.uint16):
        values /= np.iinfo(images.dtype).max
    elif not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise InputError("images of numbers outside of [0, 1], or NaN: pass uint8 or uint16, or scale them to [0, 1]")
    return values if values.ndim == 4 else values[..., None]


def _check_images(images: ArrayLike) -> NDArray[Any]:
    pixels = images if isinstance(images, np.ndarray) else np.asarray(images)
    if pixels.ndim not in (3, 4) or 0 in pixels.shape[1:]:
        raise InputError(f"images of shape {pixels.shape}: pass (n, h, w) or (n, h, w, channels)")
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise InputError(f"images of type {pixels.dtype}: pass uint8, uint16, or float32 or float64 in [0, 1]")
    return pixels
