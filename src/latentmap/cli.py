"""The command ``latentmap``. Heavy modules are imported only after a command is chosen, so that ``--help`` is quick."""

import errno
import os
import re
import shlex
import sys
import warnings
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

import latentmap
from latentmap.core.addresses import is_address, without_secrets
from latentmap.core.errors import InputError, LatentmapError
from latentmap.core.progress import counted, say, show_progress
from latentmap.run.options import RUN_OPTIONS, SOURCE_OPTIONS, Option

if TYPE_CHECKING:
    import pyarrow as pa

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
    """Expand ``~``, which the shell leaves as it is inside quotes."""
    try:
        return None if path is None else path.expanduser()
    except RuntimeError:  # no such user
        return path


def _expanded_text(given: str) -> str:
    """Expand ``~`` in a path; an address stays as it is."""
    return given if is_address(given) else str(_expanded(Path(given)))


def _expanded_option(given: str | None) -> str | None:
    """Expand ``~`` in the path of an option that may be an address."""
    return None if given is None else _expanded_text(given)


RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", callback=_expanded)]
N_EXAMPLES = 3  # of the issues of each kind that an audit prints
FinishedRun = Annotated[Path, typer.Argument(help="Folder of a finished run.", callback=_expanded)]
_HELP = {one.name: one.help for one in (*RUN_OPTIONS, *SOURCE_OPTIONS)}
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def _print_version(given: bool) -> None:
    if given:
        print(f"latentmap {latentmap.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line. Characters that the output cannot encode are escaped, and a closed pipe is not an error."""
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
    """Flush the output and return the exit status. A reader that closes the pipe, such as ``head``, is not an error."""
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
    """Print a line. A closed pipe is ignored, because the work is done by then."""
    with suppress(BrokenPipeError):
        print(line)


def _announce(sources: list[str], *, quiet: bool) -> None:
    """Say what is read, before the imports that take seconds."""
    if sources and not quiet:
        others = f" and {counted(len(sources) - 1, 'other source')}" if len(sources) > 1 else ""
        say(f"reading {_plain_name(without_secrets(sources[0]))}{others}")


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
    """Print warnings of latentmap as sentences; warnings of other libraries keep their file and line."""
    if category is UserWarning:
        _complain(_plain_name(message))
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end="")


def _plain_name(text: object) -> str:
    """Escape tabs, line breaks and control characters, so that the text is one harmless line on a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


@app.callback()
def _latentmap(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version)] = False,
) -> None:
    """Turns a pile of unlabelled images into a map you can explore."""


def _with_declared_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace ``**options`` in the signature of a command by the declared options of a run."""
    own = list(signature(command, eval_str=True).parameters.values())[:-1]
    declared = [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=_annotation(one))
        for one in (*RUN_OPTIONS, *SOURCE_OPTIONS)
    ]
    command.__signature__ = Signature([*own[:-1], *declared, own[-1]])  # type: ignore[attr-defined]
    return command


def _annotation(option: Option) -> Any:
    """The type of a declared option, as typer reads it from the signature of a command."""
    if option.is_path:
        return Annotated[str | None, typer.Option(help=option.help, callback=_expanded_option, metavar="PATH")]
    if option.type is bool and not option.default:  # without a flag that turns it off
        return Annotated[bool, typer.Option(f"--{option.name.replace('_', '-')}", help=option.help)]
    kind = list[str] | None if option.kind.startswith("tuple") else option.type
    return Annotated[kind, typer.Option(help=option.help)]


