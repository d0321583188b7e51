"""Members of an archive, for zip and tar alike."""

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

MAX_MEMBER_BYTES = 2**28
TOO_LARGE = f"larger than {MAX_MEMBER_BYTES >> 20} MiB inside an archive: unpack it"
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    struct.error,
    RuntimeError,
    NotImplementedError,
    MemoryError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)


class Member(NamedTuple):
    """A file or a link in an archive.

    Attributes
    ----------
    number : int
        By which its content is read.
    name : str
    first_bytes : callable
        Gives the first bytes of a file; must be called before the next member is asked for.
    target : str, optional
        What a link leads to.
    is_hard : bool
        Whether the target is a name in the archive, not a path from where the link is.
    reason : str, optional
        Why its content cannot be read, if that is known.
    """

    number: int
    name: str
    first_bytes: Callable[[], bytes]
    target: str | None = None
    is_hard: bool = False
    reason: str | None = None
