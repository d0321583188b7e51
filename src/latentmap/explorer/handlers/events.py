"""News of the run as server-sent events."""

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from latentmap.explorer.routing import Routes

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

RETRY_SECONDS = "30"
EVENTS = "text/event-stream"

routes = Routes()


@routes.get("/api/events")
async def events(server: "Server", request: Request) -> Response:
    """The version and revision of the run and its jobs, whenever one changes; 503 if there are too many streams."""
    if server.events.is_full:
        raise HTTPException(
            503, "too many pages are told of changes: ask again for edits", headers={"Retry-After": RETRY_SECONDS}
        )
    if request.method == "HEAD":
        return Response(media_type=EVENTS)
    # nginx would keep the events back
    return StreamingResponse(server.events.stream(), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})
