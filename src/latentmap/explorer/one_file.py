"""The map as one HTML file that opens from disk: the code of the page, the points and the pictures in one file."""

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
from latentmap.explorer.atlas_view import AtlasView, as_stream
from latentmap.explorer.channel_mixing import current_mixing
from latentmap.explorer.picture_files import as_base64
from latentmap.explorer.sprite_sheets import MAX_THUMBNAIL_SIDE, SpriteSheets
from latentmap.images.mixing import Mixing
from latentmap.neighbors import NeighborSearch

MAX_IMAGES = 70_000
WEBP_QUALITY = 80
# Up to this many images have thumbnails of up to this many pixels a side; more have them as large as on the map.
MAX_IMAGES_IN_DETAIL, DETAILED_SIDE = 4_000, 128
MAX_COLUMN_BYTES = 2**24  # larger text columns are left out, except the paths
N_NEIGHBORS = 8  # nearest images that are saved for each image


def check_image_count(data: AtlasView) -> None:
    """Refuse a run that is too large.

    Raises
    ------
    RunError
        If the run has more images than a page of a sensible size can hold.
    """
    if data.n > MAX_IMAGES:
        raise RunError(
            f"{data.n:,} images are too many for one file: at most {MAX_IMAGES:,}; share the folder of the run instead"
        )


def one_file_parts(data: AtlasView, facts: dict[str, Any], static: Path) -> Iterator[bytes]:
    """The page in parts, each as it is made, the pictures last.

    Raises
    ------
    RunError
        If the run has more images than a page of a sensible size can hold.
    """
    check_image_count(data)
    sheets = SpriteSheets(data, DETAILED_SIDE if data.n <= MAX_IMAGES_IN_DETAIL else MAX_THUMBNAIL_SIDE)
    before, after = _page(static)
    mixing = current_mixing(data)
    yield before
    columns = {name: data.column(name) for name in data.columns}
    kept = {name: stream for name, stream in columns.items() if name == "path" or len(stream) <= MAX_COLUMN_BYTES}
    described = [column for column in facts["columns"] if column["name"] in kept]
    yield _json_start({"run": facts | {"columns": described, "pages": sheets.layout.as_dict()}})
    yield _json_next("columns", {name: as_base64(stream) for name, stream in kept.items()})
    streams = {"points": data.points(), "edits": data.edited_columns(data.journal.edited())}
    streams["neighbors"] = _neighbors_stream(data)
    yield _json_next("streams", {name: as_base64(stream) for name, stream in streams.items()})
    yield b',"pages":['
    for sheet in range(sheets.layout.n_sheets):
        yield b"," * (sheet > 0) + b'"' + as_base64(as_webp(sheets, sheet, mixing)).encode() + b'"'
    yield b"]}" + after


def _json_start(members: dict[str, Any]) -> bytes:
    """The beginning of a JSON object, to which more members are added."""
    return as_json_bytes(members)[:-1]


def _json_next(name: str, value: Any) -> bytes:
    return b"," + as_json_bytes(name) + b":" + as_json_bytes(value)


def as_json_bytes(value: Any) -> bytes:
    """A value as JSON, which may stand inside an element of HTML."""
    # "</script>" must not end the element early
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return text.encode("utf-8", "replace")


def _neighbors_stream(data: AtlasView) -> bytes:
    """Nearest images of each and their distances, in the order of the ids: n × N_NEIGHBORS rows."""
    k = min(N_NEIGHBORS, data.n - 1)
    ids, distances = nearest_others(data.vectors, k) if k else (np.empty(0, int), np.empty(0))
    return as_stream({"neighbors": ids.astype(np.int32).ravel(), "distances": distances.astype(np.float32).ravel()})


def nearest_others(latents: NDArray[np.float32], k: int) -> tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]:
    """The ``k`` nearest other rows of each row and their distances, nearest first."""
    indices, distances = NeighborSearch(latents, "euclidean", None).query(latents, k + 1, None)
    own = indices == np.arange(len(latents))[:, None]
    own[~own.any(axis=1), -1] = True  # with more than k copies, the row itself may be missing
    return indices[~own].reshape(-1, k), distances[~own].reshape(-1, k)


def page_code(static: Path) -> tuple[str, str]:
    """The script and the style of the built page."""
    index = (static / "index.html").read_text(encoding="utf-8")
    script, style = (
        "\n".join((static / name.lstrip("./")).read_text(encoding="utf-8") for name in re.findall(pattern, index))
        for pattern in (r'<script[^>]+src="([^"]+)"', r'<link[^>]+rel="stylesheet"[^>]+href="([^"]+)"')
    )
    return script, style


def _page(static: Path) -> tuple[bytes, bytes]:
    """Split the built page at the place of the data: what precedes it and what follows it."""
    index = (static / "index.html").read_text(encoding="utf-8")
    script, style = page_code(static)
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


def as_webp(sheets: SpriteSheets, sheet: int, mixing: Mixing | None) -> bytes:
    """One sprite sheet as a WebP file."""
    file = io.BytesIO()
    Image.fromarray(sheets.pixels(sheet, mixing)).save(file, "WEBP", quality=WEBP_QUALITY, method=2)
    return file.getvalue()
