"""Errors of libraries that read damaged files as one kind of error."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from latentmap.core.errors import DecodingError

MAX_QUOTED = 120  # characters of a library's message


@contextmanager
def errors_as_damage(kind: str, *, quoted: bool = True) -> Iterator[None]:
    """Turn the errors of a library, which are of any kind for damaged files, into one. Its warnings are dropped.

    Parameters
    ----------
    kind : str
        What is read, for the message: "a damaged FITS file", for example.
    quoted : bool, default=True
        Whether the message quotes that of the library, which may contain values of the file.

    Raises
    ------
    DecodingError
        In place of any error but this one, a decompression bomb and a lack of memory.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (DecodingError, Image.DecompressionBombError, MemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:MAX_QUOTED] if quoted else ""
        raise DecodingError(f"{kind} ({text or type(error).__name__})") from None
