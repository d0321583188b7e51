"""HDF5 files, by h5py: an array of images, in blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from latentmap.core.errors import DecodingError
from latentmap.images.array_names import LABEL_KEYS
from latentmap.images.array_stacks import MAX_LISTED_ARRAYS, ArrayStack, choose_array, stack_of
from latentmap.images.stack_labels import plain_labels


@contextmanager
def open_hdf5(file: IO[bytes], part: str | None, *, as_channels: bool = False) -> Iterator[ArrayStack]:
    """Open the array of images in an HDF5 file.

    Arrays whose values lie in other files are refused, since a stranger's file could name any.

    Parameters
    ----------
    file : file object
    part : str, optional
        Name of the array, by default that of the images.
    as_channels : bool, default=False
        Whether a fourth channel is no transparency.

    Yields
    ------
    ArrayStack

    Raises
    ------
    DecodingError
        If the file is damaged or has no such array.
    """
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            arrays = _list_arrays(opened)
            name = choose_array(arrays, part)
            array = arrays[name]
            if array.external or array.is_virtual:
                raise DecodingError(f"{name[:80]}: its values lie in other files, which are not read")
            stack = stack_of(array, _read_labels(arrays, array.shape[0]), as_channels=as_channels)
            stack.check_storage(int(array.id.get_storage_size()))
            yield stack
    except DecodingError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DecodingError(f"a damaged HDF5 file ({str(error)[:120]})") from None


def _list_arrays(opened: Any) -> dict[str, Any]:
    """All arrays of a file by name. Links to other files are not followed."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset):
            found[name] = item
        return True if len(found) >= MAX_LISTED_ARRAYS else None

    opened.visititems(visit)
    return found


def _read_labels(arrays: dict[str, Any], n: int) -> list[Any] | None:
    name = next((key for key in LABEL_KEYS if key in arrays and arrays[key].shape in ((n,), (n, 1))), None)
    if name is None or arrays[name].external or arrays[name].is_virtual:
        return None
    return plain_labels(arrays[name][:])
