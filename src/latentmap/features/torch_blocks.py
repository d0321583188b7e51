"""The features of images as a PyTorch module of operations that ONNX has.

The module serves exports: it repeats the kernels of ``edge_histograms``, ``texture``, ``parts`` and ``color``, with
products of constant matrices in place of loops over pixels and of Fourier transforms. Inside it, images are
(n, c, h, w).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from latentmap.features import color, edge_histograms, parts, texture
from latentmap.features.block_map import BlockMap
from latentmap.features.edge_histograms import shape_size
from latentmap.features.kernel import WIDTH, LocalKernel, nearest_rank
from latentmap.features.parts import PARTS_SIDE, PartDictionary
from latentmap.features.resampling import resampling_weights


class FeatureModule(nn.Module):
    """Features of images, as :meth:`latentmap.ImageFeatures.transform` computes them.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of an image: (height, width) or (height, width, channels).
    dictionary : PartDictionary
    maps : sequence of BlockMap
        Map of each block.
    scales : array (len(maps),), float32
        Factor of each mapped block.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        dictionary: PartDictionary,
        maps: Sequence[BlockMap],
        scales: NDArray[np.float32],
    ) -> None:
        super().__init__()
        height, width, *channels = image_shape
        self.at_shape_size = _Resampling((height, width), shape_size(height, width))
        self.at_parts_size = _Resampling((height, width), (PARTS_SIDE, PARTS_SIDE))
        self.shape = _ShapeBlocks(*shape_size(height, width))
        n_channels = channels[0] if channels else 1
        self.bands = _Bands(n_channels) if n_channels not in (1, color.N_RGB) else None
        self.texture = _TextureBlock()
        self.parts = _PartsBlock(dictionary)
        colors = {1: _GreyBlock, color.N_RGB: _ColorBlock}
        self.color: nn.Module = colors.get(n_channels, _BandBlock)()
        self.maps = nn.ModuleList(map(_ScaledMap, maps, scales.tolist()))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, *image_shape), float32 in [0, 1], to features (n, n_features_out_), float32."""
        blocks = self._image_blocks(images)
        return torch.cat([block_map(block) for block_map, block in zip(self.maps, blocks, strict=True)], dim=1)

    def _image_blocks(self, images: Tensor) -> list[Tensor]:
        """Blocks of features (n, p), in the order of ``BLOCKS``."""
        channels_first = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        small = self.at_parts_size(channels_first)
        described = small.mean(dim=1, keepdim=True) if self.bands is None else self.bands(small)
        textures = [self.texture(described[:, k]) for k in range(described.shape[1])]
        return [
            *self.shape(self.at_shape_size(channels_first)),
            torch.cat(textures, dim=1),
            self.parts(small),
            self.color(small if self.bands is None else described),
        ]


class _ScaledMap(nn.Module):
    """Components of a block, times a factor; see :class:`latentmap.features.block_map.BlockMap`."""

    center: Tensor
    axes: Tensor

    def __init__(self, block_map: BlockMap, scale: float) -> None:
        super().__init__()
        reduction, kernel = block_map.reduction, block_map.kernel
        self.kernel = None if kernel is None else _Kernel(kernel)
        self.scale = scale
        _set_constants(self, center=reduction.center, axes=reduction.axes)

    def forward(self, rows: Tensor) -> Tensor:
        reduced = (rows - self.center) @ self.axes
        return self.scale * (reduced if self.kernel is None else self.kernel(reduced))


class _Kernel(nn.Module):
    """Components of the kernel with local scales; see :class:`latentmap.features.kernel.LocalKernel`."""

    landmarks: Tensor
    squares: Tensor
    scales: Tensor
    axes: Tensor
    offset: Tensor

    def __init__(self, kernel: LocalKernel) -> None:
        super().__init__()
        self.n_nearest = nearest_rank(len(kernel.scales))
        self.min_scale = float(kernel.min_scale)
        constants = {name: array for name, array in vars(kernel).items() if name != "min_scale"}
        _set_constants(self, squares=(kernel.landmarks**2).sum(axis=1), **constants)

    def forward(self, rows: Tensor) -> Tensor:
        squares = (rows**2).sum(dim=1, keepdim=True) + self.squares - 2 * rows @ self.landmarks.T
        squares = squares.clamp(min=0)
        nearest = squares.topk(self.n_nearest + 1, dim=1, largest=False).values[:, -1:]
        scales = nearest.sqrt().clamp(min=self.min_scale)
        return torch.exp(-squares / (WIDTH * scales * self.scales)) @ self.axes - self.offset


class _Resampling(nn.Module):
    """Images at another size; see :func:`latentmap.features.resampling.resample`."""

    row_weights: Tensor
    column_weights: Tensor

    def __init__(self, old: tuple[int, int], new: tuple[int, int]) -> None:
        super().__init__()
        self.has_other_height, self.has_other_width = old[0] != new[0], old[1] != new[1]
        _set_constants(
            self,
            row_weights=resampling_weights(old[0], new[0]),
            column_weights=resampling_weights(old[1], new[1]).T,
        )

    def forward(self, images: Tensor) -> Tensor:
        if self.has_other_height:
            images = self.row_weights @ images
        if self.has_other_width:
            images = images @ self.column_weights
        return images


# ---------------------------------------------------------------- shape


class _ShapeBlocks(nn.Module):
    """Histograms of oriented gradients; see :func:`latentmap.features.edge_histograms.shape_histograms`."""

    rows: Tensor
    columns: Tensor
    fine_rows: Tensor
    fine_columns: Tensor
    coarse_rows: Tensor
    coarse_columns: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        rows, columns = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in (height, width))
        _set_constants(self, rows=rows, columns=columns)
        for name, n_cells in (("fine", edge_histograms.N_FINE), ("coarse", edge_histograms.N_COARSE)):
            in_rows, in_columns = (_cell_weights(torch.from_numpy(at / len(at)), n_cells) for at in (rows, columns))
            scale = n_cells * n_cells / (height * width)
            _set_constants(self, **{f"{name}_rows": (in_rows * scale).numpy(), f"{name}_columns": in_columns.T.numpy()})

    def forward(self, images: Tensor) -> list[Tensor]:
        signed = _oriented_gradients(images)
        # the directions of edges have half of the angles, so that each takes those of two opposite gradients
        unsigned = signed[:, : edge_histograms.N_UNSIGNED] + signed[:, edge_histograms.N_UNSIGNED :]
        histograms = (
            self.fine_rows @ signed @ self.fine_columns,
            self.coarse_rows @ unsigned @ self.coarse_columns,
            self._of_object(images, unsigned),
        )
        return [_normalized(one).permute(0, 2, 3, 1).flatten(1) for one in histograms]

    def _of_object(self, images: Tensor, gradients: Tensor) -> Tensor:
        """Histograms (n, directions, cells, cells) in the cells of the square around the object."""
        top, left, side = _object_squares(images)
        rows = _cell_weights((self.rows - top) / side, edge_histograms.N_FINE)
        columns = _cell_weights((self.columns - left) / side, edge_histograms.N_FINE)
        sums = rows.unsqueeze(1) @ gradients @ columns.transpose(1, 2).unsqueeze(1)
        return sums * (edge_histograms.N_FINE**2 / (side * side))[:, :, None, None]


def _oriented_gradients(images: Tensor) -> Tensor:
    """Length of the gradient at each pixel, shared by the two nearest of 16 directions: (n, 16, h, w)."""
    across, down = _difference(images, 3), _difference(images, 2)
    squared = across * across + down * down
    if images.shape[1] > 1:  # the channel with the largest gradient counts
        largest = squared.argmax(dim=1, keepdim=True)
        across, down, squared = (values.gather(1, largest) for values in (across, down, squared))
    place = _turn(across, down) * edge_histograms.N_SIGNED
    apart = (place - torch.arange(edge_histograms.N_SIGNED, dtype=torch.float32)[:, None, None]).abs()
    apart = torch.minimum(apart, edge_histograms.N_SIGNED - apart)
    return functional.relu(1 - apart) * squared.sqrt()


def _difference(images: Tensor, axis: int) -> Tensor:
    """Central differences, where the pixels at the border are repeated."""
    length = images.shape[axis]
    after = torch.cat([images.narrow(axis, 1, length - 1), images.narrow(axis, length - 1, 1)], axis)
    before = torch.cat([images.narrow(axis, 0, 1), images.narrow(axis, 0, length - 1)], axis)
    return (after - before) * 0.5


def _turn(x: Tensor, y: Tensor) -> Tensor:
    """Angle of vectors in turns, from 0 to 1. It is computed in the first octant: ONNX has no arctangent of two."""
    longer, shorter = torch.maximum(x.abs(), y.abs()), torch.minimum(x.abs(), y.abs())
    turn = torch.atan(shorter / torch.where(longer > 0, longer, 1.0)) / (2 * np.pi)
    turn = torch.where(y.abs() > x.abs(), 0.25 - turn, turn)
    turn = torch.where(x < 0, 0.5 - turn, turn)
    return torch.where(y < 0, 1 - turn, turn)


def _cell_weights(places: Tensor, n_cells: int) -> Tensor:
    """Weights (..., n_cells, m) of cells along a side at m places (..., m), where 0 and 1 are the ends of the side."""
    cells = torch.arange(n_cells, dtype=torch.float32)[:, None]
    return functional.relu(1 - (places.unsqueeze(-2) * n_cells - 0.5 - cells).abs())


def _object_squares(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Top, left and side (n, 1) of the object; see :func:`latentmap.features.edge_histograms.object_squares`."""
    edges = (images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1])
    background = _median(torch.cat(edges, dim=2))
    contrast = (images - background[:, :, None, None]).abs().amax(dim=1)
    differs = (contrast > edge_histograms.MIN_CONTRAST).to(torch.float32)
    top, bottom = _extent(differs.amax(dim=2))
    left, right = _extent(differs.amax(dim=1))
    side = torch.maximum(bottom - top, right - left)
    return (top + bottom - side) / 2, (left + right - side) / 2, side


