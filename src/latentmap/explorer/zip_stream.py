"""A folder as a zip file that is made while it is sent, without a copy on disk or in memory."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

CHUNK_BYTES = 2**20


class _Sent:
    """A file for :mod:`zipfile` that keeps the bytes until they are sent."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)

    def flush(self) -> None:
        """Called by zipfile; there is nothing to do."""

    def take(self) -> bytes:
        """The bytes that were written since the last call."""
        taken = bytes(self.written)
        self.written.clear()
        return taken


def zip_stream(folder: Path) -> Iterator[bytes]:
    """Yield a zip file with the files of a folder, below the name of the folder.

    Links are left out, since their targets may have changed. Images are compressed already, so files are only stored.

    Parameters
    ----------
    folder : Path

    Yields
    ------
    bytes
        Parts of about a mebibyte.

    Examples
    --------
    >>> import io
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> _ = (folder / "a.txt").write_text("text")
    >>> archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(folder))))
    >>> archive.read(f"{folder.name}/a.txt")
    b'text'
    """
    sent = _Sent()
    with zipfile.ZipFile(cast(IO[bytes], sent), "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                continue
            name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            if path.is_dir():  # empty folders are classes without an image
                archive.writestr(info, b"")
            else:
                with path.open("rb") as file, archive.open(info, "w") as target:
                    while part := file.read(CHUNK_BYTES):
                        target.write(part)
                        if len(sent.written) >= CHUNK_BYTES:
                            yield sent.take()
    yield sent.take()
