"""Folder of downloaded files, which are kept until they are decoded."""

import hashlib
import io
import os
import re
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from latentmap.core.addresses import WEB, name_of, protocol_of, public_address
from latentmap.core.atomic_files import atomic_write
from latentmap.core.errors import SourceError, TransferError
from latentmap.core.memory import format_bytes
from latentmap.core.progress import Callback, Progress
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.remote.filesystems import Filesystems, RemoteFile, remote_file, with_retries

DOWNLOADS = "downloads"  # the folder in the cache of a run
CHUNK_BYTES = 2**22  # that are requested at once of stores with ranges
MAX_FILE_BYTES = 2**31  # of an image that is a file of its own
MAX_BYTES_IN_MEMORY = 2**26  # of a file that is not kept
MIN_FREE_BYTES = 2**28  # that remain free on the disk
SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,8}){1,2}$")
UNSAFE = re.compile(r'[\x00-\x1f/\\:*?"<>|]')
MAX_NAME_CHARACTERS = 100
CHANGED_REASON = "changed while it was downloaded"


class Downloads:
    """Files that were downloaded to a folder. A folder that several processes use at once is safe.

    Parameters
    ----------
    folder : Path
    max_bytes : int
        Maximum size of the folder. Images beyond it are read into memory each time that they are needed.

    Attributes
    ----------
    folder : Path
    filesystems : Filesystems
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.filesystems = Filesystems()
        self._max_bytes = max_bytes
        self._used: int | None = None
        self._lock = threading.Lock()

    def info(self, address: str) -> tuple[RemoteFile, dict[str, Any]]:
        """Ask for the size and version of a file, and for all else that fsspec knows of it.

        Raises
        ------
        TransferError
            If there is no answer, no such file, or no access.
        """
        filesystem, path = self.filesystems.of(address)
        found: dict[str, Any] = with_retries(lambda: filesystem.info(path))
        return remote_file(address, found), found

    def image(self, file: RemoteFile) -> EncodedImage:
        """Download an image, unless it is there.

        Parameters
        ----------
        file : RemoteFile

        Returns
        -------
        EncodedImage
            The path of the file in the folder, or its bytes where the folder is full.

        Raises
        ------
        TransferError
            If the file cannot be downloaded.
        """
        digest = hashlib.sha256(file.facts.encode()).hexdigest()
        suffix = SUFFIX.search(name_of(file.address))
        target = self.folder / digest[:2] / f"{digest}{suffix[0].lower() if suffix else ''}"
        if target.is_file():
            return EncodedImage(str(target))
        if file.size is None and protocol_of(file.address) not in WEB:
            file = self.info(file.address)[0]
        if file.size is not None and file.size > MAX_FILE_BYTES:
            return EncodedImage(Failure(f"larger than {MAX_FILE_BYTES / 2**30:g} GiB"))
        if not self._reserve(file.size or 0):
            return self._image_in_memory(file)
        written = 0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as temporary:
                with temporary.open("wb") as out:
                    self.read(file, out, min(MAX_FILE_BYTES, self._max_bytes))
                written = temporary.stat().st_size
        finally:
            self._add(written - (file.size or 0))
        return EncodedImage(str(target))

    def whole(self, file: RemoteFile, callback: Callback = lambda _: None) -> Path:
        """Download a file that the user named, such as an archive. An interrupted download is resumed.

        Parameters
        ----------
        file : RemoteFile
        callback : callable, optional
            Receives the progress in bytes.

        Returns
        -------
        Path
            The file, under its own name.

        Raises
        ------
        SourceError
            If the file cannot be downloaded, changes meanwhile, or exceeds the limit or the free space on disk.
        """
        from filelock import FileLock

        shown = public_address(file.address)
        folder = self.folder / hashlib.sha256(file.facts.encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        name = UNSAFE.sub("_", name_of(file.address)).lstrip(".")[-MAX_NAME_CHARACTERS:] or "file"
        target, part = folder / name, folder / ".part"
        with FileLock(folder / ".lock"):
            if target.is_file():
                return target
            limit = self._limit(file, part)
            with part.open("r+b" if part.exists() else "w+b") as out:
                # what has no version may have changed since
                out.truncate(min(part.stat().st_size, file.size or 0) if file.version is not None else 0)
                out.seek(0, os.SEEK_END)
                try:
                    self.read(file, out, limit, callback)
                    if file.version is not None and self.info(file.address)[0] != file:
                        out.truncate(0)
                        raise TransferError(CHANGED_REASON, is_transient=False)
                except TransferError as error:
                    raise SourceError(f"{shown}: {error}; the same command resumes") from None
            part.replace(target)
        return target

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _image_in_memory(self, file: RemoteFile) -> EncodedImage:
        if (file.size or 0) > MAX_BYTES_IN_MEMORY:
            return EncodedImage(Failure(f"{format_bytes(file.size or 0)}, and the folder of downloads is full"))
        out = io.BytesIO()
        self.read(file, out, MAX_BYTES_IN_MEMORY)
        return EncodedImage(out.getvalue())

    def read(self, file: RemoteFile, out: Any, limit: int, callback: Callback = lambda _: None) -> None:
        """Append to a file what it lacks of the remote one, with retries.

        Parameters
        ----------
        file : RemoteFile
        out : file object
            The position is the number of bytes that it has.
        limit : int
            Maximum size, in bytes.
        callback : callable, optional
            Receives the progress in bytes.

        Raises
        ------
        TransferError
            If the file cannot be downloaded, or is larger.
        """
        filesystem, path = self.filesystems.of(file.address)

        def told() -> None:
            callback(Progress(out.tell(), max(file.size or 0, out.tell(), 1)))

        if protocol_of(file.address) in WEB:
            with_retries(lambda: _stream(filesystem, path, file, out, limit, told))
        else:
            size = file.size
            if size is None:
                raise TransferError("its size is unknown", is_transient=False)
            while out.tell() < size:
                begin, end = out.tell(), min(size, out.tell() + CHUNK_BYTES)
                data = with_retries(partial(filesystem.cat_file, path, start=begin, end=end))
                if len(data) != end - begin:
                    raise TransferError(CHANGED_REASON, is_transient=False)
                out.write(data)
                out.flush()
                told()
        if file.size is not None and out.tell() != file.size:
            raise TransferError(CHANGED_REASON, is_transient=False)

    def _limit(self, file: RemoteFile, part: Path) -> int:
        """The size that a file may have; SourceError if it has more."""
        present = part.stat().st_size if part.exists() else 0
        limit = min(self._max_bytes, shutil.disk_usage(self.folder).free - MIN_FREE_BYTES + present)
        if (file.size or 0) > limit:
            raise SourceError(
                f"{public_address(file.address)}: {format_bytes(file.size or 0)} to download, but "
                f"{format_bytes(max(0, limit))} are allowed and free: make room, or raise the limit (cache_limit)"
            )
        return max(0, limit)

    def _reserve(self, n_bytes: int) -> bool:
        """Take room for a file; False if there is none."""
        with self._lock:
            if self._used is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._used = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
            free = shutil.disk_usage(self.folder).free - MIN_FREE_BYTES
            if self._used + n_bytes > self._max_bytes or n_bytes > free or self._used >= self._max_bytes:
                return False
            self._used += n_bytes
            return True

    def _add(self, n_bytes: int) -> None:
        with self._lock:
            self._used = (self._used or 0) + n_bytes


def _stream(filesystem: Any, url: str, file: RemoteFile, out: Any, limit: int, told: Callable[[], None]) -> None:
    """Append the rest of a file from a web server, or all of it if the server does not resume."""
    from fsspec.callbacks import Callback as FsspecCallback

    begin = out.tell()
    if file.size is not None and begin == file.size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
    rest = _Rest(out, limit, told)

    class SizeCallback(FsspecCallback):  # type: ignore[misc]
        def set_size(self, size: int | None) -> None:
            # a server without ranges sends all of it
            rest.restarts = begin > 0 and (size is None or file.size is None or size != file.size - begin)

    filesystem.get_file(url, rest, callback=SizeCallback(), headers=headers)


class _Rest(io.RawIOBase):
    """A file to append to, up to a limit, or to begin again."""

    def __init__(self, out: Any, limit: int, told: Callable[[], None]) -> None:
        self._out, self._limit, self._told = out, limit, told
        self.restarts = False

    def write(self, data: Any) -> int:
        if self.restarts:
            self._out.seek(0)
            self._out.truncate()
            self.restarts = False
        if not data:
            return 0
        if self._out.tell() + len(data) > self._limit:
            raise TransferError(f"larger than the limit of {format_bytes(self._limit)}", is_transient=False)
        self._out.write(data)
        self._out.flush()
        self._told()
        return len(data)
