"""A folder of image files, brought to one size."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from latentmap.images.collection import ImageCollection, Skipped

# A working size that nobody chose lies between these, in pixels.
SMALLEST, LARGEST = 8, 128


def read_folder(folder: Path, size: int | None = None) -> ImageCollection:
    """Decode all images below ``folder``, in the order of their paths.

    Files count as images when their extension is one that Pillow reads; hidden files and folders are left alone. EXIF
    orientation is applied and alpha laid over white. The collection is grey when all images are, else RGB. Images that
    all have one size of at most 128 pixels keep it; others are fitted into a square whose side is ``size``, or
    the median of their shorter sides between 8 and 128, and centred on the colour of their border.

    A file that cannot be decoded is listed in ``skipped`` with the reason. Names of sub-folders are the labels when
    every image lies in one and there are at least two.

    Parameters
    ----------
    folder : Path
    size : int, optional

    Returns
    -------
    ImageCollection
        Empty when no file could be decoded.
    """
    decoded, paths, skipped = [], [], []
    for path in _image_files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            decoded.append(_decode(path, size or LARGEST))
            paths.append(name)
        except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError) as error:
            skipped.append(Skipped(name, _reason(error)))
    if not decoded:
        return ImageCollection(np.zeros((0, 1, 1), np.uint8), [], None, skipped, folder.name)
    return ImageCollection(_stack(decoded, size), paths, _labels(paths), skipped, folder.resolve().name)


def _image_files(folder: Path) -> Iterator[Path]:
    extensions = Image.registered_extensions()
    found = []
    for root, folders, names in os.walk(folder):  # does not follow links to folders, so it ends
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            extension = os.path.splitext(name)[1].lower()  # noqa: PTH122 - names need not be valid paths yet
            if not name.startswith(".") and extension in extensions:
                found.append(Path(root) / name)
    yield from sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _decode(path: Path, largest: int) -> Image.Image:
    """Decode one file to mode L or RGB. Very large images come back smaller, but not below twice ``largest``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow warns from one half of its limit on: that much memory for one image is too much here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            image.draft("RGB" if image.mode not in ("L", "1") else "L", (2 * largest, 2 * largest))
            image.load()
            upright = ImageOps.exif_transpose(image)
            flat = _flatten(upright)
    if max(flat.size) > 2 * largest:
        flat.thumbnail((2 * largest, 2 * largest), Image.Resampling.BOX)
    return flat


def _flatten(image: Image.Image) -> Image.Image:
    """Any mode → L or RGB, transparency over white, 16 bits and floats stretched to the range they use."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        low, high = (0.0, 65535.0) if image.mode.startswith("I;16") else (float(values.min()), float(values.max()))
        return Image.fromarray(np.rint((values - low) * (255 / ((high - low) or 1.0))).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        flat = Image.alpha_composite(white, with_alpha).convert("RGB")
        return flat.convert("L") if _is_grey(flat) else flat
    if image.mode in ("1", "L"):
        return image.convert("L")
    flat = image.convert("RGB")
    return flat.convert("L") if _is_grey(flat) else flat


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


def _stack(decoded: list[Image.Image], size: int | None) -> NDArray[np.uint8]:
    mode = "L" if all(image.mode == "L" for image in decoded) else "RGB"
    sizes = {image.size for image in decoded}
    if size is None and len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST:
        return np.stack([np.asarray(image.convert(mode)) for image in decoded])
    side = size or int(np.clip(np.median([min(image.size) for image in decoded]), SMALLEST, LARGEST))
    return np.stack([_fit(image.convert(mode), side) for image in decoded])


def _fit(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Fit into a square, whole and undistorted, on the median colour of the border."""
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    color = np.rint(np.median(border, axis=0)).astype(np.uint8)
    canvas = np.empty((side, side, *pixels.shape[2:]), np.uint8)
    canvas[:] = color
    scale = side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    if (width, height) != image.size:
        # whole multiples of tiny images keep their pixels sharp
        enlarged = Image.Resampling.NEAREST if scale > 1 and scale == int(scale) else Image.Resampling.LANCZOS
        pixels = np.asarray(image.resize((width, height), enlarged))
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def _labels(paths: list[str]) -> NDArray[np.str_] | None:
    folders = [path.rpartition("/")[0] for path in paths]
    return np.array(folders) if all(folders) and len(set(folders)) > 1 else None


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image of any format that Pillow reads"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # the path is listed beside it
    return f"{type(error).__name__}: {error}"
