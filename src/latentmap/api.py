"""The commands as functions for scripts and notebooks, such as ``map_images`` for ``latentmap run``."""

from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentmap.core.progress import say, show_progress
from latentmap.report import report_stage, write_comparison
from latentmap.run import Run, RunOptions
from latentmap.run.adding import Addition, adding_images
from latentmap.run.audit_run import audit_run
from latentmap.run.comparing import Comparison, compare_runs
from latentmap.run.executor import run_stage
from latentmap.run.make import making_run
from latentmap.run.options import RUN_OPTIONS, SOURCE_OPTIONS, SourceOptions
from latentmap.run.selecting import DEFAULT_STRATEGY, select_images, write_selection
from latentmap.run.work import say_nothing

if TYPE_CHECKING:
    import pyarrow as pa

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


def audit_images(
    run: Run | str | Path,
    *,
    labels: str | Path | None = None,
    split: str | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
) -> "pa.Table":
    """Look for what is wrong in a finished run: duplicates, outliers, bad pictures, odd files, wrong labels and leaks.

    Each run is audited when it is made. This repeats it with other labels, with labels that were given in the explorer,
    for parts of the collection, or for a run that an earlier version made.

    Parameters
    ----------
    run : Run or path
        A finished run. Its issues.parquet and the columns of the audit in its atlas are made again.
    labels : path, optional
        Table with the columns ``label``, and ``path`` or ``id``; by default the labels of the run. Labels that were
        given in the explorer replace both.
    split : str, optional
        Column that divides the images into parts, such as train and test, between which leaks are looked for; "folder"
        is the first folder of the paths.
    out : path, optional
        A .csv or .parquet file that the table is written to as well, with the paths of the images.
    quiet : bool, default=False
        Show no progress.

    Returns
    -------
    pyarrow.Table
        ``id``, ``issue``, ``score`` (0 is the worst, 1 is fine), ``threshold`` (of the score, at or below which an
        image is listed), ``related`` (id of another image, or null) and ``note``; by kind of issue, the worst first.

    Raises
    ------
    RunError
        If the run is not finished, damaged or in use, or the table of labels does not fit it.
    OptionError
        If ``split`` is no column of the run, or ``out`` is no such file.
    """
    folder = run.path if isinstance(run, Run) else run
    return audit_run(folder, labels=labels, split=split, out=out, show=partial(show_progress, quiet=quiet))


def select(
    run: Run | str | Path,
    n: int,
    *,
    strategy: str = DEFAULT_STRATEGY,
    within: str | int | None = None,
    balance: str | None = None,
    ignore_labels: bool = False,
    seed: int = 0,
    out: str | Path | None = None,
) -> "pa.Table":
    """Select images of a finished run: those that are worth labelling first, or a subset that stands for all.

    Labelled images are not selected but count as selected: those labelled in the explorer, by ``latentmap label``, and
    with the run. Of exact duplicates one is selected at most, and none if one is labelled. Images that are marked as
    outlier, duplicate or hidden in the explorer are not selected.

    Parameters
    ----------
    run : Run or path
        A finished run.
    n : int
        Number of images.
    strategy : {"mixed", "typical", "coverage", "doubt"}, default="mixed"
        - "typical": the middle of each group, then what covers the group best, with equal numbers from all groups; see
          :func:`latentmap.subsets.typical_points`.
        - "coverage": images such that every image is close to one of them; see
          :func:`latentmap.subsets.facility_location`.
        - "doubt": images of which their group is least sure, or their label where labels were spread; see
          :func:`latentmap.subsets.doubtful_points`.
        - "mixed": five typical images of each group, then typical and doubtful ones in turn; see
          :func:`latentmap.subsets.mixed_points`.
    within : str or int, optional
        Name or number of a group after the edits, or ``column=value`` of the atlas: images are selected there. -1 is
        for unsure images.
    balance : str, optional
        "group", or a column of the atlas: each selected image is from the part with the fewest selected and labelled
        ones that has images left. Parts thus get equal numbers as far as each has enough, and images without a group or
        a value are a part of their own.
    ignore_labels : bool, default=False
        Select among labelled images as well, as if there were no labels.
    seed : int, default=0
        Seed for the images that are drawn to select from, and to be covered.
    out : path, optional
        A new .csv or .parquet file for the table.

    Returns
    -------
    pyarrow.Table
        A row an image, in the order in which they are worth labelling: ``rank`` from 1, ``id``, ``path``, ``group`` and
        ``group_name`` after the edits, ``reason`` ("typical", "coverage" or "doubt"), ``gain`` (by how much the image
        shortens the distances to the nearest selected one, as a fraction of those before the first; among the images
        of its group, or the doubtful ones of its group), ``confidence`` (of the group, or of the spread label), and
        ``label``, which is null unless labels are ignored.

    Raises
    ------
    InputError
        If a value is unknown or out of range, or there are fewer than ``n`` images to select.
    RunError
        If the run is not finished, of another format version, or damaged, or something is in the way of ``out``.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = map_images(images, folder, epochs=1, latent_dim=4, quiet=True)
    ...     select(run, 3)["rank"].to_pylist()
    [1, 2, 3]
    """
    options: dict[str, Any] = {
        "strategy": strategy,
        "within": within,
        "balance": balance,
        "ignore_labels": ignore_labels,
        "seed": seed,
    }
    made = select_images(run, n, **options) if out is None else write_selection(run, n, out, **options)
    return made.table


