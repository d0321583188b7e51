"""The command ``latentmap``. Only what draws this page of help is imported before a command is chosen."""

import errno
import os
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

import latentmap
from latentmap.core.progress import counted

if TYPE_CHECKING:
    from latentmap.chapter import RowResult
    from latentmap.run import Run

app = typer.Typer(
    name="latentmap",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turns a pile of unlabelled images into a map you can explore.",
)


def _expanded(path: Path | None) -> Path | None:
    """``~`` as the home folder, where the shell left it because it stood in quotes."""
    try:
        return None if path is None else path.expanduser()
    except RuntimeError:  # no such user
        return path


RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", callback=_expanded)]
FinishedRun = Annotated[Path, typer.Argument(help="Folder of a finished run.", callback=_expanded)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def _print_version(given: bool) -> None:
    if given:
        print(f"latentmap {latentmap.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; output that a terminal or pipe cannot take ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # None where it is closed
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
        status: str | int | None = 0
    except SystemExit as ended:
        status = ended.code
    except BrokenPipeError:
        status = 0
    raise SystemExit(_flushed(status))


def _flushed(status: str | int | None) -> str | int | None:
    """The exit status after all output is written. A reader that wants no more of it, as ``head`` does, is no error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            # Python would try again at the end, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if not isinstance(error, BrokenPipeError) and stream is sys.stdout:
                _complain(f"the output cannot be written: {error.strerror}")
                status = 2
    return status


def _say(line: str) -> None:
    """Print a line; a closed pipe must not make work that is done look failed."""
    with suppress(BrokenPipeError):
        print(line)


def _complain(sentence: str) -> None:
    print(f"latentmap: {sentence}", file=sys.stderr)


def _say_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say what latentmap warns of as a sentence; warnings of other libraries keep the place that they come from."""
    if category is UserWarning:
        _complain(_plain(message))
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end="")


def _plain(text: object) -> str:
    """Text on one line: tabs, line breaks and what would steer a terminal are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


@app.callback()
def _latentmap(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version)] = False,
) -> None:
    """Turns a pile of unlabelled images into a map you can explore."""


@app.command()
def run(
    source: Annotated[
        list[str],
        typer.Argument(
            help="A folder of images, a pattern, a table with paths, an archive, a Parquet file with images, "
            "a TIFF of many pages, an .npy, .npz or IDX file, or 'mnist'; several become one collection."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", callback=_expanded)],
    network: Annotated[str, typer.Option(help="auto, pyramid, variational, dense or conv.")] = "auto",
    activation: Annotated[str, typer.Option(help="auto, or any elementwise activation of torch.nn.")] = "auto",
    latent_dim: Annotated[int, typer.Option(help="Length of the latent vectors.")] = 64,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images in training.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in a step of training.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate of Adam.")] = None,
    beta: Annotated[float, typer.Option(help="Weight of the divergence in the variational network.")] = 1.0,
    denoising: Annotated[str | None, typer.Option(help="gaussian, masking or salt_and_pepper noise to undo.")] = None,
    noise_level: Annotated[
        float, typer.Option(help="Standard deviation of that noise, or fraction of values that it corrupts.")
    ] = 0.25,
    augmentation: Annotated[
        list[str] | None, typer.Option(help="mixup, shift, flip, contrast or none; may be repeated.")
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16 products in training.")] = "auto",
    groups: Annotated[str, typer.Option(help="graph, or kmeans as in the course.")] = "graph",
    n_clusters: Annotated[
        int | None, typer.Option(help="Groups to make; by default counted on the graph, and 10 for kmeans.")
    ] = None,
    invariant: Annotated[
        bool, typer.Option(help="Groups take slightly shifted, turned or stretched images for the same.")
    ] = True,
    min_confidence: Annotated[float, typer.Option(help="Images less sure of their group get group -1.")] = 0.0,
    perplexity: Annotated[float, typer.Option(help="Neighbours that the map cares for, roughly.")] = 30.0,
    size: Annotated[int | None, typer.Option(help="Side of the square that images become, in pixels.")] = None,
    fit: Annotated[str, typer.Option(help="fit (whole, on their border's colour), fill (cropped) or stretch.")] = "fit",
    color: Annotated[str, typer.Option(help="auto, grey or rgb.")] = "auto",
    background: Annotated[str, typer.Option(help="Colour that transparent images lie on.")] = "white",
    frames: Annotated[bool, typer.Option("--frames", help="Each frame of an animation is an image.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A file that cannot be decoded is an error.")] = False,
    cache_limit: Annotated[float, typer.Option(help="Most that decoded images may take, in GB.")] = 64.0,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels: an .npy or IDX file, text with one a line, or a table.", callback=_expanded),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for all random number generators.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train, encode, group, map and report: from images to a map.

    The same command again goes on where it was; a changed option redoes what depends on it and nothing else.
    """
    with _errors_as_sentences(f"the same command goes on where it was: {out}"):
        from latentmap.api import map_images

        map_images(
            source,
            out,
            size=size,
            fit=fit,
            color=color,
            background=background,
            frames=frames,
            cache_limit=cache_limit,
            labels=labels,
            strict=strict,
            quiet=quiet,
            network=network,
            activation=activation,
            latent_dim=latent_dim,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            beta=beta,
            denoising=denoising,
            noise_level=noise_level,
            augmentation=None if not augmentation else tuple(name for name in augmentation if name != "none"),
            precision=precision,
            groups=groups,
            n_clusters=n_clusters,
            invariant=invariant,
            min_confidence=min_confidence,
            perplexity=perplexity,
            seed=seed,
        )
    _say(f"report  {out / 'report.html'}")
    _say(f"map     {out / 'figures' / 'map.png'}")
    _say(f"tables  {out / 'atlas.parquet'}")
    _say(f"explore latentmap explore {shlex.quote(str(out))}")


@app.command()
def info(path: RunFolder) -> None:
    """Say what a run holds: its source, its stages, what was measured."""
    with _errors_as_sentences("nothing was changed"):
        from latentmap.run import Run

        _print_info(Run.open(path))


@app.command()
def explore(
    path: FinishedRun,
    port: Annotated[int | None, typer.Option(help="Port; by default the first free one from 8765.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Name of a host by which a proxy asks; may be repeated.")
    ] = None,
) -> None:
    """Open the map as a page on this machine: zoom, ask, compare, name groups, give labels."""
    with _errors_as_sentences("what you changed is saved in the run"):
        if port is not None and not 0 <= port < 2**16:
            raise ValueError(f"port={port}: ask for one from 1 to {2**16 - 1}, or 0 for any that is free")
        from latentmap.explorer import explore as serve

        serve(path, port=port, open_page=browser, allow_hosts=allow_host or ())


@app.command()
def add(
    path: FinishedRun,
    source: Annotated[list[str], typer.Argument(help="More images: see `latentmap run --help`.")],
    frames: Annotated[bool, typer.Option("--frames", help="Each frame of an animation is an image.")] = False,
    quiet: Quiet = False,
) -> None:
    """Put more images on a finished map, which does not move; files that it has already are known by their content."""
    with _errors_as_sentences(f"the same command goes on where it was: {path}"):
        from latentmap.api import add_images

        done = add_images(path, source, frames=frames, quiet=quiet)
        new = counted(done.n_added, "image")
        print(f"added   {new}; {done.n_known:,} known already, {done.n_skipped:,} skipped")
        if done.n_clipped:
            print(f"clipped {counted(done.n_clipped, 'image')} with values outside the range of the run's own images")
        if done.n_added:
            print(f"drift   {done.drift:.3f} of them are strange to the run" + (": a fresh run is due" * done.is_due))
            print(f"report  {path / 'report.html'}")


@app.command()
def similar(
    path: RunFolder,
    image: Annotated[
        str, typer.Argument(help="An image file, or the id of an image of the run; write ./7 for a file called 7.")
    ],
    n: Annotated[int, typer.Option("--number", "-n", help="Images to find.")] = 10,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Picture to draw of what is found, a PNG.", callback=_expanded)
    ] = None,
) -> None:
    """Find the images of a run that are nearest to an image in latent space."""
    with _errors_as_sentences("nothing was changed"):
        if n < 1:
            raise ValueError(f"number={n}: ask for at least 1 image")
        from latentmap.run import Run

        run = Run.open(path)
        asked = int(image) if re.fullmatch(r"-?[0-9]{1,18}", image) else str(_expanded(Path(image)))
        found = run.similar(asked, n)
        print("id\tgroup\tdistance\tpath")
        for row in found.to_pylist():
            print(f"{row['id']}\t{row['group']}\t{row['distance']:.4f}\t{_plain(row['path'])}")
        if out is not None:
            from latentmap.report import draw_similar

            draw_similar(run, asked, found, out)
            print(f"picture {out}", file=sys.stderr)


