"""Choice of the size, colour and range of values of a collection from facts about its images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latentmap.images.channels import common_names, joined_ranges
from latentmap.images.pixel_types import choose_bits
from latentmap.images.probe import ImageProbe
from latentmap.images.shape import Shape, ShapeOptions
from latentmap.images.value_range import Range, max_of_bit_depth, union_range

# Bounds of a side that is chosen automatically, in pixels.
MIN_SIDE, MAX_SIDE = 8, 128
# Images up to this side are placed on a common canvas without being resized.
MAX_TINY_SIDE = 32
# Images beyond proportions of 1 to 4 (a binary logarithm) are elongated; their longer side has its own bound.
MAX_LOG2_PROPORTION, MAX_LONG_SIDE = 2, 512
# Fraction of the images that must have a size or proportions in common for the collection to take these.
MIN_COMMON_SIZE_FRACTION = 0.9


def choose_shape(probes: Sequence[ImageProbe], options: ShapeOptions, n: int) -> Shape:
    """Choose the shape of a collection.

    Parameters
    ----------
    probes : sequence of ImageProbe
        Facts about all images, or about a sample.
    options : ShapeOptions
    n : int
        Number of images in the collection.

    Returns
    -------
    Shape

    Raises
    ------
    InputError
        If the requested channels do not fit the images.
    """
    probes = of_one_kind(probes)
    height, width, keep_pixels, why = _choose_size(
        probes, options, f"{len(probes):,} of {n:,}" if len(probes) < n else f"{n:,}"
    )
    if probes[0].channel_ranges:
        n_channels = len(probes[0].channel_ranges)
        names, ranges = common_names([one.channel_names for one in probes]), [one.channel_ranges for one in probes]
        channels = options.channels.choose(n_channels, names, joined_ranges(ranges))
        return Shape(
            height,
            width,
            len(channels),
            options.fit,
            "grey" if len(channels) == 1 else "rgb",  # a shape in which no image adds colours
            options.background,
            keep_pixels,
            why=why,
            channel_list=channels,
            file_channels=None if options.channels.numbers is not None else n_channels,
            axes=options.pages.axes,
            project=options.pages.project,
            bits=choose_bits(one.is_deep for one in probes),
        )
    grey = all(one.is_grey for one in probes) if options.color == "auto" else options.color == "grey"
    shape = Shape(
        height,
        width,
        1 if grey else 3,
        options.fit,
        options.color,
        options.background,
        keep_pixels,
        why=why,
        axes=options.pages.axes,
        project=options.pages.project,
    )
    return with_ranges(shape, probes)


def of_one_kind(probes: Sequence[ImageProbe]) -> Sequence[ImageProbe]:
    """The images that decide about a collection: those with as many channels as most have, or those with colours.

    Parameters
    ----------
    probes : sequence of ImageProbe

    Returns
    -------
    sequence of ImageProbe
        At least one; the first kind where several are equally frequent.
    """
    n_channels = Counter(len(one.channel_ranges) for one in probes).most_common(1)[0][0]
    return [one for one in probes if len(one.channel_ranges) == n_channels]


def _choose_size(probes: Sequence[ImageProbe], options: ShapeOptions, seen: str) -> tuple[int, int, bool, str]:
    sizes = np.array([(one.height, one.width) for one in probes])
    if options.size is not None:
        why = f"the requested size, to which images are resized ({options.fit})"
        return options.size, options.size, False, why
    (height, width), count = Counter(map(tuple, sizes.tolist())).most_common(1)[0]
    if count >= MIN_COMMON_SIZE_FRACTION * len(sizes) and max(height, width) <= MAX_SIDE:
        return height, width, True, f"the size of {count:,} of the images ({seen} examined), not resized"
    canvas = sizes.max(axis=0)
    if canvas.max() <= MAX_TINY_SIDE and (canvas <= 2 * np.median(sizes, axis=0)).all():
        height, width = (max(MIN_SIDE, int(side)) for side in canvas)
        return height, width, True, f"the size of the largest of the tiny images ({seen} examined), not resized"
    side = int(np.clip(np.median(sizes.min(axis=1)), MIN_SIDE, MAX_SIDE))
    proportions = np.log2(sizes[:, 1] / sizes[:, 0])
    if (
        max((proportions > MAX_LOG2_PROPORTION).mean(), (proportions < -MAX_LOG2_PROPORTION).mean())
        >= MIN_COMMON_SIZE_FRACTION
    ):
        longer, shorter = _elongated_canvas(side, 2 ** float(np.median(np.abs(proportions))))
        height, width = (shorter, longer) if np.median(proportions) > 0 else (longer, shorter)
        return height, width, False, f"the median proportions of {seen} elongated images ({options.fit})"
    proportion, count = Counter(np.round(proportions, 1).tolist()).most_common(1)[0]
    if count >= MIN_COMMON_SIZE_FRACTION * len(sizes) and abs(proportion) <= MAX_LOG2_PROPORTION:
        exact = float(np.median(sizes[:, 1] / sizes[:, 0]))
        longer = min(MAX_SIDE, int(side * max(exact, 1 / exact)))
        height, width = (round(longer / exact), longer) if exact > 1 else (longer, round(longer * exact))
        return max(height, 1), max(width, 1), False, f"the common proportions of {seen} images ({options.fit})"
    return side, side, False, f"the median of the shorter sides of {seen} images ({options.fit})"


def _elongated_canvas(side: int, proportion: float) -> tuple[int, int]:
    """Longer and shorter side for images of a proportion beyond 1 to 4.

    The shorter side is that of images of 1 to 4 at the maximum size, until the longer side reaches its bound.
    """
    shorter = min(side, MAX_SIDE >> MAX_LOG2_PROPORTION)
    longer = min(MAX_LONG_SIDE, round(shorter * proportion))
    return longer, max(MIN_SIDE, min(shorter, round(longer / proportion)))


def with_ranges(shape: Shape, probes: Sequence[ImageProbe]) -> Shape:
    """Set the ranges of integers and floats, and three channels if an image has colours.

    Parameters
    ----------
    shape : Shape
    probes : sequence of ImageProbe

    Returns
    -------
    Shape
    """
    if shape.channel_list:
        return shape
    probes = [one for one in probes if not one.channel_ranges]
    deep = [one for one in probes if one.lowest is not None and one.highest is not None]
    ranges = {
        name: union_range([(one.lowest or 0, one.highest or 0) for one in deep if one.is_float == is_float])
        for name, is_float in (("value_range", False), ("float_range", True))
    }
    in_color = shape.color == "auto" and not all(one.is_grey for one in probes)
    return replace(
        shape,
        channels=3 if in_color else shape.channels,
        value_range=_integer_range(ranges["value_range"]),
        float_range=_nonempty_range(ranges["float_range"]),
    )


def _integer_range(limits: Range | None) -> Range | None:
    """The full range of the bit depth for unsigned integers of up to 16 bits, the observed range for others."""
    if limits is not None and limits[0] >= 0 and limits[1] < 2**16:
        return 0, max_of_bit_depth(limits[1])
    return _nonempty_range(limits)


def _nonempty_range(limits: Range | None) -> Range | None:
    return limits if limits is None or limits[0] < limits[1] else (limits[0], limits[0] + 1)


def has_observed_ranges(shape: Shape) -> bool:
    """Whether a range is an observed one, which other images may exceed.

    Parameters
    ----------
    shape : Shape

    Returns
    -------
    bool
    """
    return shape.float_range is not None or (shape.value_range is not None and shape.value_range[0] != 0)


def to_color(shape: Shape) -> Shape:
    """Set three channels.

    Parameters
    ----------
    shape : Shape

    Returns
    -------
    Shape
    """
    return replace(shape, channels=3)