def _median(values: Tensor) -> Tensor:
    """Median of an even number of values along the last axis, which is the mean of the two in the middle."""
    half = values.shape[-1] // 2
    upper = torch.topk(values, half + 1, dim=-1).values
    return (upper[..., half - 1] + upper[..., half]) / 2


def _extent(is_found: Tensor) -> tuple[Tensor, Tensor]:
    """First and last + 1 of the ones in rows (n, length) of zeros and ones; the whole row for less than two pixels."""
    length = is_found.shape[1]
    places = torch.arange(length, dtype=torch.float32)
    first = torch.where(is_found > 0, places, float(length)).amin(dim=1, keepdim=True)
    last = (is_found * (places + 1)).amax(dim=1, keepdim=True)
    is_small = last - first < 2
    return torch.where(is_small, 0.0, first), torch.where(is_small, float(length), last)


def _normalized(histograms: Tensor) -> Tensor:
    """Cells (n, directions, rows, columns), each divided by the lengths of the four blocks of 2×2 cells around it."""
    energy = (histograms * histograms).sum(dim=1, keepdim=True)
    found = torch.zeros_like(histograms)
    for pair in (energy + _shifted(energy, 2, side) for side in (-1, 1)):
        for block in (pair + _shifted(pair, 3, side) for side in (-1, 1)):
            scaled = histograms / (block + edge_histograms.MIN_NORM**2).sqrt()
            found = found + scaled.clamp(max=edge_histograms.MAX_NORMALIZED) * 0.25
    return found