def compare(
    a: Run | str | Path, b: Run | str | Path, *, out: str | Path | None = None, quiet: bool = False
) -> Comparison:
    """Compare two runs: which images changed their group, and how well groups and neighbourhoods agree.

    Images are matched by the SHA-256 of their content, so that they may have other names and ids in the other run.
    Points without pictures are matched by their paths or vectors, and if neither are equal by their ids.

    Parameters
    ----------
    a, b : Run or path
        Finished runs of the same images, or of some of the same.
    out : path, optional
        A new folder for the page ``comparison.html``, the table ``comparison.parquet`` and the measures
        ``comparison.json``; or a new file for one of them, with the ending .html, .parquet, .csv or .json.
    quiet : bool, default=False
        Show no progress.

    Returns
    -------
    Comparison
        ``measures`` has the numbers, :meth:`~latentmap.run.Comparison.table` the images.

    Raises
    ------
    RunError
        If both are the same folder, one is no finished run or damaged, they have no image in common, or something is
        in the way of ``out``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 255, (60, 8, 8), dtype=np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runs = [
    ...         map_images(images, Path(folder) / str(n), n_clusters=n, epochs=1, latent_dim=4, quiet=True)
    ...         for n in (2, 3)
    ...     ]
    ...     compare(*runs, quiet=True).measures["n_common"]
    60
    """
    comparison = compare_runs(a, b, show=partial(show_progress, quiet=quiet))
    if out is not None:
        write_comparison(comparison, out)
    return comparison


def explore(
    run: Run | str | Path, *, height: int = 720, user: str | None = None, compare: Run | str | Path | None = None
) -> "ExplorerWidget | Explorer":
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
    compare : Run or path, optional
        Another run of the same images: the points move to their places on its map, and its groups colour and filter
        them. It is only read.

    Returns
    -------
    ExplorerWidget or Explorer
        ``selection`` is a list of the ids that are selected in the page, and ``close()`` ends it. The widget also has
        ``view``, ``color_by`` and ``groups``, and all four can be set and observed;
        :class:`latentmap.explorer.Explorer` has ``url``, the address of the page.

    Raises
    ------
    RunError
        If the folder is not a finished run, or the runs cannot be compared.
    PortError
        If no port from 8765 on is free.
    """
    from latentmap.explorer import Explorer, can_show_widgets

    path = run.path if isinstance(run, Run) else run
    other = compare.path if isinstance(compare, Run) else compare
    if not can_show_widgets():
        return Explorer(path, height=height, user=user, compare=other)
    from latentmap.explorer.widget import ExplorerWidget

    return ExplorerWidget(path, height=height, user=user, compare=other)
