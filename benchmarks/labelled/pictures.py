"""From pictures with labels to a collection: one size, white behind them, no image twice, no small category."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True)
class LabelledCollection:
    """Images of one size and the category of each."""

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.str_]


def collected(name: str, pictures: Iterable[tuple[str, Pixels]], least: int = 8) -> LabelledCollection:
    """The pictures in the order of their labels, less repeated and empty ones and labels with fewer than ``least``."""
    distinct: dict[bytes, tuple[str, Pixels]] = {}
    for label, pixels in pictures:
        if pixels.std() > 1:
            distinct.setdefault(pixels.tobytes(), (label, pixels))
    kept = sorted(common(list(distinct.values()), least, lambda pair: pair[0]), key=lambda pair: pair[0])
    return LabelledCollection(name, np.stack([pixels for _, pixels in kept]), np.array([label for label, _ in kept]))


def common(items: Sequence[T], least: int, key: Callable[[T], Hashable]) -> list[T]:
    """The items whose key at least ``least`` items have."""
    counts = Counter(map(key, items))
    return [item for item in items if counts[key(item)] >= least]


def evenly_chosen(items: Sequence[T], most: int, key: Callable[[T], Hashable], seed: int = 0) -> list[T]:
    """At most ``most`` items, drawn at random so that no key has many while another lacks some."""
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for place in np.random.default_rng(seed).permutation(len(items)):
        groups[key(items[place])].append(items[place])
    counts = np.array([len(group) for group in groups.values()])
    each = max(limit for limit in range(counts.max() + 1) if np.minimum(counts, limit).sum() <= most)
    return [item for group in groups.values() for item in group[:each]]


def fitted(picture: Image.Image, width: int, height: int, trim: bool = False) -> Pixels:
    """The picture in the middle of a white one, as large as fits; ``trim`` cuts transparent margins off first."""
    picture = picture.convert("RGBA")
    if trim:
        picture = picture.crop(picture.getchannel("A").point(lambda alpha: 255 * (alpha > 16)).getbbox())
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    canvas = Image.new("RGBA", (width, height), "white")
    canvas.alpha_composite(
        picture.resize(size, Image.Resampling.LANCZOS), ((width - size[0]) // 2, (height - size[1]) // 2)
    )
    return np.asarray(canvas.convert("RGB"))
