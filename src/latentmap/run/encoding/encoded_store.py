"""Vectors that an encoder has computed so far, in a file where an interrupted computation resumes."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import write_text

ROWS_FILE, RECORD_FILE = "encoded.f32", "encoded.json"
SECONDS_BETWEEN_SAVES = 3.0


class EncodedStore:
    """Rows of vectors in a file, and a record of how many are complete.

    Parameters
    ----------
    folder : Path
        Folder of the two files. It is made if it is not there.
    key : str
        Identifies the images and the encoder. Rows that were saved under another key are discarded.
    n_dimensions : int
        Length of a vector.

    Attributes
    ----------
    n_done : int
        Number of rows.
    """

    def __init__(self, folder: Path, key: str, n_dimensions: int) -> None:
        self._rows, self._record = folder / ROWS_FILE, folder / RECORD_FILE
        self._key, self._n_dimensions = key, n_dimensions
        folder.mkdir(parents=True, exist_ok=True)
        self.n_done = self._read_record()
        self._file = self._rows.open("r+b" if self._rows.exists() else "w+b")
        self._file.truncate(self.n_done * self._row_bytes)
        self._file.seek(0, os.SEEK_END)
        self._saved_at = time.monotonic()

    def append(self, vectors: NDArray[np.float32]) -> None:
        """Add the vectors (m, n_dimensions) of the next images."""
        self._file.write(np.ascontiguousarray(vectors, "<f4").data)
        self.n_done += len(vectors)
        if time.monotonic() - self._saved_at > SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Record the rows so far."""
        self._file.flush()
        os.fsync(self._file.fileno())
        record = {"key": self._key, "n_dimensions": self._n_dimensions, "n_done": self.n_done}
        write_text(self._record, json.dumps(record))
        self._saved_at = time.monotonic()

    def vectors(self) -> NDArray[np.float32]:
        """Map the rows (n_done, n_dimensions), float32."""
        self._file.flush()
        shape = (self.n_done, self._n_dimensions)
        return (
            np.asarray(np.memmap(self._rows, "<f4", "r", shape=shape)) if self.n_done else np.zeros(shape, np.float32)
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def remove(self) -> None:
        """Close and remove the files."""
        self.close()
        self._record.unlink(missing_ok=True)
        self._rows.unlink(missing_ok=True)

    @property
    def _row_bytes(self) -> int:
        return 4 * self._n_dimensions

    def _read_record(self) -> int:
        """Number of rows that an interrupted computation has saved."""
        try:
            record: dict[str, Any] = json.loads(self._record.read_bytes())
            n_done = int(record["n_done"])
            is_same = record["key"] == self._key and record["n_dimensions"] == self._n_dimensions and n_done >= 0
            return n_done if is_same and self._rows.stat().st_size >= n_done * self._row_bytes else 0
        except (OSError, ValueError, KeyError, TypeError):  # no record, or a damaged one
            return 0
