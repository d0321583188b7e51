"""The page itself: its HTML, scripts and styles, and the whole map saved as one file."""

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from latentmap.explorer.answers import FOREVER
from latentmap.explorer.one_file import check_image_count, one_file_parts
from latentmap.explorer.routing import Routes
from latentmap.explorer.run_facts import facts_with_edits

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

routes = Routes()


class Assets(StaticFiles):
    """Scripts and styles of the page; their names change with their content."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """A file that the browser may keep for ever."""
        found = super().file_response(*arguments, **options)
        found.headers["Cache-Control"] = FOREVER
        return found


STATIC = Path(__file__).parents[1] / "static"
assets = Mount("/assets", Assets(directory=STATIC / "assets", check_dir=False))
page = StaticFiles(directory=STATIC, check_dir=False)


@routes.get("/")
async def index(_: "Server", request: Request) -> Response:
    """The HTML of the page."""
    found = await page.get_response("index.html", request.scope)
    found.headers["Cache-Control"] = "no-cache"
    return found


@routes.get("/page.html")
def one_file(server: "Server", _: Request) -> Response:
    """The whole map as one HTML file that needs no server, sent while it is made; one at a time."""
    opened = server.opened
    check_image_count(opened.data)
    if not server.saving.acquire(blocking=False):
        return JSONResponse(
            {"error": "this page is already being made: wait until it is ready"}, 503, {"Retry-After": "10"}
        )
    try:
        parts = one_file_parts(opened.data, facts_with_edits(opened.data, opened.facts), STATIC)
        first = next(parts)
    except BaseException:
        server.saving.release()
        raise
    name = "".join(c if c.isalnum() and c.isascii() else "-" for c in opened.data.path.resolve().name) or "map"
    headers = {"Content-Disposition": f'attachment; filename="{name}.html"'}
    return StreamedParts(chain([first], parts), server.saving.release, media_type="text/html", headers=headers)


class StreamedParts(StreamingResponse):
    """Parts that are sent as they are made; ``end`` is called when all are sent, or sending fails."""

    def __init__(self, parts: Iterable[bytes], end: Callable[[], None], **options: Any) -> None:
        super().__init__(parts, **options)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()
