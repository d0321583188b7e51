"""The colours of channels in pictures, kept as a setting of the run."""

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from latentmap.explorer.answers import read_json_body
from latentmap.explorer.channel_mixing import channel_facts, keep_mixing
from latentmap.explorer.routing import Routes

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

routes = Routes()


@routes.get("/api/channels")
def channels(server: "Server", _: Request) -> dict[str, Any]:
    """Name, range, colour, visibility and brightness of each channel."""
    return {"channels": channel_facts(server.data)}


@routes.post("/api/channels")
async def set_channels(server: "Server", request: Request) -> dict[str, Any]:
    """Keep colours, visibility and brightness of the channels."""
    asked = (await read_json_body(request)).get("channels")
    await run_in_threadpool(keep_mixing, server.data, asked)
    return {"channels": await run_in_threadpool(channel_facts, server.data)}
