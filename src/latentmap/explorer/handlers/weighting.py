"""Maps and groups by other weights of the kinds of features."""

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from latentmap.explorer.answers import ARROW, BadRequest, answer, check_version
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.reweighted_map import read_reweighted_map, reweighted_map_path
from latentmap.explorer.routing import Routes
from latentmap.explorer.weight_requests import HOW, format_weights, requested_weights

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

JOB = "reweighted-map"

routes = Routes()


@routes.get("/api/reweighted")
def reweighted_state(server: "Server", request: Request) -> dict[str, Any]:
    """Whether the map by some weights is ready, and the state of the job that makes it."""
    return _state(server, _weights(request, server.data))


@routes.get("/api/reweighted/map")
def reweighted_map(server: "Server", request: Request) -> Response:
    """The map by some weights, and its groups."""
    data = server.data
    check_version(request, data.version)
    weights = _weights(request, data)
    try:
        read = partial(read_reweighted_map, data, weights)
        return answer(request, read, ARROW, data.version, reweighted_map_path(data, weights).parent.name)
    except KeyError as error:
        raise HTTPException(404, "this map is not made yet") from error


@routes.post("/api/reweighted")
def make_reweighted(server: "Server", request: Request) -> dict[str, Any]:
    """Start the job that makes the map by some weights, unless it is ready; one at a time."""
    weights = _weights(request, server.data)
    if not reweighted_map_path(server.data, weights).exists() and not server.jobs.start(JOB, weights):
        raise HTTPException(409, "a map with other weights is being made: wait for it")
    return _state(server, weights)


@routes.post("/api/reweighted/cancel")
def cancel_reweighted(server: "Server", request: Request) -> dict[str, Any]:
    """End the job that makes the map by some weights."""
    weights = _weights(request, server.data)
    server.jobs.cancel(JOB, weights)
    return _state(server, weights)


def _state(server: "Server", weights: str) -> dict[str, Any]:
    job = server.jobs.state(JOB, weights)
    # after the state of the job: a file that is there by now is not missed
    return job | {"ready": reweighted_map_path(server.data, weights).exists()}


def _weights(request: Request, data: AtlasView) -> str:
    """The weights of a request as text, the same for all requests of the same map."""
    weights = requested_weights(request, data)
    if weights is None:
        raise BadRequest(f"weights: none given: {HOW}")
    return format_weights(weights)
