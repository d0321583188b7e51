"""Members of a zip archive: listed by the central directory, and never read beyond the sizes stated there."""

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

from latentmap.images.archive_members import ARCHIVE_ERRORS, MAX_MEMBER_BYTES, TOO_LARGE_REASON, ArchiveMember
from latentmap.images.decoding import EncodedImage, Failure, reason_for
from latentmap.images.decompression import DecompressedStream, Decompressor, bz2_decompressor, deflate_decompressor
from latentmap.images.encodings import detect_encoding
from latentmap.images.file_kinds import N_FIRST_BYTES

LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, and the lengths of the name and the extra field
LOCAL_HEADER_SIGNATURE = b"PK\x03\x04"
ENCRYPTED_FLAG, UTF_8_FLAG = 0x1, 0x800
UNIX_SYSTEM, DOS_SYSTEM = 3, 0  # "version made by" of a member
STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14  # compression methods
UNREAD_METHODS = {9: "Deflate64", 93: "Zstandard", 95: "XZ", 97: "WavPack", 98: "PPMd", 99: "AES"}
ENCRYPTED_REASON = "encrypted with a password: unpack the archive, and pass the folder"
ENTRY_DTYPE = np.dtype(
    [
        ("offset", "<i8"),
        ("compressed_size", "<i8"),
        ("size", "<i8"),
        ("crc", "<u4"),
        ("flags", "<u2"),
        ("method", "<u2"),
    ]
)
MAX_TARGET_BYTES = 4096  # of a symbolic link


