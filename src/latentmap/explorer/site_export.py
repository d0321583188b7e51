"""The explorer as a folder of static files, which any web server or object store serves: a run of any size, read-only.

Rows are in zoom order, in which every prefix is an even sample of the map, and in files of a fixed number of rows. So
the first file is a first picture of the whole map, and since images of one level are in Morton order, each later file
is a tile of the map. The page loads all of them up to MAX_LOADED rows; beyond, an even sample and the tiles in view.
"""

import hashlib
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from shutil import copytree

from latentmap import __version__
from latentmap.core.atomic_files import user_path, write_bytes, write_text
from latentmap.core.errors import RunError
from latentmap.core.progress import Progress, Show, silent
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.handlers.page_files import STATIC
from latentmap.explorer.one_file import as_json_bytes
from latentmap.explorer.run_facts import facts_of, facts_with_edits
from latentmap.explorer.site_decoder import SiteDecoder
from latentmap.explorer.site_facts import site_facts
from latentmap.explorer.site_tables import SiteTables
from latentmap.explorer.sprite_sheets import SpriteSheets
from latentmap.run.export import new_export
from latentmap.run.resumed_folders import begin_in

KIND = "site"
DATA = "data"
# Nothing is loaded from another host.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' blob: data:; base-uri 'none'; form-action 'none'"
)
FIRST_FILES = (f"{DATA}/site.json", f"{DATA}/points/00000.bin")  # that the browser fetches before the page runs
NOTE = "This page needs a web server: serve its folder, for example with: python -m http.server"


def export_site(
    path: str | Path,
    out: str | Path,
    *,
    decoder: bool = False,
    show: Show = silent,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Export the explorer of a run as a folder of static files: map, pictures, neighbours, search, filters and groups.

    Image names, the columns of the atlas and small pictures are in the files, so everybody who can fetch them can read
    them. Original files are not, and of an absolute path or an address only the last part is. With a decoder, latent
    vectors are in the files too, and the network that draws images from them.

    An export that was interrupted is resumed by the same call, unless the run has changed since.

    Parameters
    ----------
    path : path
        The folder of a finished run.
    out : path
        A new or empty folder. It appears when it is complete.
    decoder : bool, default=False
        Decode in the browser, by ONNX Runtime Web. Needs ``pip install 'latentmap[onnx]'``.
    show : callable, optional
        From the name of the work to a context with a progress callback: pass
        :func:`latentmap.core.progress.show_progress`.
    say : callable, optional
        Takes a line about the number and the size of the files.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    RunError
        For a run that is not finished or damaged, a decoder of a run that has none, or when something is in the way.
    MissingPackageError
        If a package that writes ONNX files is not installed, and a decoder was asked for.
    """
    if (user_path(out) / DATA / "site.json").is_file():
        raise RunError(f"{out}: a finished site already: name a new folder, or remove it")
    with new_export(path, KIND, out) as (run, making), show("export") as callback:
        n_kept = _write(AtlasView(run.path), making, callback, has_decoder=decoder)
        if n_kept:
            say(f"resumed: {n_kept:,} files were there")
        sizes = [file.stat().st_size for file in making.rglob("*") if file.is_file()]
        say(f"{len(sizes):,} files, {sum(sizes) / 1e6:,.1f} MB; serve the folder with any web server")
    return user_path(out)


def _write(data: AtlasView, folder: Path, callback: Callable[[Progress], None], *, has_decoder: bool) -> int:
    """Write what is not in a folder yet, and return the number of files that were."""
    sheets, tables = SpriteSheets(data), SiteTables(data)
    decoder = SiteDecoder(data) if has_decoder else None
    described = facts_with_edits(data, facts_of(data, sheets))
    facts = as_json_bytes(site_facts(data, described, tables.boxes(), decoder.facts if decoder else None))
    n_kept = begin_in(folder, hashlib.sha256(__version__.encode() + facts).hexdigest())
    below = folder / DATA
    n_sheets = sheets.layout.n_sheets if data.run.has_pictures else 0
    total = tables.n_files + n_sheets + (decoder.n_files if decoder else 0)
    files = chain(
        tables.write(below),
        tables.write_sheets(sheets, below / "sheets", n_sheets),
        decoder.write(below) if decoder else (),
    )
    for done, _ in enumerate(files, 1):
        callback(Progress(done, total))
    copytree(STATIC / "assets", folder / "assets", dirs_exist_ok=True)
    write_bytes(below / "site.json", facts)
    write_text(folder / "index.html", _page())
    return n_kept


def _page() -> str:
    """The page of the explorer with an element that names its data."""
    index = (STATIC / "index.html").read_text(encoding="utf-8")
    first = "".join(f'<link rel="preload" as="fetch" crossorigin="anonymous" href="./{name}">' for name in FIRST_FILES)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head = f'{policy}<meta name="latentmap-site" content="{DATA}">'
    index = re.sub(r"(<head[^>]*>)", rf"\1{head}{first}", index, count=1)
    return re.sub(r"(<body[^>]*>)", rf"\1<p>{NOTE}</p>", index, count=1)
