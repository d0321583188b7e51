"""Members of a zip: listed by its directory, and read by pieces, never more than the directory says."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_IFLNK, S_IFMT
from typing import IO

import numpy as np
from numpy.typing import NDArray

from latentmap.images.decoding import Failure, Item, reason_for
from latentmap.images.encodings import find_encoding
from latentmap.images.file_kinds import N_FIRST_BYTES
from latentmap.images.members import DAMAGED, MAX_MEMBER_BYTES, TOO_LARGE, Member
from latentmap.images.unpacking import Decompressor, Unpacked, bz2_decompressor, deflate_decompressor

HEADER = struct.Struct("<4s22xHH")  # of a member: its signature, and the lengths of what comes before its data
SIGNATURE = b"PK\x03\x04"
ENCRYPTED, UTF_8 = 0x1, 0x800  # flags
UNIX, DOS = 3, 0  # systems that a member was made on
STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
METHODS = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 97: "WavPack", 98: "PPMd", 99: "AES"}
ENCRYPTED_REASON = "encrypted with a password: unpack the archive, and pass the folder"
FACTS = np.dtype(
    [("offset", "<i8"), ("packed", "<i8"), ("size", "<i8"), ("crc", "<u4"), ("flags", "<u2"), ("method", "<u2")]
)
MAX_TARGET_BYTES = 4096  # of a link


class ZipMembers:
    """A zip file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
        names = _names(infos)
        self._listed = [(name, info.is_dir(), _is_link(info)) for name, info in zip(names, infos, strict=True)]
        self._facts = np.array(
            [
                (info.header_offset, info.compress_size, info.file_size, info.CRC, info.flag_bits, info.compress_type)
                for info in infos
            ],
            FACTS,
        )
        self._overlaps = _overlaps(self._facts)
        self.sizes: NDArray[np.int64] = self._facts["size"]
        self.can_be_sorted = True

    def members(self) -> Iterator[Member]:
        """All that are no folders."""
        with self._path.open("rb") as file:
            for number, (name, is_folder, is_link) in enumerate(self._listed):
                if is_folder:
                    continue
                target = self._target(file, number) if is_link else None
                yield Member(number, name, self._first_bytes(file, number), target, reason=self._reason(number))
        self._listed = []

    def read(self, numbers: NDArray[np.intp]) -> Iterator[Item]:
        """The content of members."""
        with self._path.open("rb") as file:
            for number in numbers:
                yield self._item(file, int(number))

    def _reason(self, number: int) -> str | None:
        """Why a member cannot be read, as far as the directory tells."""
        facts = self._facts[number]
        if facts["flags"] & ENCRYPTED:
            return ENCRYPTED_REASON
        if facts["method"] not in (STORED, DEFLATED, BZIP2, LZMA):
            method = METHODS.get(int(facts["method"]), f"method {facts['method']}")
            return f"compressed by {method}, which Python does not read: unpack the archive, and pass the folder"
        if self._overlaps[number]:
            return "lies within another member, as in decompression bombs"
        return TOO_LARGE if facts["size"] > MAX_MEMBER_BYTES else None

    def _first_bytes(self, file: IO[bytes], number: int) -> Callable[[], bytes]:
        def first_bytes() -> bytes:
            if self._reason(number) not in (None, TOO_LARGE):
                return b""
            try:
                return self._open(file, number).read(min(N_FIRST_BYTES, int(self.sizes[number])))
            except DAMAGED:
                return b""

        return first_bytes

    def _target(self, file: IO[bytes], number: int) -> str | None:
        if self.sizes[number] > MAX_TARGET_BYTES:
            return None
        item = self._item(file, number)
        return item.source.decode("utf-8", "surrogateescape") if isinstance(item.source, bytes) else None

    def _item(self, file: IO[bytes], number: int) -> Item:
        reason = self._reason(number)
        if reason is not None:
            return Item(Failure(reason))
        size = int(self.sizes[number])
        try:
            unpacked = self._open(file, number)
            data = unpacked.read(size)
            more = _rest_of(unpacked)
        except DAMAGED as error:
            return Item(Failure(f"damaged in the archive ({reason_for(error)})"))
        if more or len(data) != size:
            return Item(Failure(f"holds {'more' if more else 'less'} than the {size:,} bytes that the archive says"))
        if zlib.crc32(data) != self._facts[number]["crc"]:
            return Item(Failure("damaged in the archive: its checksum (CRC) is another"))
        return Item(data)

    def _open(self, file: IO[bytes], number: int) -> Unpacked:
        facts = self._facts[number]
        file.seek(int(facts["offset"]))
        header = file.read(HEADER.size)
        if len(header) < HEADER.size or not header.startswith(SIGNATURE):
            raise zipfile.BadZipFile("there is no member where the directory says")
        _, n_name, n_extra = HEADER.unpack(header)
        file.seek(n_name + n_extra, 1)
        left = int(facts["packed"])

        def read(size: int) -> bytes:
            nonlocal left
            data = file.read(min(size, left))
            left -= len(data)
            return data

        make: dict[int, Callable[[], Decompressor]] = {DEFLATED: deflate_decompressor, BZIP2: bz2_decompressor}
        method = int(facts["method"])
        if method == LZMA:
            inner = _lzma(read)
            make[LZMA] = lambda: inner
        return Unpacked(read, make.get(method, _Stored), MAX_MEMBER_BYTES + 1)


def _rest_of(unpacked: Unpacked) -> bytes:
    try:
        return unpacked.read(1)
    except EOFError:  # LZMA need not say where it ends
        return b""


class _Stored:
    """Data that is stored without compression."""

    eof, unused_data = False, b""

    def __init__(self) -> None:
        self._rest = b""
        self._ended = False

    @property
    def needs_input(self) -> bool:
        return not self._rest

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if not data and not self._rest:
            self.eof = True
        self._rest += data
        part, self._rest = self._rest[:max_length], self._rest[max_length:]
        return part


def _lzma(read: Callable[[int], bytes]) -> lzma.LZMADecompressor:
    """The filter that the data begin with: the version, the length of the properties, and these."""
    _, n_properties = struct.unpack("<HH", read(4))
    coded, dictionary = struct.unpack("<BI", read(n_properties))
    bits = {"lc": coded % 9, "lp": coded // 9 % 5, "pb": coded // 45}
    # the dictionary is only touched as far as data come out, of which there is a limit
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": max(4096, dictionary), **bits}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return info.create_system == UNIX and S_IFMT(info.external_attr >> 16) == S_IFLNK


def _names(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Names as they were where the zip was made: without a flag they are in any encoding, perhaps with backslashes."""
    names = [info.filename for info in infos]
    old = [i for i, info in enumerate(infos) if not info.flag_bits & UTF_8 and not names[i].isascii()]
    if old:
        written = [names[i].encode("cp437", "replace") for i in old]
        encoding = find_encoding([b"\n".join(written)])
        if encoding in ("utf-8", "cp949", "cp932"):
            for i, name in zip(old, written, strict=True):
                names[i] = name.decode(encoding, "backslashreplace")
    for i, info in enumerate(infos):
        if info.create_system == DOS and "\\" in names[i] and "/" not in names[i]:
            names[i] = names[i].replace("\\", "/")
    return names


def _overlaps(facts: NDArray[np.void]) -> NDArray[np.bool_]:
    """Members whose data reach into those of the next one."""
    order = np.argsort(facts["offset"], kind="stable")
    begins = facts["offset"][order]
    found = np.zeros(len(facts), np.bool_)
    found[order[:-1]] = begins[:-1] + HEADER.size + facts["packed"][order[:-1]] > begins[1:]
    return found
