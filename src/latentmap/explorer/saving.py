"""The map as one HTML file that opens from disk: the page's own code, the points, the pictures, all inside."""

import base64
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

from latentmap.explorer.data import Explored
from latentmap.explorer.pages import Pages
from latentmap.run import RunError

MOST_IMAGES = 70_000
QUALITY = 80  # of the pictures inside, as WebP
MOST_COLUMN_BYTES = 2**24  # text columns larger than this are left out, but for the paths


def as_one_file(data: Explored, pages: Pages, facts: dict[str, Any], static: Path) -> bytes:
    """The page with all that it shows.

    Raises
    ------
    RunError
        If the run has more images than a page of a sensible size can hold.
    """
    if data.n > MOST_IMAGES:
        raise RunError(
            f"{data.n:,} images are too many for one file: at most {MOST_IMAGES:,}; share the folder of the run instead"
        )
    streams = {"points": data.points(), "edits": data.edited_columns(data.journal.edited())}
    columns = {name: data.column(name) for name in data.names}
    kept = {name: stream for name, stream in columns.items() if name == "path" or len(stream) <= MOST_COLUMN_BYTES}
    embedded = {
        "run": facts | {"columns": [column for column in facts["columns"] if column["name"] in kept]},
        "streams": {name: _base64(stream) for name, stream in streams.items()},
        "columns": {name: _base64(stream) for name, stream in kept.items()},
        "pages": [_base64(_webp(pages, page)) for page in range(pages.layout.n_pages)],
    }
    # "</script>" must not end the element early
    text = json.dumps(embedded, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return _page(static, text).encode("utf-8", "replace")


def _page(static: Path, data: str) -> str:
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
    end = f'<script type="application/json" id="embedded">{data}</script><script type="module">{script}</script>'
    return body.replace("</head>", head + "</head>").replace("</body>", end + "</body>")


def _webp(pages: Pages, page: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pages.pixels(page)).save(file, "WEBP", quality=QUALITY, method=2)
    return file.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
