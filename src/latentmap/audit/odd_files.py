"""Files whose size, proportions, size in bytes or colour mode is unlike that of the others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.audit.issues import IssueList
from latentmap.audit.robust import deviation_scores

# Smallest factors between the median and what is odd.
AREA_FACTOR, ASPECT_FACTOR, BYTES_FACTOR = 4.0, 1.5, 6.0
ODD_SCORE = 0.5  # of a value at its limit
MIN_FILES = 10  # of a format, to say what is usual for it
# A mode is odd if at most this fraction of the images has it, and at least that fraction has another one.
RARE, USUAL = 0.05, 0.8


def find_odd_sizes(issues: IssueList, width: NDArray[Any], height: NDArray[Any]) -> None:
    """Find images of an unusual area or aspect ratio.

    Parameters
    ----------
    issues : IssueList
        Receives what is found, with the size as the note.
    width, height : array (n,)
        Original sizes in pixels; NaN where they are not known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        wide, high = np.log(np.asarray(width, float)), np.log(np.asarray(height, float))
    for issue, logs, factor in (("odd_size", wide + high, AREA_FACTOR), ("odd_aspect", wide - high, ASPECT_FACTOR)):
        scores = deviation_scores(logs, float(np.log(factor)))
        ids = np.flatnonzero(scores < ODD_SCORE)
        issues.add(issue, ids, scores[ids], ODD_SCORE, notes=[f"{width[i]:.0f} × {height[i]:.0f}" for i in ids])


def find_odd_file_sizes(
    issues: IssueList, n_bytes: NDArray[Any], n_pixels: NDArray[Any], formats: NDArray[Any]
) -> None:
    """Find files with an unusual number of bytes per pixel, compared with other files of their format.

    Parameters
    ----------
    issues : IssueList
        Receives what is found, with the number of bytes as the note.
    n_bytes, n_pixels : array (n,)
        NaN where they are not known.
    formats : array (n,) of str
        Names of the formats.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(n_bytes, float) / np.asarray(n_pixels, float))
    for name in np.unique(formats):
        rows = np.flatnonzero((formats == name) & np.isfinite(logs))
        if len(rows) < MIN_FILES:
            continue
        scores = deviation_scores(logs[rows], float(np.log(BYTES_FACTOR)))
        odd = np.flatnonzero(scores < ODD_SCORE)
        notes = [f"{n_bytes[i]:,.0f} bytes" for i in rows[odd]]
        issues.add("odd_file_size", rows[odd], scores[odd], ODD_SCORE, notes=notes)


def find_odd_modes(issues: IssueList, modes: NDArray[Any], grey: NDArray[Any] | None) -> None:
    """Find images of a rare colour mode, or grey ones that are saved as colours among pictures in colour.

    Parameters
    ----------
    issues : IssueList
        Receives what is found. The score is the fraction of the images that have the mode, and the note is its name.
    modes : array (n,) of str
        Mode of each file; "" where it is not known.
    grey : array (n,), optional
        Which pictures have no colours, in a collection in colour.
    """
    names = modes.astype(object)
    if grey is not None:
        is_grey = np.asarray(grey, bool)
        names = np.array(
            [f"{name or 'colour'}, without colours" if one else name for name, one in zip(names, is_grey, strict=True)]
        )
    kinds, kind, counts = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    fractions = counts / max(1, len(names))
    if not len(kinds) or fractions.max() < USUAL:
        return
    ids = np.flatnonzero((fractions[kind] <= RARE) & (names.astype(str) != ""))
    issues.add("odd_mode", ids, fractions[kind][ids], RARE, notes=[str(kinds[kind[i]]) for i in ids])
