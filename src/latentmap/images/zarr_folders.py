"""Zarr and OME-Zarr folders, by zarr: an array of images, or the full resolution of a picture with named axes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from latentmap.core.errors import DecodingError
from latentmap.images.array_names import LABEL_KEYS
from latentmap.images.array_stacks import MAX_LISTED_ARRAYS, ArrayStack, choose_array, stack_of
from latentmap.images.page_options import DEFAULT_PAGES, PageOptions
from latentmap.images.stack_labels import plain_labels

ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
# Codecs of numcodecs that would run code in the data.
UNSAFE_CODECS = ("pickle",)
N_COLORS = 3
MAX_NAME = 80  # characters of the name of a channel


def is_zarr(folder: str) -> bool:
    """Whether a folder is an array or a group of Zarr.

    Parameters
    ----------
    folder : str

    Returns
    -------
    bool
    """
    if not os.path.isdir(folder):  # noqa: PTH112 - names need not be valid paths
        return False
    return any(os.path.isfile(os.path.join(folder, name)) for name in ZARR_FILES)  # noqa: PTH113, PTH118


@contextmanager
def open_zarr(folder: str, part: str | None, pages: PageOptions = DEFAULT_PAGES) -> Iterator[ArrayStack]:
    """Open the array of images in a Zarr folder.

    Parameters
    ----------
    folder : str
    part : str, optional
        Name of the array, by default that of the images.
    pages : PageOptions, optional
        With ``axes="images"``, the channels of OME-Zarr are images too.

    Yields
    ------
    ArrayStack
        For OME-Zarr, the channels belong to one image, and three are its colours. Each position along the other axes is
        an image, and these axes are columns.

    Raises
    ------
    DecodingError
        If the folder is damaged or has no such array.
    """
    import zarr
    from numcodecs.registry import codec_registry

    for codec in UNSAFE_CODECS:
        codec_registry.pop(codec, None)
    try:
        opened = zarr.open(folder, mode="r")
        stack = _find_stack(opened, part, pages)
        stack.check_storage(folder_state(folder)[0])
        yield stack
    except DecodingError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise DecodingError(f"a damaged Zarr folder ({type(error).__name__})") from None


def _find_stack(opened: Any, part: str | None, pages: PageOptions) -> ArrayStack:
    import zarr

    if isinstance(opened, zarr.Array):
        return stack_of({"": opened}[choose_array({"": opened}, part)], as_channels=pages.as_channels)
    multiscale = _first_multiscale(opened.attrs.asdict()) if part is None else None
    if multiscale is not None:
        return _open_multiscale(opened, multiscale, pages)
    arrays = _list_arrays(opened)
    array = arrays[choose_array(arrays, part)]
    return stack_of(array, _read_labels(arrays, array.shape[0]), as_channels=pages.as_channels)


def _list_arrays(group: Any) -> dict[str, Any]:
    import zarr

    found: dict[str, Any] = {}
    for name, item in group.members(max_depth=None):
        if isinstance(item, zarr.Array):
            found[name] = item
        if len(found) >= MAX_LISTED_ARRAYS:
            break
    return found


def _read_labels(arrays: dict[str, Any], n: int) -> list[Any] | None:
    name = next((key for key in LABEL_KEYS if key in arrays and arrays[key].shape in ((n,), (n, 1))), None)
    return None if name is None else plain_labels(arrays[name][:])


def _first_multiscale(attributes: dict[str, Any]) -> dict[str, Any] | None:
    """The first picture that OME-Zarr describes, in versions up to 0.4 or from 0.5 on."""
    described = attributes.get("ome", attributes)
    found = described.get("multiscales") if isinstance(described, dict) else None
    return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else None


def _open_multiscale(group: Any, multiscale: dict[str, Any], pages: PageOptions) -> ArrayStack:
    array = group[str(multiscale["datasets"][0]["path"])]
    axes = multiscale.get("axes") or list("tczyx")[-len(array.shape) :]
    axis_names = [str(axis.get("name") if isinstance(axis, dict) else axis)[:20] for axis in axes]
    if len(axis_names) != len(array.shape) or len(axis_names) < 2 or axis_names[-2:] != ["y", "x"]:
        axes_in_words = ", ".join(axis_names)[:80]
        raise DecodingError(f"axes {axes_in_words} of an array of shape {array.shape}, which do not end in y, x")
    leading = axis_names[:-2]
    n_channels = array.shape[leading.index("c")] if "c" in leading else 1
    has_channels = n_channels == N_COLORS or (n_channels > 1 and pages.axes != "images")
    channel_axis = leading.index("c") if has_channels else None
    kept = tuple(name for i, name in enumerate(leading) if i != channel_axis)
    names = _channel_names(group.attrs.asdict(), n_channels) if has_channels else ()
    return ArrayStack(array, len(leading), kept, channel_axis, channel_names=names, as_channels=True)


def _channel_names(attributes: dict[str, Any], n_channels: int) -> tuple[str, ...]:
    """Names of the channels of OME-Zarr; empty if there is not one for each."""
    described = attributes.get("ome", attributes).get("omero")
    channels = described.get("channels") if isinstance(described, dict) else None
    if not isinstance(channels, list):
        return ()
    names = tuple(str(one.get("label") or "")[:MAX_NAME] for one in channels if isinstance(one, dict))
    return names if len(names) == n_channels and all(names) else ()


def folder_state(folder: str) -> tuple[int, int]:
    """Total size in bytes, and last modification in nanoseconds, of all files below a folder.

    Parameters
    ----------
    folder : str

    Returns
    -------
    size, modified : int
    """
    size = modified = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(place, name))  # noqa: PTH116, PTH118
            except OSError:
                continue
            size, modified = size + status.st_size, max(modified, status.st_mtime_ns)
    return size, modified
