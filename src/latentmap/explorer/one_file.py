"""The map as one HTML file that opens from disk: the page's own code, the points, the pictures, all inside."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentmap.core.errors import RunError
from latentmap.explorer.atlas_view import Explored, as_base64, as_stream
from latentmap.explorer.sprite_sheets import LARGEST, Pages
from latentmap.neighbors import NeighborSearch

MOST_IMAGES = 70_000
QUALITY = 80  # of the pictures inside, as WebP
# Of so many images pictures up to LARGER pixels a side are inside; of more, as large as on the map.
FEW_IMAGES, LARGER = 4_000, 128
MOST_COLUMN_BYTES = 2**24  # text columns larger than this are left out, but for the paths
N_NEIGHBORS = 8  # nearest images of each that are inside


def check_size(data: Explored) -> None:
    """Refuse a run that is too large.

    Raises
    ------
    RunError
        If the run has more images than a page of a sensible size can hold.
    """
    if data.n > MOST_IMAGES:
        raise RunError(
            f"{data.n:,} images are too many for one file: at most {MOST_IMAGES:,}; share the folder of the run instead"
        )


def as_one_file(data: Explored, facts: dict[str, Any], static: Path) -> bytes:
    """The page with all that it shows.

    Raises
    ------
    RunError
        If the run has more images than a page of a sensible size can hold.
    """
    return b"".join(one_file_parts(data, facts, static))


def one_file_parts(data: Explored, facts: dict[str, Any], static: Path) -> Iterator[bytes]:
    """The page in parts, the pictures last, each as it is made.

    Raises
    ------
    RunError
        If the run has more images than a page of a sensible size can hold.
    """
    check_size(data)
    pages = Pages(data, LARGER if data.n <= FEW_IMAGES else LARGEST)
    before, after = _page(static)
    yield before
    columns = {name: data.column(name) for name in data.columns}
    kept = {name: stream for name, stream in columns.items() if name == "path" or len(stream) <= MOST_COLUMN_BYTES}
    described = [column for column in facts["columns"] if column["name"] in kept]
    yield _json_start({"run": facts | {"columns": described, "pages": pages.layout.as_dict()}})
    yield _json_next("columns", {name: as_base64(stream) for name, stream in kept.items()})
    streams = {"points": data.points(), "edits": data.edited_columns(data.journal.edited())}
    streams["neighbors"] = _neighbors(data)
    yield _json_next("streams", {name: as_base64(stream) for name, stream in streams.items()})
    yield b',"pages":['
    for page in range(pages.layout.n_pages):
        yield b"," * (page > 0) + b'"' + as_base64(_webp(pages, page)).encode() + b'"'
    yield b"]}" + after


def _json_start(members: dict[str, Any]) -> bytes:
    """The beginning of an object, to which others are added."""
    return _json(members)[:-1]


def _json_next(name: str, value: Any) -> bytes:
    return b"," + _json(name) + b":" + _json(value)


def _json(value: Any) -> bytes:
    # "</script>" must not end the element early
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return text.encode("utf-8", "replace")


def _neighbors(data: Explored) -> bytes:
    """Nearest images of each in latent space and their distances, in the order of the ids: n × N_NEIGHBORS rows."""
    k = min(N_NEIGHBORS, data.n - 1)
    ids, distances = nearest_others(data.latents, k) if k else (np.empty(0, int), np.empty(0))
    return as_stream({"neighbors": ids.astype(np.int32).ravel(), "distances": distances.astype(np.float32).ravel()})


def nearest_others(latents: NDArray[np.float32], k: int) -> tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]:
    """The ``k`` nearest other rows of each row and their distances, nearest first."""
    indices, distances = NeighborSearch(latents, "euclidean", None).query(latents, k + 1, None)
    own = indices == np.arange(len(latents))[:, None]
    own[~own.any(axis=1), -1] = True  # of more copies than there is room for it may not be among them
    return indices[~own].reshape(-1, k), distances[~own].reshape(-1, k)


def _page(static: Path) -> tuple[bytes, bytes]:
    """Split the built page at the place of the data: what precedes it and what follows it."""
    index = (static / "index.html").read_text(encoding="utf-8")
    script, style = (
        "\n".join((static / name.lstrip("./")).read_text(encoding="utf-8") for name in re.findall(pattern, index))
        for pattern in (r'<script[^>]+src="([^"]+)"', r'<link[^>]+rel="stylesheet"[^>]+href="([^"]+)"')
    )
    script = script.replace("</script", "<\\/script")
    hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, style)]
    policy = (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; img-src data: blob:; "
        "connect-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    body = re.sub(r"<script[^>]+src=[^>]*></script>|<link[^>]+stylesheet[^>]*>", "", index)
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{style}</style>'
    before, after = body.replace("</head>", head + "</head>").split("</body>")
    before += '<script type="application/json" id="embedded">'
    after = f'</script><script type="module">{script}</script></body>{after}'
    return before.encode(), after.encode()


def _webp(pages: Pages, page: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pages.pixels(page)).save(file, "WEBP", quality=QUALITY, method=2)
    return file.getvalue()
