"""The commands as functions for scripts and notebooks: ``run``, ``add`` and ``explore``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from latentmap.core.progress import say, shown
from latentmap.images import ShapeOptions
from latentmap.images.decode_options import DecodeOptions
from latentmap.report import write_report
from latentmap.run import Run, RunOptions, adding, make

if TYPE_CHECKING:
    from latentmap.explorer import Explorer


def map_images(
    source: Any,
    out: str | Path,
    *,
    size: int | None = None,
    fit: str = "fit",
    color: str = "auto",
    background: str = "white",
    frames: bool = False,
    cache_limit: float = 64.0,
    labels: str | Path | ArrayLike | None = None,
    strict: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Train, encode, group, map and report: from images to a map. The same call again goes on where it was.

    Parameters
    ----------
    source, size, fit, color, background, frames, cache_limit, labels, strict
        See :func:`latentmap.open_images`.
    out : path
        Folder of the run.
    quiet : bool, default=False
        Show no progress.
    **options
        See :class:`latentmap.run.RunOptions`: ``epochs``, ``latent_dim``, ``n_clusters``, ``perplexity``, ``seed``, …

    Returns
    -------
    Run

    Raises
    ------
    RunError, SourceError, OptionError
        See :func:`latentmap.run.make_run`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = map_images(images, folder, epochs=1, latent_dim=4, quiet=True)
    ...     run.map().shape
    (60, 2)
    """
    return make.make_run(
        source,
        out,
        RunOptions(**options),
        decoding=DecodeOptions(ShapeOptions(size, fit, color, background), frames, cache_limit),
        labels=labels,
        strict=strict,
        report=write_report,
        show=partial(shown, quiet=quiet),
        say=(lambda _: None) if quiet else say,
    )


def add_images(run: Run | str | Path, source: Any, *, frames: bool = False, quiet: bool = False) -> adding.Addition:
    """Put more images on a finished map, which does not move.

    Parameters
    ----------
    run : Run or path
    source, frames
        See :func:`latentmap.open_images`. Images are brought to the shape of the run; files that it has already are
        known by their content and left out.
    quiet : bool, default=False
        Show no progress.

    Returns
    -------
    Addition
        How many were added, and how strange they are to the run.

    Raises
    ------
    RunError, SourceError
        See :func:`latentmap.run.add_images`.
    """
    show = partial(shown, quiet=quiet)
    finish = partial(make.bring_up_to_date, report=write_report, show=show)
    folder = run.path if isinstance(run, Run) else run
    return adding.add_images(folder, source, frames=frames, finish=finish, show=show)


def explore(run: Run | str | Path, *, height: int = 720) -> "Explorer":
    """Serve the explorer of a run on this machine. A notebook shows it in place.

    Parameters
    ----------
    run : Run or path
        A finished run.
    height : int, default=720
        Height of the frame in a notebook, in pixels.

    Returns
    -------
    Explorer
        ``url`` is its address, ``selection`` the ids that are selected in the page, and ``close()`` ends it.

    Raises
    ------
    RunError
        If the folder is not a finished run.
    OSError
        If no port from 8765 on is free.
    """
    from latentmap.explorer import Explorer

    return Explorer(run.path if isinstance(run, Run) else run, height=height)
