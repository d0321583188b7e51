"""Images that are found: by their neighbourhood, by a picture that is sent, by a text."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from latentmap.explorer.answers import ARROW, MAX_BODY_BYTES, BadRequest, answer, check_version, whole_number
from latentmap.explorer.channel_mixing import current_mixing
from latentmap.explorer.picture_files import as_base64
from latentmap.explorer.routing import Routes
from latentmap.explorer.weight_requests import format_weights, requested_weights
from latentmap.images.collection import as_png
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.mixing import as_picture

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

N_SIMILAR = 12  # images similar to one that is sent
MAX_NEIGHBORS = 100
MAX_FOUND = 10_000  # images that a search returns
MAX_PATHS = 50  # images of a search whose paths are returned as well
MAX_QUERY_LENGTH = 1000

routes = Routes()


@routes.get("/api/images/{image}/neighbors", "search")
def neighbors(server: "Server", request: Request) -> dict[str, Any]:
    """The images nearest to one image, by other weights of the kinds of features if the request has them."""
    data = server.data
    number = whole_number(request, "image", 0, data.n - 1)
    n, weights = whole_number(request, "n", 1, MAX_NEIGHBORS, 8), requested_weights(request, data)
    return {"neighbors": data.neighbors(number, n, weights)}


@routes.get("/api/images/{image}/distances", "search")
def distances(server: "Server", request: Request) -> Response:
    """Distances of all images to one, in the order of the points, by other weights if the request has them."""
    data = server.data
    check_version(request, data.version)
    number, weights = whole_number(request, "image", 0, data.n - 1), requested_weights(request, data)

    def stream() -> bytes:
        return data.in_point_order({"distance": data.distances(number, weights)})

    tag = f"distances{number}" + ("" if weights is None else format_weights(weights))
    return answer(request, stream, ARROW, data.version, tag)


@routes.get("/api/search", "search")
def search(server: "Server", request: Request) -> dict[str, Any]:
    """Images by a part of their path or label."""
    text = request.query_params.get("q", "")
    if not text.strip():
        raise BadRequest("q: pass a part of a file name or of a label")
    data = server.data
    found = data.search(text[:MAX_QUERY_LENGTH])
    first = [{"id": image, "path": data.path_of(image)} for image in found[:MAX_PATHS]]
    return {"count": len(found), "ids": found[:MAX_FOUND], "more": len(found) > MAX_FOUND, "first": first}


@routes.post("/api/similar", changes=False)
async def similar_images(server: "Server", request: Request) -> dict[str, Any]:
    """Images similar to one that is sent, by other weights if the request has them, and its place on the map."""
    weights = await run_in_threadpool(requested_weights, request, server.data)
    async with server.bodies.body(request, MAX_BODY_BYTES) as body:
        return await server.lanes["slow"].run(request, partial(_similar, server, body, weights))


def _similar(server: "Server", body: bytes, weights: dict[str, float] | None) -> dict[str, Any]:
    data = server.data
    images, shape = iter([EncodedImage(body)]), data.run.shape_for_more()
    (decoded,) = server.decoders.map("decode", images, shape, data.run.reading())
    if isinstance(decoded, Failure):
        raise BadRequest(f"this cannot be decoded ({decoded.reason}): send an image file")
    pixels = data.run.fitted(decoded.pixels)
    picture = as_picture(pixels, current_mixing(data))
    found = data.nearest(_vector_of(server, body, pixels), N_SIMILAR, weights)
    nearest = found[0]["id"]
    x, y = data.xy[data.place[nearest]].tolist()  # a mean of several places could be empty
    return {"neighbors": found, "at": nearest, "x": x, "y": y, "png": as_base64(as_png(picture))}


def _vector_of(server: "Server", body: bytes, pixels: NDArray[Any]) -> NDArray[np.float32]:
    """The vector of an image that is sent, which an encoder sees at the size of its own input."""
    data = server.data
    if not data.run.has_frozen_encoder:
        vector: NDArray[np.float32] = data.vectors_of(pixels[None])[0]
        return vector
    shape = data.encoder.input_shape(data.run.shape())
    (decoded,) = server.decoders.map("decode", iter([EncodedImage(body)]), shape, data.run.reading())
    if isinstance(decoded, Failure):
        raise BadRequest(f"this cannot be decoded ({decoded.reason}): send an image file")
    found: NDArray[np.float32] = data.run.as_points(data.encoder.encode(decoded.pixels[None]))[0]
    return found
