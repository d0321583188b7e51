"""Members of a tar: of a plain one in any order, of a compressed one in one pass."""

import tarfile
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from latentmap.images.decoding import Failure, Item, reason_for
from latentmap.images.file_kinds import N_FIRST_BYTES
from latentmap.images.members import DAMAGED, MAX_MEMBER_BYTES, TOO_LARGE, Member
from latentmap.images.unpacking import open_compressed

BLOCK = 512
# Of the headers that hold a long name or attributes; a path has at most 4 KiB.
MAX_HEADER_BYTES = 2**18
MAX_GLOBAL_HEADERS = 1000
MAX_MEMBERS = 10_000_000
LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
# Of a compressed tar, whose pictures are read in the order of their names from a temporary file.
SORTED_BYTES = 2**30


class _Header(tarfile.TarInfo):
    """A header that is refused when it is damaged or too long, where the standard library ends or takes gigabytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"a header is damaged: {error}") from error
        if header.type in LONG and header.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes, at most {MAX_HEADER_BYTES:,} are read")
        return header


def begins_as_tar(start: bytes) -> bool:
    """Whether the first block of a file is a header of a tar."""
    try:
        tarfile.TarInfo.frombuf(start[:BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class TarMembers:
    """A tar file, compressed or not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes, self._offsets = array("q"), array("q")
        self._is_plain = begins_as_tar(_first_block(path))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Of all members that were met."""
        return np.frombuffer(self._sizes, np.int64)

    @property
    def can_be_sorted(self) -> bool:
        """Whether members of any size can be read in any order."""
        return self._is_plain

    def members(self) -> Iterator[Member]:
        """All that are no folders."""
        with _opened(self._path, self._is_plain) as archive:
            for number, header in enumerate(_one_by_one(archive)):
                self._sizes.append(header.size)
                self._offsets.append(header.offset)
                if header.isdir():
                    continue
                is_link = header.issym() or header.islnk()
                yield Member(
                    number,
                    header.name,
                    _first_bytes(archive, header),
                    header.linkname if is_link else None,
                    header.islnk(),
                    _reason(header),
                )

    def read(self, numbers: NDArray[np.intp]) -> Iterator[Item]:
        """The content of members."""
        return self._read_at(numbers) if self._is_plain else self._read_in_one_pass(numbers)

    def _read_at(self, numbers: NDArray[np.intp]) -> Iterator[Item]:
        with _opened(self._path, self._is_plain) as archive:
            for number in numbers:
                offset = self._offsets[int(number)]
                try:
                    archive.firstmember = None  # type: ignore[attr-defined]
                    archive.offset = offset
                    archive.fileobj.seek(offset)
                    header = archive.next()
                    archive.members.clear()  # type: ignore[attr-defined]
                    gone = Failure("not where it was in the archive")
                    item = Item(gone) if header is None else _item(archive, header)
                except DAMAGED as error:
                    item = Item(Failure(f"damaged in the archive ({reason_for(error)})"))
                yield item

    def _read_in_one_pass(self, numbers: NDArray[np.intp]) -> Iterator[Item]:
        """Members that come too early wait in a temporary file. Where the archive breaks, the rest is lost."""
        last = np.full(len(self._sizes), -1)
        last[numbers] = np.arange(len(numbers))
        position, reason = 0, "the archive ends before it"
        with tempfile.TemporaryFile() as file:
            waiting: dict[int, tuple[int, int] | Failure] = {}
            try:
                with _opened(self._path, self._is_plain) as archive:
                    for number, header in enumerate(_one_by_one(archive)):
                        if position == len(numbers):
                            return
                        if number >= len(last) or last[number] < position:
                            continue
                        item = _item(archive, header)
                        if last[number] > position or numbers[position] != number:
                            waiting[number] = _put(file, item.source)
                        else:
                            yield item
                            position += 1
                        while position < len(numbers) and int(numbers[position]) in waiting:
                            yield _take(file, waiting[int(numbers[position])])
                            position += 1
            except DAMAGED as error:
                reason = f"the archive is damaged before it ({error})"
            for number in numbers[position:]:
                kept = waiting.get(int(number))
                yield Item(Failure(reason)) if kept is None else _take(file, kept)


@contextmanager
def _opened(path: Path, is_plain: bool) -> Iterator[tarfile.TarFile]:
    """The archive, opened for a pass."""
    if is_plain:
        with tarfile.open(path, "r:", tarinfo=_Header) as archive:
            yield archive
        return
    unpacked = open_compressed(path)
    if unpacked is None:
        raise tarfile.ReadError("no tar any more")
    with unpacked, tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_Header) as archive:
        yield archive


def _first_block(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(BLOCK)


def _one_by_one(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, without keeping them: a million would take a gigabyte."""
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


def _reason(header: tarfile.TarInfo) -> str | None:
    if header.issym() or header.islnk():
        return None
    if not header.isreg():
        return "not a regular file"
    return TOO_LARGE if header.size > MAX_MEMBER_BYTES else None


def _item(archive: tarfile.TarFile, header: tarfile.TarInfo) -> Item:
    reason = _reason(header)
    if reason is not None:
        return Item(Failure(reason))
    file = archive.extractfile(header)
    data = b"" if file is None else file.read()
    return Item(data) if len(data) == header.size else Item(Failure("truncated in the archive"))


def _put(file: IO[bytes], source: Any) -> "tuple[int, int] | Failure":
    if isinstance(source, Failure):
        return source
    begin = file.seek(0, 2)
    file.write(source)
    return begin, len(source)


def _take(file: IO[bytes], kept: "tuple[int, int] | Failure") -> Item:
    if isinstance(kept, Failure):
        return Item(kept)
    file.seek(kept[0])
    return Item(file.read(kept[1]))
