"""The entries of a journal, read from its file when they are accessed."""

import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from latentmap.core.errors import RunError
from latentmap.run.edits.schema import MAX_LINE_BYTES, parse

SKIP_BYTES = 2**20  # that are read at once of a line that is too long


class Entries(Sequence[dict[str, Any]]):
    """The entries of a journal. Each is read from the file when it is accessed, so a long journal takes little memory.

    Attributes
    ----------
    end : int
        Size in bytes of the part of the file that was read, which ends with a whole line.
    n_damaged : int
        Number of lines that are not entries.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clear()

    def clear(self) -> None:
        """Forget what was read of the file."""
        self._starts = array("Q")
        self.end = 0
        self.n_damaged = 0

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, number: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, number: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, number: int | slice) -> Any:
        """One entry or several, ids as lists."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        (entry,) = self.read([range(len(self))[number]])
        return entry | {"ids": entry["ids"].tolist()} if "ids" in entry else entry

    def read(self, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Read some entries in turn, ids as arrays.

        Raises
        ------
        RunError
            If the file was changed meanwhile.
        """
        if not numbers:
            return
        with self.path.open("rb") as file:
            for number in numbers:
                file.seek(self._starts[number])
                entry = parse(file.readline(MAX_LINE_BYTES + 1).rstrip(b"\n"))
                if entry is None:
                    raise RunError(f"{self.path}: changed while it was read: open the run again")
                yield entry

    def extend(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read the lines that were appended since the last call: yields number and entry of each valid one.

        A last line without a line break counts if it is an entry. Otherwise it is left for the next call: it is being
        written, or its writer was killed.

        Raises
        ------
        RunError
            If the file is shorter than it was.
        """
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self.end:
                raise RunError(f"{self.path}: shorter than it was: open the run again")
            file.seek(self.end)
            while line := file.readline(MAX_LINE_BYTES + 1):
                is_whole = line.endswith(b"\n")
                entry = parse(line.removesuffix(b"\n"))
                if not is_whole and entry is None and (len(line) <= MAX_LINE_BYTES or not _skip_line(file)):
                    return
                start, self.end = self.end, file.tell()
                if entry is not None:
                    self.append(start)
                    yield len(self) - 1, entry
                elif line.strip():
                    self.n_damaged += 1

    def append(self, start: int) -> None:
        """Add an entry by its position in the file."""
        self._starts.append(start)


def _skip_line(file: Any) -> bool:
    """Move to the end of a line; False if the file ends before."""
    while part := file.readline(SKIP_BYTES):
        if part.endswith(b"\n"):
            return True
    return False
