"""Matching of paths in a table to images whose paths have more or fewer folders before them."""

from collections import defaultdict
from collections.abc import Iterable

from latentmap.core.errors import SourceError

N_CANDIDATES = 5  # that a message names


def match_path_ends(source: str, given: Iterable[str], files: Iterable[str], known: set[str]) -> dict[str, str]:
    """Map paths that equal no path of an image to the file whose path ends with them, or that they end with.

    Parameters
    ----------
    source : str
        Name of the table in an error.
    given : iterable of str
        Paths in the table.
    files : iterable of str
        Paths of the files of the images.
    known : set of str
        Paths of images, which are not matched.

    Returns
    -------
    dict of str to str
        The path of a file by the given path, for those that match one.

    Raises
    ------
    SourceError
        If a path matches several files.

    Examples
    --------
    >>> match_path_ends("boxes.csv", ["1.png", "/home/me/scans/2.png"], ["a/1.png", "2.png"], set())
    {'1.png': 'a/1.png', '/home/me/scans/2.png': '2.png'}
    """
    named: dict[str, set[str]] = defaultdict(set)
    for file in files:
        named[file.rpartition("/")[2]].add(file)
    found = {}
    for path in given:
        if path in known:
            continue
        alike = [
            file
            for file in named.get(path.rpartition("/")[2], ())
            if file.endswith(f"/{path}") or path.endswith(f"/{file}")
        ]
        if len(alike) > 1:
            candidates = " or ".join(map(repr, sorted(alike)[:N_CANDIDATES]))
            raise SourceError(f"{source}: {path!r} matches {candidates}: write the full path")
        if alike:
            found[path] = alike[0]
    return found