def _shifted(cells: Tensor, axis: int, side: int) -> Tensor:
    """The neighbour of each cell before (-1) or after it (1) along an axis; at the border the cell itself."""
    n = cells.shape[axis]
    if side < 0:
        return torch.cat([cells.narrow(axis, 0, 1), cells.narrow(axis, 0, n - 1)], axis)
    return torch.cat([cells.narrow(axis, 1, n - 1), cells.narrow(axis, n - 1, 1)], axis)


# ---------------------------------------------------------------- texture


class _TextureBlock(nn.Module):
    """Statistics of the responses of log-Gabor filters; see :func:`latentmap.features.texture.texture_statistics`."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            _TextureScale(scale, cropped) for scale, cropped in enumerate(texture.CROPPED_SIDES)
        )

    def forward(self, grey: Tensor) -> Tensor:
        """Map grey images (n, 32, 32) to the logarithms (n, 64)."""
        statistics = torch.cat([scale(grey.unsqueeze(1)) for scale in self.scales], dim=1)
        return torch.log(statistics + texture.MIN_RESPONSE)


class _TextureScale(nn.Module):
    """Mean and deviation of the responses of the filters of one scale.

    A complex matrix is a pair of real ones: the transform to frequencies has them below each other, the one back is the
    real matrix of twice the size that multiplies such pairs.
    """

    to_frequencies: Tensor
    filters: Tensor
    from_rows: Tensor
    from_columns: Tensor

    def __init__(self, scale: int, cropped: int) -> None:
        super().__init__()
        side = PARTS_SIDE + 2 * texture.MARGIN
        margin = texture.MARGIN * cropped // side
        mirrored = np.pad(np.eye(PARTS_SIDE), ((texture.MARGIN, texture.MARGIN), (0, 0)), mode="reflect")
        frequencies = np.fft.ifftshift(np.arange(cropped) - cropped // 2)[:, None]
        forward = np.exp(-2j * np.pi * frequencies * np.arange(side) / side) @ mirrored / side
        back = np.exp(2j * np.pi * np.arange(margin, cropped - margin)[:, None] * frequencies.T / cropped)
        turned = np.block([[back.real, -back.imag], [back.imag, back.real]])
        filters = [texture.log_gabor_filter(side, cropped, scale, one) for one in range(texture.N_ORIENTATIONS)]
        _set_constants(
            self,
            to_frequencies=np.concatenate([forward.real, forward.imag]),
            filters=np.stack(filters),
            from_rows=turned,
            from_columns=turned.T,
        )

    def forward(self, grey: Tensor) -> Tensor:
        """Map grey images (n, 1, 32, 32) to statistics (n, 16)."""
        responses = self._responses(self._spectrum(grey))
        mean = responses.mean(dim=(2, 3), keepdim=True)
        deviation = (responses - mean).square().mean(dim=(2, 3)).sqrt()
        return torch.stack([mean.flatten(1), deviation], dim=2).flatten(1)

    def _spectrum(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary part (n, 1, frequencies, frequencies)."""
        products = self.to_frequencies @ grey @ self.to_frequencies.T
        real, imaginary = products.chunk(2, dim=2)
        (rr, ri), (ir, ii) = (part.chunk(2, dim=3) for part in (real, imaginary))
        return rr - ii, ri + ir

    def _responses(self, spectrum: tuple[Tensor, Tensor]) -> Tensor:
        """Absolute values (n, orientations, inside, inside) of the responses inside the margin."""
        filtered = torch.cat([part * self.filters for part in spectrum], dim=2)
        real, imaginary = (self.from_rows @ filtered).chunk(2, dim=2)
        real, imaginary = (torch.cat([real, imaginary], dim=3) @ self.from_columns).chunk(2, dim=3)
        return (real.square() + imaginary.square()).sqrt()


