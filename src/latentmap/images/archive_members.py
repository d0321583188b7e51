"""Members of zip and tar archives."""

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

MAX_MEMBER_BYTES = 2**28
TOO_LARGE_REASON = f"larger than {MAX_MEMBER_BYTES >> 20} MiB inside an archive: unpack it"
# Errors that damaged archives raise.
ARCHIVE_ERRORS = (
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


class ArchiveMember(NamedTuple):
    """A file or link in an archive.

    Attributes
    ----------
    number : int
        Position in the archive, by which the content is read.
    name : str
    first_bytes : callable
        Returns the first bytes of a file. It must be called before the next member is requested.
    target : str, optional
        Target of a link.
    is_hard_link : bool
        Whether the target is a name in the archive, and not a path relative to the link.
    reason : str, optional
        Why the content cannot be read, if this is known.
    """

    number: int
    name: str
    first_bytes: Callable[[], bytes]
    target: str | None = None
    is_hard_link: bool = False
    reason: str | None = None
