"""Members of a tar archive: in any order if it is uncompressed, else in one pass."""

import tarfile
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.images.archive_members import ARCHIVE_ERRORS, MAX_MEMBER_BYTES, TOO_LARGE_REASON, ArchiveMember
from latentmap.images.decoding import EncodedImage, Failure, reason_for
from latentmap.images.decompression import open_compressed
from latentmap.images.file_kinds import N_FIRST_BYTES

TAR_BLOCK_BYTES = 512
# Of the headers with a long name or attributes. A path has at most 4 KiB.
MAX_TAR_HEADER_BYTES = 2**18
MAX_GLOBAL_HEADERS = 1000
MAX_MEMBERS = 10_000_000
EXTENSION_TYPES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
# Images of a compressed tar archive that are sorted by name in a temporary file.
MAX_SORTED_BYTES = 2**30


class _CheckedHeader(tarfile.TarInfo):
    """A header that is refused if it is damaged or too long, where the standard library stops or uses gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_CheckedHeader":
        try:
            header = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"a header is damaged: {error}") from error
        if header.type in EXTENSION_TYPES and header.size > MAX_TAR_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes, more than {MAX_TAR_HEADER_BYTES:,}")
        return header


def is_tar_header(start: bytes) -> bool:
    """Whether the first block of a file is the header of a tar archive.

    Parameters
    ----------
    start : bytes
        First 512 bytes of the file.

    Returns
    -------
    bool
    """
    try:
        tarfile.TarInfo.frombuf(start[:TAR_BLOCK_BYTES], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class TarMembers:
    """Members of a tar archive, compressed or not.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes, self._offsets = array("q"), array("q")
        self._is_uncompressed = is_tar_header(_first_block(path))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Sizes of all members read so far, in bytes: (n,), int64."""
        return np.frombuffer(self._sizes, np.int64)

    @property
    def can_be_sorted(self) -> bool:
        """Whether members of any size can be read in any order."""
        return self._is_uncompressed

    def members(self) -> Iterator[ArchiveMember]:
        """All members that are not folders, in their order."""
        with _open_archive(self._path, self._is_uncompressed) as archive:
            for number, header in enumerate(_iterate_headers(archive)):
                self._sizes.append(header.size)
                self._offsets.append(header.offset)
                if header.isdir():
                    continue
                is_link = header.issym() or header.islnk()
                yield ArchiveMember(
                    number,
                    header.name,
                    _first_bytes(archive, header),
                    header.linkname if is_link else None,
                    header.islnk(),
                    _unread_reason(header),
                )

    def read(self, numbers: NDArray[np.intp]) -> Iterator[EncodedImage]:
        """Read the contents of members, in the order of their numbers (m,)."""
        return self._read_by_offset(numbers) if self._is_uncompressed else self._read_in_one_pass(numbers)

    def _read_by_offset(self, numbers: NDArray[np.intp]) -> Iterator[EncodedImage]:
        with _open_archive(self._path, self._is_uncompressed) as archive:
            for number in numbers:
                offset = self._offsets[int(number)]
                try:
                    archive.firstmember = None  # type: ignore[attr-defined]
                    archive.offset = offset
                    archive.fileobj.seek(offset)
                    header = archive.next()
                    archive.members.clear()  # type: ignore[attr-defined]
                    missing = Failure("no longer in the archive")
                    image = EncodedImage(missing) if header is None else _read_tar_member(archive, header)
                except ARCHIVE_ERRORS as error:
                    image = EncodedImage(Failure(f"damaged in the archive ({reason_for(error)})"))
                yield image

    def _read_in_one_pass(self, numbers: NDArray[np.intp]) -> Iterator[EncodedImage]:
        """Keep members that are needed later in a temporary file. Members after a damaged part are lost."""
        last = np.full(len(self._sizes), -1)
        last[numbers] = np.arange(len(numbers))
        position, reason = 0, "the archive ends before this file"
        with tempfile.TemporaryFile() as file:
            spooled: dict[int, tuple[int, int] | Failure] = {}
            try:
                with _open_archive(self._path, self._is_uncompressed) as archive:
                    for number, header in enumerate(_iterate_headers(archive)):
                        if position == len(numbers):
                            return
                        if number >= len(last) or last[number] < position:
                            continue
                        image = _read_tar_member(archive, header)
                        if last[number] > position or numbers[position] != number:
                            spooled[number] = _spool(file, image.source)
                        else:
                            yield image
                            position += 1
                        while position < len(numbers) and int(numbers[position]) in spooled:
                            yield _unspool(file, spooled[int(numbers[position])])
                            position += 1
            except ARCHIVE_ERRORS as error:
                reason = f"the archive is damaged before this file ({error})"
            for number in numbers[position:]:
                kept = spooled.get(int(number))
                yield EncodedImage(Failure(reason)) if kept is None else _unspool(file, kept)


@contextmanager
def _open_archive(path: Path, is_uncompressed: bool) -> Iterator[tarfile.TarFile]:
    """Open the archive from its beginning."""
    if is_uncompressed:
        with tarfile.open(path, "r:", tarinfo=_CheckedHeader) as archive:
            yield archive
        return
    stream = open_compressed(path)
    if stream is None:
        raise tarfile.ReadError("no longer a tar archive")
    with stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_CheckedHeader) as archive:
        yield archive


def _first_block(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(TAR_BLOCK_BYTES)


def _iterate_headers(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Headers of the members, which are not kept: a million of them would use a gigabyte."""
    n = 0
    while (member := archive.next()) is not None:
        n += 1
        if n > MAX_MEMBERS or len(archive.pax_headers) > MAX_GLOBAL_HEADERS:
            raise tarfile.ReadError(f"more than {MAX_MEMBERS:,} members or {MAX_GLOBAL_HEADERS:,} global headers")
        yield member
        archive.members.clear()  # type: ignore[attr-defined]


def _first_bytes(archive: tarfile.TarFile, header: tarfile.TarInfo) -> Callable[[], bytes]:
    def first_bytes() -> bytes:
        file = archive.extractfile(header) if header.isreg() else None
        return b"" if file is None else file.read(N_FIRST_BYTES)

    return first_bytes


def _unread_reason(header: tarfile.TarInfo) -> str | None:
    if header.issym() or header.islnk():
        return None
    if not header.isreg():
        return "not a regular file"
    return TOO_LARGE_REASON if header.size > MAX_MEMBER_BYTES else None


def _read_tar_member(archive: tarfile.TarFile, header: tarfile.TarInfo) -> EncodedImage:
    reason = _unread_reason(header)
    if reason is not None:
        return EncodedImage(Failure(reason))
    file = archive.extractfile(header)
    data = b"" if file is None else file.read()
    return EncodedImage(data) if len(data) == header.size else EncodedImage(Failure("truncated in the archive"))


def _spool(file: IO[bytes], source: Any) -> "tuple[int, int] | Failure":
    if isinstance(source, Failure):
        return source
    begin = file.seek(0, 2)
    file.write(source)
    return begin, len(source)


def _unspool(file: IO[bytes], kept: "tuple[int, int] | Failure") -> EncodedImage:
    if isinstance(kept, Failure):
        return EncodedImage(kept)
    file.seek(kept[0])
    return EncodedImage(file.read(kept[1]))