# ---------------------------------------------------------------- parts


class _PartsBlock(nn.Module):
    """Similarities to the parts; see :meth:`latentmap.features.parts.PartDictionary.activations`."""

    at: Tensor
    filters: Tensor
    limits: Tensor
    quarters: Tensor

    def __init__(self, dictionary: PartDictionary) -> None:
        super().__init__()
        self.n_places = PARTS_SIDE - parts.PATCH_SIDE + 1
        is_second = (np.arange(self.n_places) > self.n_places // 2).astype(int)
        quarter = 2 * is_second[:, None] + is_second
        _set_constants(
            self,
            filters=dictionary.filters,
            limits=dictionary.bias + np.float32(parts.THRESHOLD),
            quarters=quarter.ravel() == np.arange(4)[:, None],
        )
        at = np.arange(self.n_places)[:, None] + np.arange(parts.PATCH_SIDE)
        self.register_buffer("at", torch.from_numpy(at.ravel()))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, c, 32, 32) to sums (n, 4 · 256)."""
        patches = self._patches(images)
        patches = patches - patches.mean(dim=2, keepdim=True)
        variances = patches.square().mean(dim=2, keepdim=True)
        similarities = (patches / (variances + parts.MIN_VARIANCE).sqrt()) @ self.filters
        return (self.quarters @ functional.relu(similarities - self.limits)).flatten(1)

    def _patches(self, images: Tensor) -> Tensor:
        """Values of the patches (n, 27², 6² · c), a row each."""
        by_row = images.index_select(2, self.at).index_select(3, self.at)
        sides = (self.n_places, parts.PATCH_SIDE)
        by_place = torch.unflatten(torch.unflatten(by_row, 3, sides), 2, sides)
        return by_place.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


# ---------------------------------------------------------------- colour


class _GreyBlock(nn.Module):
    """Histogram of all values; see :func:`latentmap.features.color.color_histograms`."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, c, 32, 32) to the roots of histograms (n, 32)."""
        return _bin_weights(images.flatten(1), color.N_GREY_BINS).mean(dim=1).sqrt()


