"""Pictures that the decoder draws: at a place of the map, between two images, along a path."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from latentmap.autoencoder.generation import interpolate
from latentmap.explorer.answers import PNG, BadRequest, is_real, read_json_body, real_number, whole_number
from latentmap.explorer.channel_mixing import current_mixing
from latentmap.explorer.picture_files import animation, strip
from latentmap.explorer.routing import Routes
from latentmap.images.collection import as_png
from latentmap.images.mixing import as_picture

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

MAX_PLACES = 200  # that one request decodes
MAX_INTERPOLATION_STEPS = 64

routes = Routes()


@routes.get("/api/decode")
def decode_place(server: "Server", request: Request) -> Response:
    """The image that the decoder draws at a place of the map."""
    place = np.array([[real_number(request, "x"), real_number(request, "y")]])
    (drawn,) = _pictures(server, server.data.decode(place))
    return Response(as_png(drawn), media_type=PNG)


@routes.get("/api/interpolation")
def interpolation(server: "Server", request: Request) -> Response:
    """The straight line in latent space from one image to another, drawn in steps."""
    data = server.data
    a, b = (whole_number(request, name, 0, data.n - 1) for name in "ab")
    steps = whole_number(request, "steps", 2, MAX_INTERPOLATION_STEPS, 8)
    form = request.query_params.get("format", "png")
    drawn = data.draw(interpolate(data.latents[a], data.latents[b], steps))
    return _sequence(_pictures(server, drawn), form)


@routes.post("/api/strip")
async def strip_along_path(server: "Server", request: Request) -> Response:
    """Places along a path, drawn as a strip or an animation."""
    asked = await read_json_body(request)
    places, form = _parse_places(asked.get("places")), asked.get("format", "png")
    return await run_in_threadpool(lambda: _sequence(_pictures(server, server.data.decode(places)), form))


def _pictures(server: "Server", images: NDArray[Any]) -> NDArray[np.uint8]:
    """Images as they are shown, with their channels mixed as on the page."""
    return as_picture(images, current_mixing(server.data))


def _sequence(images: NDArray[np.uint8], form: Any) -> Response:
    """Images side by side as a PNG file, or one after the other as a GIF file."""
    if form == "gif":
        return Response(animation(images), media_type="image/gif")
    if form != "png":
        raise BadRequest("format: choose png or gif")
    return Response(strip(images), media_type=PNG)


def _parse_places(places: Any) -> NDArray[np.float64]:
    is_list = isinstance(places, list) and 1 <= len(places) <= MAX_PLACES
    if not is_list or not all(isinstance(one, list) and len(one) == 2 and all(map(is_real, one)) for one in places):
        raise BadRequest(f"places: pass 1 to {MAX_PLACES} pairs of numbers")
    return np.array(places, float)
