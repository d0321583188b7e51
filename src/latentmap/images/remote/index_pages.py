"""Files of a web server by its index pages, which are read without leaving a folder."""

import html
import io
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, urljoin

from latentmap.core.addresses import SAFE_CHARACTERS, public_address
from latentmap.core.errors import SourceError
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.filesystems import RemoteFile

TAG = re.compile(r"<a\s([^<>]*)>", re.IGNORECASE)
LINK = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))""", re.IGNORECASE)
MAX_PAGE_BYTES = 2**26
# Index pages may lead anywhere, and be made up by a program.
MAX_FOLDERS, MAX_DEPTH, MAX_LINKS = 100_000, 32, 5_000_000


def files_of_web_folder(top: str, downloads: Downloads, max_depth: int = MAX_DEPTH) -> Iterator[str]:
    """Find the files below a folder of a web server by its index pages.

    Hidden folders, links out of the folder, and links with a query are not followed.

    Parameters
    ----------
    top : str
        Address of the folder, which ends with a slash.
    downloads : Downloads
    max_depth : int, default=32
        Levels of folders below the first.

    Yields
    ------
    str
        Address of a file.

    Raises
    ------
    TransferError
        If a page cannot be read.
    SourceError
        If there are too many folders or links.
    """
    waiting, seen, n_folders = [(top, 0)], {top}, 0
    while waiting:
        folder, depth = waiting.pop()
        n_folders += 1
        if n_folders > MAX_FOLDERS or len(seen) > MAX_LINKS:
            raise SourceError(
                f"{public_address(top)}: more than {MAX_FOLDERS:,} folders or {MAX_LINKS:,} files: pass a table of the "
                "addresses"
            )
        for address in _links(folder, downloads):
            below = unquote(address.removeprefix(folder)).split("/")
            if address in seen or ".." in below or below[0].startswith("."):
                continue
            seen.add(address)
            if not address.endswith("/"):
                yield address
            elif depth < max_depth:
                waiting.append((address, depth + 1))


def _links(folder: str, downloads: Downloads) -> Iterator[str]:
    """Addresses of the files and folders below a folder that its index page links to."""
    page = io.BytesIO()
    downloads.read(RemoteFile(folder), page, MAX_PAGE_BYTES)
    for tag in TAG.finditer(page.getvalue().decode(errors="replace")):
        found = LINK.search(tag[1])
        if found is None:
            continue
        target = quote(html.unescape(found[1] or found[2] or found[3] or ""), safe=SAFE_CHARACTERS)
        try:
            address = urljoin(folder, target)
        except ValueError:  # no address
            continue
        if address.startswith(folder) and address != folder and not re.search("[?#]", address[len(folder) :]):
            yield address
