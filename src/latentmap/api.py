"""The commands as functions for scripts and notebooks: ``run``, ``add`` and ``explore``."""

from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentmap.core.progress import say, show_progress
from latentmap.report import report_stage
from latentmap.run import Run, RunOptions
from latentmap.run.adding import Addition, adding_images
from latentmap.run.executor import run_stage
from latentmap.run.make import making_run
from latentmap.run.options import RUN_OPTIONS, SOURCE_OPTIONS, SourceOptions
from latentmap.run.work import say_nothing

if TYPE_CHECKING:
    from latentmap.explorer import Explorer
    from latentmap.explorer.widget import ExplorerWidget


def map_images(source: Any, out: str | Path, *, quiet: bool = False, **options: Any) -> Run:
    """Train, encode, group, map and report: from images to a map. The same call again resumes.

    Parameters
    ----------
    source : str, path, ndarray or other object, or a list of them
        See :func:`latentmap.open_images`.
    out : path
        Folder of the run.
    quiet : bool, default=False
        Show no progress.
    size, fit, color, background, frames, channels, channel_names, range, axes, project, metadata, fps, audio_seconds, \
    audio_hop, audio_bands, audio_max_frequency, audio_floor, tiles, overlap, max_empty, crops, strict, cache_limit, \
    downloads, labels, vectors, map, encoder, encoder_size, encoder_mean, encoder_std
        How the images are read: see :class:`latentmap.run.SourceOptions`.
    network, activation, latent_dim, epochs, batch_size, learning_rate, beta, denoising, noise_level, augmentation, \
    precision, features, metric, decoder, groups, n_clusters, invariant, min_confidence, perplexity, seed, device
        How they are mapped: see :class:`latentmap.run.RunOptions`.

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
    given = {one.name: options.pop(one.name) for one in SOURCE_OPTIONS if one.name in options}
    reading = SourceOptions(**given)
    run_options = RunOptions(**options)
    with making_run(
        source,
        out,
        run_options,
        decoding=reading.decoding(),
        labels=reading.labels,
        vectors=reading.vectors,
        places=reading.map,
        encoder=reading.image_encoder(run_options.device),
        strict=reading.strict,
        show=partial(show_progress, quiet=quiet),
        say=say_nothing if quiet else say,
    ) as work:
        run_stage(work, "report", report_stage)
    return Run(work.folder)


def _declared_signature() -> Signature:
    """The signature of :func:`map_images` with each declared option by name, for help and completion."""
    own = signature(map_images)
    declared = [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type)
        for one in (*SOURCE_OPTIONS, *RUN_OPTIONS)
    ]
    return own.replace(parameters=[*list(own.parameters.values())[:-1], *declared])


map_images.__signature__ = _declared_signature()  # type: ignore[attr-defined]


def add_images(
    run: Run | str | Path,
    source: Any,
    *,
    frames: bool = False,
    crops: Any = None,
    vectors: Any = None,
    downloads: str | Path | None = None,
    quiet: bool = False,
) -> Addition:
    """Put more images on a finished map, which does not move.

    Parameters
    ----------
    run : Run or path
    source, frames
        See :func:`latentmap.open_images`. Images are brought to the shape of the run; files that it has already are
        known by their content and left out. For a run of tiles they are cut into tiles like its own.
    crops : path, DataFrame or dict, optional
        Table of the boxes of the new images, as a file or in memory, for a run of crops.
    vectors : path or array-like of shape (m, d), optional
        Vectors of these images, for a run that was made from given vectors.
    downloads : path, optional
        Folder that keeps downloaded files; by default they are in the folder of the run until they are added.
    quiet : bool, default=False
        Show no progress.

    Returns
    -------
    Addition
        How many were added, and how strange they are to the run.

    Raises
    ------
    RunError, SourceError, OptionError
        See :func:`latentmap.run.add_images`.
    """
    folder = run.path if isinstance(run, Run) else run
    show = partial(show_progress, quiet=quiet)
    given = {"frames": frames, "crops": crops, "vectors": vectors, "downloads": downloads}
    with adding_images(folder, source, **given, show=show) as (work, addition):
        run_stage(work, "report", report_stage)
    return addition


def explore(run: Run | str | Path, *, height: int = 720, user: str | None = None) -> "ExplorerWidget | Explorer":
    """The explorer of a run: a widget in a notebook, elsewhere a page that is served on this machine.

    The widget needs the packages of ``pip install 'latentmap[notebook]'`` and works wherever widgets do, also in
    notebooks on other machines. Without them a notebook shows the served page in a frame, which only works on this
    machine.

    Parameters
    ----------
    run : Run or path
        A finished run.
    height : int, default=720
        Height in a notebook, in pixels.
    user : str, optional
        Name by which edits are recorded; by default that of this user on the system.

    Returns
    -------
    ExplorerWidget or Explorer
        ``selection`` is a list of the ids that are selected in the page, and ``close()`` ends it. The widget also has
        ``view``, ``color_by`` and ``groups``, and all four can be set and observed;
        :class:`latentmap.explorer.Explorer` has ``url``, the address of the page.

    Raises
    ------
    RunError
        If the folder is not a finished run.
    PortError
        If no port from 8765 on is free.
    """
    from latentmap.explorer import Explorer, can_show_widgets

    path = run.path if isinstance(run, Run) else run
    if not can_show_widgets():
        return Explorer(path, height=height, user=user)
    from latentmap.explorer.widget import ExplorerWidget

    return ExplorerWidget(path, height=height, user=user)