class ZipMembers:
    """Members of a zip archive.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
        names = _decode_names(infos)
        self._listed = [(name, info.is_dir(), _is_link(info)) for name, info in zip(names, infos, strict=True)]
        self._entries = np.array(
            [
                (info.header_offset, info.compress_size, info.file_size, info.CRC, info.flag_bits, info.compress_type)
                for info in infos
            ],
            ENTRY_DTYPE,
        )
        self._overlaps = _find_overlaps(self._entries)
        self.sizes: NDArray[np.int64] = self._entries["size"]
        self.can_be_sorted = True

    def members(self) -> Iterator[ArchiveMember]:
        """All members that are not folders, in the order of the central directory."""
        with self._path.open("rb") as file:
            for number, (name, is_folder, is_link) in enumerate(self._listed):
                if is_folder:
                    continue
                target = self._link_target(file, number) if is_link else None
                yield ArchiveMember(
                    number, name, self._first_bytes(file, number), target, reason=self._unread_reason(number)
                )
        self._listed = []

    def read(self, numbers: NDArray[np.intp]) -> Iterator[EncodedImage]:
        """Read the contents of members, in the order of their numbers (m,)."""
        with self._path.open("rb") as file:
            for number in numbers:
                yield self._read_member(file, int(number))

    def _unread_reason(self, number: int) -> str | None:
        """Why a member cannot be read, as far as the central directory shows."""
        entry = self._entries[number]
        if entry["flags"] & ENCRYPTED_FLAG:
            return ENCRYPTED_REASON
        if entry["method"] not in (STORED, DEFLATED, BZIP2, LZMA):
            method = UNREAD_METHODS.get(int(entry["method"]), f"method {entry['method']}")
            return f"compressed with {method}, which is not read: unpack the archive, and pass the folder"
        if self._overlaps[number]:
            return "overlaps another member, as in decompression bombs"
        return TOO_LARGE_REASON if entry["size"] > MAX_MEMBER_BYTES else None

    def _first_bytes(self, file: IO[bytes], number: int) -> Callable[[], bytes]:
        def first_bytes() -> bytes:
            if self._unread_reason(number) not in (None, TOO_LARGE_REASON):
                return b""
            try:
                return self._open(file, number).read(min(N_FIRST_BYTES, int(self.sizes[number])))
            except ARCHIVE_ERRORS:
                return b""

        return first_bytes

    def _link_target(self, file: IO[bytes], number: int) -> str | None:
        if self.sizes[number] > MAX_TARGET_BYTES:
            return None
        image = self._read_member(file, number)
        return image.source.decode("utf-8", "surrogateescape") if isinstance(image.source, bytes) else None

    def _read_member(self, file: IO[bytes], number: int) -> EncodedImage:
        reason = self._unread_reason(number)
        if reason is not None:
            return EncodedImage(Failure(reason))
        size = int(self.sizes[number])
        try:
            stream = self._open(file, number)
            data = stream.read(size)
            surplus = _read_surplus(stream)
        except ARCHIVE_ERRORS as error:
            return EncodedImage(Failure(f"damaged in the archive ({reason_for(error)})"))
        if surplus or len(data) != size:
            return EncodedImage(
                Failure(f"has {'more' if surplus else 'less'} than the {size:,} bytes that the archive states")
            )
        if zlib.crc32(data) != self._entries[number]["crc"]:
            return EncodedImage(Failure("damaged in the archive: its checksum (CRC) differs"))
        return EncodedImage(data)

    def _open(self, file: IO[bytes], number: int) -> DecompressedStream:
        entry = self._entries[number]
        file.seek(int(entry["offset"]))
        header = file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_HEADER_SIGNATURE):
            raise zipfile.BadZipFile("no local header at the offset in the central directory")
        _, n_name, n_extra = LOCAL_HEADER.unpack(header)
        file.seek(n_name + n_extra, 1)
        left = int(entry["compressed_size"])

        def read(size: int) -> bytes:
            nonlocal left
            data = file.read(min(size, left))
            left -= len(data)
            return data

        decompressors: dict[int, Callable[[], Decompressor]] = {DEFLATED: deflate_decompressor, BZIP2: bz2_decompressor}
        method = int(entry["method"])
        if method == LZMA:
            inner = _lzma_decompressor(read)
            decompressors[LZMA] = lambda: inner
        return DecompressedStream(read, decompressors.get(method, _Stored), MAX_MEMBER_BYTES + 1)


def _read_surplus(stream: DecompressedStream) -> bytes:
    try:
        return stream.read(1)
    except EOFError:  # LZMA data need no end marker
        return b""


class _Stored:
    """Decompressor of data that are stored without compression."""

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


def _lzma_decompressor(read: Callable[[int], bytes]) -> lzma.LZMADecompressor:
    """Make a decompressor from the LZMA properties at the beginning of the data."""
    _, n_properties = struct.unpack("<HH", read(4))
    coded, dictionary = struct.unpack("<BI", read(n_properties))
    bits = {"lc": coded % 9, "lp": coded // 9 % 5, "pb": coded // 45}
    # memory of the dictionary is only used as far as data are decompressed, which is limited
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": max(4096, dictionary), **bits}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return info.create_system == UNIX_SYSTEM and S_IFMT(info.external_attr >> 16) == S_IFLNK


def _decode_names(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Decode the names of members. Without the UTF-8 flag they are in any encoding, perhaps with backslashes."""
    names = [info.filename for info in infos]
    old = [i for i, info in enumerate(infos) if not info.flag_bits & UTF_8_FLAG and not names[i].isascii()]
    if old:
        written = [names[i].encode("cp437", "replace") for i in old]
        encoding = detect_encoding([b"\n".join(written)])
        if encoding in ("utf-8", "cp949", "cp932"):
            for i, name in zip(old, written, strict=True):
                names[i] = name.decode(encoding, "backslashreplace")
    for i, info in enumerate(infos):
        if info.create_system == DOS_SYSTEM and "\\" in names[i] and "/" not in names[i]:
            names[i] = names[i].replace("\\", "/")
    return names


def _find_overlaps(entry: NDArray[np.void]) -> NDArray[np.bool_]:
    """Members whose data overlap those of the next one: (n,)."""
    order = np.argsort(entry["offset"], kind="stable")
    begins = entry["offset"][order]
    found = np.zeros(len(entry), np.bool_)
    found[order[:-1]] = begins[:-1] + LOCAL_HEADER.size + entry["compressed_size"][order[:-1]] > begins[1:]
    return found