@app.command()
@_with_declared_options
def run(
    *,
    source: Annotated[
        list[str] | None,
        typer.Argument(
            help="A folder of images, a pattern, a table with paths, an archive, a Parquet file with images, "
            "a TIFF with several pages, an .npy, .npz or IDX file, the address of one of these (s3://, https://), "
            "'mnist', or 'mnist:N' for its first N images. Several become one collection. With --vectors it may be "
            "left out: points then have no pictures.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", callback=_expanded)],
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Train, encode, group, map and report: from images to a map.

    Running the same command again resumes it. A changed option repeats only what depends on it.
    """
    with _errors_as_sentences(f"the same command resumes: {out}", out):
        _announce(source or [], quiet=quiet)
        from latentmap.api import map_images
        from latentmap.run.findings import findings

        names = options.pop("augmentation") or None
        augmentation = None if names is None else tuple(name for name in names if name != "none")
        made = map_images(source or None, out, quiet=quiet, augmentation=augmentation, **options)
        lines = findings(made)
    _say_results(made, out, lines)


def _say_results(made: "Run", out: Path, lines: list[str]) -> None:
    """Print what was found, where it is, and what may come next."""
    for line in lines:
        _say(f"found   {line}")
    _say(f"report  {out / 'report.html'}")
    _say(f"map     {out / 'figures' / 'map.png'}")
    _say(f"tables  {out / 'atlas.parquet'}")
    folder = shlex.quote(str(out))
    _say(f"explore latentmap explore {folder}")
    _say(f"label   latentmap label {folder} LABELS.csv")
    more = " MORE_IMAGES" * made.has_pictures + " --vectors THEIR_VECTORS" * (not made.has_encoder)
    _say(f"add     latentmap add {folder}{more}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.", callback=_expanded)] = Path(
        "latentmap-demo"
    ),
    images: Annotated[int, typer.Option("--images", "-n", help="Number of digits, up to 70,000.")] = 10_000,
    explore: Annotated[bool, typer.Option(help="Open the report and the explorer in the browser.")] = True,
    quiet: Quiet = False,
) -> None:
    """Map the handwritten digits of MNIST, which are included, and open the report and the explorer."""
    with _errors_as_sentences(f"the same command resumes: {out}", out):
        _announce([f"mnist:{images}"], quiet=quiet)
        from latentmap.api import map_images
        from latentmap.run.findings import findings

        made = map_images(f"mnist:{images}", out, quiet=quiet)
        lines = findings(made)
    _say_results(made, out, lines)
    if explore:
        with _errors_as_sentences("what you changed is saved in the run", out):
            from latentmap.explorer import explore as serve

            webbrowser.open((out / "report.html").absolute().as_uri())
            serve(out)


@app.command()
def doctor() -> None:
    """Show versions, cores, memory, GPU and folders, and what makes latentmap slow on this machine."""
    with _errors_as_sentences("nothing was changed", Path()):
        from latentmap.doctor import examine

        for check in examine():
            _say(f"{check.name:<10}{check.found}")
            for line in check.advice:
                _say(f"{'':<10}! {line}")


@app.command()
def info(path: RunFolder) -> None:
    """Show the source, the stages and the metrics of a run."""
    with _errors_as_sentences("nothing was changed", path):
        from latentmap.run import Run

        _print_info(Run.open(path))


@app.command()
def explore(
    path: FinishedRun,
    host: Annotated[
        str, typer.Option(help="Address to listen on: 0.0.0.0 or :: lets other machines in, with the token.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; by default the first free one from 8765.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    read_only: Annotated[bool, typer.Option("--read-only", help="Let nobody change the run.")] = False,
    no_token: Annotated[bool, typer.Option("--no-token", help="Let everybody in who can reach the port.")] = False,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Replace the tokens of the run: addresses printed before are refused.")
    ] = False,
    base_path: Annotated[
        str, typer.Option(help="Prefix below which a proxy serves the page, such as /maps/scans.")
    ] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Host name under which a proxy sends requests; may be repeated.")
    ] = None,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address or network of a proxy whose X-Forwarded headers are trusted; may be repeated."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM file of a TLS certificate, for https.", callback=_expanded)
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(help="PEM file of its key, if the key is not in the file of the certificate.", callback=_expanded),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Name by which edits are recorded; by default your name on this system.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_B",
            help="Folder of another run of the same images, which is only read: the points move to their places on its "
            "map, and its groups colour and filter them.",
            callback=_expanded,
        ),
    ] = None,
) -> None:
    """Explore the map in the browser: zoom, search, compare, name groups, label images."""
    with _errors_as_sentences("what you changed is saved in the run", path):
        from latentmap.explorer import Exposure
        from latentmap.explorer import explore as serve

        exposure = Exposure(
            host=host,
            port=port,
            base_path=base_path,
            allow_hosts=tuple(allow_host or ()),
            trust_proxies=tuple(trust_proxy or ()),
            tls_cert=tls_cert,
            tls_key=tls_key,
            read_only=read_only,
            needs_token=not no_token,
        )
        serve(path, exposure, open_page=browser, new_token=new_token, user=user, compare=compare)


@app.command()
def add(
    path: FinishedRun,
    source: Annotated[
        list[str] | None,
        typer.Argument(help="More images: see `latentmap run --help`. None for a run without pictures."),
    ] = None,
    frames: Annotated[bool, typer.Option("--frames", help=_HELP["frames"])] = False,
    crops: Annotated[
        Path | None,
        typer.Option(help="Table of the boxes of these images, for a run of crops.", callback=_expanded),
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option(
            help="Vectors of these images, for a run of given vectors.", callback=_expanded_option, metavar="PATH"
        ),
    ] = None,
    downloads: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps downloaded files; by default they are in the run until they are added.",
            callback=_expanded,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Add images to a finished map without moving it. Files that the run has already are left out."""
    with _errors_as_sentences(f"the same command resumes: {path}", path):
        _announce(source or [], quiet=quiet)
        from latentmap.api import add_images

        given: dict[str, Any] = {"frames": frames, "crops": crops, "vectors": vectors, "downloads": downloads}
        done = add_images(path, source or None, **given, quiet=quiet)
        new = counted(done.n_added, "image" if source else "point")
        print(f"added   {new}; {done.n_known:,} known already, {done.n_skipped:,} skipped")
        if done.n_empty:
            print(f"empty   {counted(done.n_empty, 'tile')} of nearly one colour left out")
        if done.n_clipped:
            print(f"clipped {counted(done.n_clipped, 'image')} with values outside the range of the run's own images")
        if done.n_added:
            print(f"drift   {done.drift:.3f} of them are strange to the run" + (": a fresh run is due" * done.is_due))
            print(f"report  {path / 'report.html'}")


@app.command()
def similar(
    path: RunFolder,
    image: Annotated[
        str,
        typer.Argument(
            help="An image file or its address, or the id of an image of the run; write ./7 for a file called 7."
        ),
    ],
    n: Annotated[int, typer.Option("--number", "-n", help="Images to find.")] = 10,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Picture to draw of what is found, a PNG.", callback=_expanded)
    ] = None,
) -> None:
    """Find the images of a run that are most similar to an image."""
    with _errors_as_sentences("nothing was changed", path):
        if n < 1:
            raise InputError(f"number={n}: ask for at least 1 image")
        from latentmap.run import Run

        run = Run.open(path)
        asked = int(image) if re.fullmatch(r"-?[0-9]{1,18}", image) else _expanded_text(image)
        found = run.similar(asked, n)
        print("id\tgroup\tdistance\tpath")
        for row in found.to_pylist():
            print(f"{row['id']}\t{row['group']}\t{row['distance']:.4f}\t{_plain_name(row['path'])}")
        if out is not None:
            from latentmap.report import draw_similar

            draw_similar(run, asked, found, out)
            print(f"picture {out}", file=sys.stderr)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a finished run.", callback=_expanded)],
    b: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="Folder of another run of the same images.", callback=_expanded)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A new folder for the page and the table, or a new file: .html for the page, .parquet or .csv for the "
            "table, .json for the measures. Without it the measures are printed only.",
            callback=_expanded,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compare two runs: which images changed their group, and how well groups and neighbourhoods agree."""
    with _errors_as_sentences("nothing is kept of a comparison that was interrupted", a):
        from functools import partial

        from latentmap.report import write_comparison
        from latentmap.run import compare_runs

        comparison = compare_runs(a, b, show=partial(show_progress, quiet=quiet))
        files = [] if out is None else write_comparison(comparison, out)
        for line in comparison.describe():
            _say(line)
        for file in files:
            _say(f"{_COMPARISON_FILES[file.suffix.lower()]:<32}{file}")


_COMPARISON_FILES = {".html": "page", ".parquet": "table", ".csv": "table", ".json": "measures"}


@app.command()
def export(
    path: RunFolder,
    kind: Annotated[
        str,
        typer.Argument(
            help="csv, parquet, issues, folders, imagefolder, yolo, coco, projector, overviews, onnx or site.",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="A new file (csv, parquet, issues) or a new folder.", callback=_expanded)],
    only: Annotated[
        Path | None,
        typer.Option(
            help="Table with the column id or path of the images to export (csv, parquet, issues, folders, "
            "imagefolder, yolo, coco); by default all.",
            callback=_expanded,
        ),
    ] = None,
    without: Annotated[
        Path | None,
        typer.Option(help="Table, as for --only, of the images to leave out.", callback=_expanded),
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(help="Of issues, only those that are open, accepted or dismissed.", show_default="all"),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help="Class of an image in imagefolder, yolo and coco: given (the label given in the explorer, else the "
            "group), label (given, or of the source), spread (given, or by `latentmap label`) or group.",
            show_default="given",
        ),
    ] = None,
    splits: Annotated[
        str | None,
        typer.Option(
            help="Parts of imagefolder, yolo and coco with their fractions, such as train=0.8,val=0.1,test=0.1. "
            "Duplicates stay together. By default yolo has train=0.8,val=0.2.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the division into parts.")] = 0,
    copy: Annotated[bool, typer.Option("--copy", help="In folders, copy files instead of linking them.")] = False,
    decoder: Annotated[
        bool,
        typer.Option("--decoder", help="In a site, decode places of the map in the browser; publishes latent vectors."),
    ] = False,
) -> None:
    """Export a run for other tools, or as a site: a folder of static files with the map, which any web server serves.

    A site has the names of the images, the columns and small pictures, which everybody who can open it can read. It has
    no original files, and of absolute paths and addresses only the last part.
    """
    kept = "the same command resumes" if kind == "site" else "nothing is kept of an export that was interrupted"
    with _errors_as_sentences(kept, path):
        said: list[str] = []
        if decoder and kind != "site":
            raise InputError(f"kind={kind!r}: has no --decoder: leave it out")
        if kind == "site":
            from latentmap.explorer import export_site

            if only or without or verdict or classes or splits:
                raise InputError("kind='site': has no --only, --without, --verdict, --classes and --splits")
            made = export_site(path, out, decoder=decoder, show=show_progress, say=said.append)
        else:
            from latentmap.run import export_run

            options: dict[str, Any] = {"only": only, "without": without, "verdict": verdict, "classes": classes}
            options |= {"splits": splits, "seed": seed, "copy": copy}
            made = export_run(path, kind, out, show=show_progress, say=said.append, **options)
        print(f"{kind:<12}{made}")
        for line in said:
            print(" " * 12 + line)


@app.command()
def label(
    path: RunFolder,
    labels: Annotated[Path, typer.Argument(help="A table with the columns label, and path or id.", callback=_expanded)],
) -> None:
    """Spread the labels of a few images over the graph to all: labels.parquet."""
    with _errors_as_sentences("nothing was changed", path):
        from latentmap.run.labels import spread_labels

        said: list[str] = []
        print(f"labels  {spread_labels(path, labels, say=said.append)}")
        for line in said:
            print(f"        {line}")


@app.command()
def select(
    path: FinishedRun,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new .csv or .parquet file.", callback=_expanded)],
    n: Annotated[int, typer.Option("--number", "-n", help="Images to select.")],
    strategy: Annotated[
        str,
        typer.Option(
            help="`typical` images of each group, images for `coverage` of all others, images in `doubt`, or `mixed`: "
            "typical ones first, then typical and doubtful ones in turn."
        ),
    ] = "mixed",
    within: Annotated[
        str | None,
        typer.Option(help="Select in a group, by its name or number, or among images with COLUMN=VALUE in the atlas."),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(help="Select equal numbers from each `group`, or for each value of a column of the atlas."),
    ] = None,
    ignore_labels: Annotated[
        bool,
        typer.Option("--ignore-labels", help="Select labelled images as well, which otherwise count as selected."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed for what is drawn of large collections.")] = 0,
) -> None:
    """Select the images that are worth labelling first, or a subset that stands for all: a table of their paths."""
    with _errors_as_sentences("nothing was written", path):
        from latentmap.run.selecting import write_selection

        made = write_selection(
            path,
            n,
            out,
            strategy=strategy,
            within=within,
            balance=balance,
            ignore_labels=ignore_labels,
            seed=seed,
        )
        print(f"picks   {out}")
        for line in made.describe():
            print(f"        {line}")
        print(
            f"label   fill in its column label, then: latentmap label {shlex.quote(str(path))} {shlex.quote(str(out))}"
        )


@app.command()
def audit(
    path: FinishedRun,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels to check, a table with the columns label, and path or id.", callback=_expanded),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Column that divides the images into parts, such as train and test, between which leaks are looked "
            "for; `folder` is the first folder of the paths."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .csv or .parquet file for the issues.", callback=_expanded)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Audit a run: duplicates, outliers, bad pictures, odd files, wrong labels and leaks, in issues.parquet."""
    with _errors_as_sentences(f"the same command begins again: {path}", path):
        from latentmap.api import audit_images
        from latentmap.run import Run

        found = audit_images(path, labels=labels, split=split, out=out, quiet=quiet)
        _print_issues(found, Run.open(path))
    if out is not None:
        print(f"issues  {out}")