class _Bands(nn.Module):
    """Means of neighbouring channels; see :func:`latentmap.features.color.bands`."""

    weights: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.are_channels = n_channels <= color.MAX_BANDS
        if not self.are_channels:
            _set_constants(self, weights=color.band_weights(n_channels))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, c, 32, 32) to (n, b, 32, 32)."""
        if self.are_channels:
            return images
        return (images.permute(0, 2, 3, 1) @ self.weights).permute(0, 3, 1, 2)


class _BandBlock(nn.Module):
    """Histograms of bands and their correlations; see :func:`latentmap.features.color.color_histograms`."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, b, 32, 32) to (n, 16 b + b (b - 1) / 2)."""
        n_bands = images.shape[1]
        values = images.flatten(2)
        places = (values * color.N_CHANNEL_BINS - 0.5).clamp(0.0, color.N_CHANNEL_BINS - 1.000001)
        bins = torch.arange(color.N_CHANNEL_BINS, dtype=torch.float32)
        roots = (functional.relu(1 - (places.unsqueeze(3) - bins).abs()).mean(dim=2) / n_bands).sqrt()
        centered = values - values.mean(dim=2, keepdim=True)
        covariances = centered @ centered.transpose(1, 2) / values.shape[2]
        deviations = (centered.square().mean(dim=2) + color.MIN_VARIANCE).sqrt()
        scaled = covariances / (deviations.unsqueeze(2) * deviations.unsqueeze(1))
        first, second = np.triu_indices(n_bands, 1)
        correlations = scaled.flatten(1)[:, torch.from_numpy(first * n_bands + second)]
        return torch.cat([roots.flatten(1), correlations / n_bands**0.5], dim=1)


class _ColorBlock(nn.Module):
    """Histogram of colours; see :func:`latentmap.features.color.color_histograms`."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, 32, 32) to the roots of histograms (n, 216)."""
        lightness, a, b = _lab(images.flatten(2))
        limit = color.MAX_CHROMA
        values = (lightness / 100, (a + limit) / (2 * limit), (b + limit) / (2 * limit))
        first, second, third = (_bin_weights(one, color.N_BINS) for one in values)
        pairs = (first.unsqueeze(3) * second.unsqueeze(2)).flatten(2)
        return (pairs.transpose(1, 2) @ third / pairs.shape[1]).flatten(1).sqrt()


def _bin_weights(values: Tensor, n_bins: int) -> Tensor:
    """Weights (n, m, n_bins) of the two nearest bins of values (n, m)."""
    places = (values * n_bins - 0.5).clamp(0.0, n_bins - 1.000001)
    return functional.relu(1 - (places.unsqueeze(2) - torch.arange(n_bins, dtype=torch.float32)).abs())


def _lab(colors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """CIELAB (n, m) of sRGB colours (n, 3, m)."""
    linear = torch.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    r, g, b = linear.unbind(1)
    x = _lab_curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047)
    y = _lab_curve(0.2126 * r + 0.7152 * g + 0.0722 * b)
    z = _lab_curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _lab_curve(values: Tensor) -> Tensor:
    return torch.where(values > 0.008856, values ** (1 / 3), 7.787 * values + 16 / 116)


def _set_constants(module: nn.Module, **arrays: NDArray[np.generic]) -> None:
    """Register arrays as float32 buffers of a module."""
    for name, array in arrays.items():
        module.register_buffer(name, torch.tensor(np.asarray(array, np.float32)))