@app.command()
def export(
    path: RunFolder,
    kind: Annotated[str, typer.Argument(help="csv, parquet, folders, projector, imagefolder or onnx.")],
    out: Annotated[Path, typer.Argument(help="A new file (csv, parquet) or a new folder.", callback=_expanded)],
    copy: Annotated[bool, typer.Option("--copy", help="In folders, copy files instead of linking them.")] = False,
) -> None:
    """Write a run in a form that other tools take."""
    with _errors_as_sentences("nothing is kept of an export that was interrupted"):
        from latentmap.core.progress import show_progress
        from latentmap.run import export_run

        said: list[str] = []
        print(f"{kind:<12}{export_run(path, kind, out, copy=copy, show=show_progress, say=said.append)}")
        for line in said:
            print(" " * 12 + line)


@app.command()
def label(
    path: RunFolder,
    labels: Annotated[Path, typer.Argument(help="A table with the columns label, and path or id.", callback=_expanded)],
) -> None:
    """Spread the labels of a few images over the graph to all: labels.parquet."""
    with _errors_as_sentences("nothing was changed"):
        from latentmap.run.labels import spread_labels

        said: list[str] = []
        print(f"labels  {spread_labels(path, labels, say=said.append)}")
        for line in said:
            print(f"        {line}")