@app.command()
def reproduce(
    rows: Annotated[list[str] | None, typer.Argument(help="Rows to run, S1 to S14; all by default.")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the page and its figures.", callback=_expanded)
    ] = Path("chapter"),
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the data; nothing is judged.")] = False,
    quiet: Quiet = False,
) -> None:
    """Reproduce the tables and figures of the course chapter, with published and measured values side by side."""
    with _errors_as_sentences("nothing is kept of a chapter that was interrupted", out):
        from latentmap.chapter import reproduce as reproduce_chapter

        _print_verdicts(reproduce_chapter(out, rows, quick=quick, quiet=quiet))
    print(f"page  {out / 'index.html'}")


@contextmanager
def _errors_as_sentences(interrupted: str, folder: Path) -> Iterator[None]:
    """Turn errors that a user can fix into a sentence on stderr and exit status 2, and warnings into sentences.

    Any other exception is a bug: it keeps its traceback, followed by a line that asks to report it.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning
            yield
    except KeyboardInterrupt:
        _complain(f"stopped; {interrupted}")
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise
    except (LatentmapError, OSError) as error:
        _complain(_sentence(error, interrupted))
        raise SystemExit(2) from error
    except Exception as error:
        from latentmap.core.memory import shortage

        said = shortage(error)
        if said is None:
            error.add_note(_request_for_report(folder))
            raise
        advice = "close other programs, make the images smaller with --size, or use a machine with more memory"
        _complain(f"the command {said}: {advice}; {interrupted}")
        raise SystemExit(2) from error


def _request_for_report(folder: Path) -> str:
    """The line below the traceback of a bug. run.json has the versions, the options and the stages of the run."""
    state = folder / "run.json"
    about = state if state.exists() else folder
    return f"latentmap: this is a bug in latentmap: please report it with the lines above and {_plain_name(about)}"


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

    from latentmap.run import describe_images
    from latentmap.run.given import describe_given
    from latentmap.run.state import stages_of

    # names are not rich's markup, and lines in a pipe are not cut to a width
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    source = run.state["source"]
    shape = f" of {'×'.join(map(str, source['image_shape']))}" if run.has_pictures else ""
    console.print(_plain_name(f"{run.path}: {counted(source['n'], run.noun)}{shape} from {source['name']}"))
    for line in [*describe_images(source), *describe_given(run.state)]:
        console.print(_plain_name(line))
    for one in run.state["added"]:
        drift = f"drift {one['drift']:.3f}" if "drift" in one else "not placed yet: give the command again"
        console.print(_plain_name(f"  {counted(one['n'], run.noun)} added from {one['name']}, {drift}"))
    table = Table("stage", "state", *(Column(name, justify="right") for name in ("seconds", "peak MB", "MB on disk")))
    for stage in stages_of(run.state):
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


def _print_issues(issues: "pa.Table", run: "Run") -> None:
    """Print the number of issues of each kind, and the images with the worst."""
    from latentmap.audit.issues import count_issues

    counts = count_issues(issues)
    if not counts:
        print("no issues")
        return
    paths = run.paths()
    rows = issues.to_pylist()
    print(f"{'issue':<16}{'number':>9}  worst")
    for name, number in counts.items():
        worst = [row for row in rows if row["issue"] == name][:N_EXAMPLES]
        print(f"{name:<16}{number:>9,}  {_plain_name(', '.join(_example(row, paths) for row in worst))}")


def _example(row: dict[str, Any], paths: list[str]) -> str:
    """One issue: the path of its image, the related image and the note."""
    related = "" if row["related"] is None else f" = {paths[row['related']]}"
    return f"{paths[row['id']]}{related}" + (f" ({row['note']})" if row["note"] else "")


def _print_verdicts(results: "list[RowResult]") -> None:
    for result in results:
        print(f"{result.id:<4} {result.part:<28} {result.verdict.upper()}")
        for check in result.checks:
            print(f"       {check.what}: {check.measured}  (published {check.published}, {check.tolerance})")
    counts = {verdict: sum(result.verdict == verdict for result in results) for verdict in ("met", "not met")}
    print(f"{counts['met']} rows met, {counts['not met']} not met")