@app.command()
def reproduce(
    rows: Annotated[list[str] | None, typer.Argument(help="Rows to run, S1 to S14; all by default.")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the page and its figures.", callback=_expanded)
    ] = Path("chapter"),
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the data; nothing is judged.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run the course chapter again: each of its tables and figures, published beside measured."""
    with _errors_as_sentences("nothing is kept of a chapter that was interrupted"):
        from latentmap.chapter import reproduce as reproduce_chapter

        _print_verdicts(reproduce_chapter(out, rows, quick=quick, quiet=quiet))
    print(f"page  {out / 'index.html'}")


@contextmanager
def _errors_as_sentences(interrupted: str) -> Iterator[None]:
    """Turn errors that a user can mend into a sentence on stderr and exit status 2, and warnings into sentences."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning
            yield
    except KeyboardInterrupt:
        _complain(f"stopped; {interrupted}")
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise
    except (ValueError, ImportError, OSError) as error:
        _complain(_sentence(error, interrupted))
        raise SystemExit(2) from error
    except (MemoryError, RuntimeError) as error:
        from latentmap.core.memory import shortage

        said = shortage(error)
        if said is None:
            raise
        advice = "close other programs, make the images smaller with --size, or use a machine with more memory"
        _complain(f"the command {said}: {advice}; {interrupted}")
        raise SystemExit(2) from error


def _sentence(error: Exception, interrupted: str) -> str:
    if not isinstance(error, OSError):
        return str(error)
    # the system's errors are "[Errno 2] No such file or directory: 'name'"
    of_system = error.errno is not None and error.filename is not None and error.strerror is not None
    said = f"{os.fsdecode(error.filename)}: {error.strerror}" if of_system else str(error)
    return f"{said}: the disk is full; make room, and {interrupted}" if error.errno == errno.ENOSPC else said


def _print_info(run: "Run") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from latentmap.run import STAGES, describe_images

    # names are not rich's markup, and lines in a pipe are not cut to a width
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    source = run.state["source"]
    shape = "×".join(map(str, source["image_shape"]))
    console.print(_plain(f"{run.path}: {counted(source['n'], 'image')} of {shape} from {source['name']}"))
    for line in describe_images(source):
        console.print(_plain(line))
    for one in run.state["added"]:
        drift = f"drift {one['drift']:.3f}" if "drift" in one else "not placed yet: give the command again"
        console.print(_plain(f"  {counted(one['n'], 'image')} added from {one['name']}, {drift}"))
    table = Table("stage", "state", *(Column(name, justify="right") for name in ("seconds", "peak MB", "MB on disk")))
    for stage in STAGES:
        record = run.stages.get(stage, {"state": "missing", "files": {}})
        size = sum(file["bytes"] for file in record["files"].values()) / 1e6
        table.add_row(
            stage,
            record["state"] if record["state"] != "running" else "interrupted or running",
            f"{record['seconds']:.1f}" if "seconds" in record else "",
            str(record.get("peak_memory_mb", "")),
            f"{size:.1f}" if size else "",
        )
    console.print(table)
    precision = run.precision()
    if precision is not None:
        console.print(f"trained with products in {precision}")
    if run.stages.get("report", {}).get("state") == "done":
        for name, value in run.metrics().items():
            console.print(f"{name:<26}{'undefined' if value is None else f'{value:.4f}'}")


def _print_verdicts(results: "list[RowResult]") -> None:
    for result in results:
        print(f"{result.id:<4} {result.part:<28} {result.verdict.upper()}")
        for check in result.checks:
            print(f"       {check.what}: {check.measured}  (published {check.published}, {check.tolerance})")
    counts = {verdict: sum(result.verdict == verdict for result in results) for verdict in ("met", "not met")}
    print(f"{counts['met']} rows met, {counts['not met']} not met")
