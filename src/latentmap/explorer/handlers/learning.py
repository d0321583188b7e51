"""The lessons: the training, K-means step by step, maps of several perplexities, ReLU and ELU."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from latentmap.core.errors import DamagedError
from latentmap.explorer import lessons
from latentmap.explorer.answers import ARROW, PNG, BadRequest, answer, check_version, whole_number
from latentmap.explorer.routing import Routes

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

MAX_CLUSTERS = 50
MAX_PERPLEXITY = 1000

routes = Routes()


@routes.get("/api/learn/training")
def training(server: "Server", _: Request) -> dict[str, Any]:
    """The loss of each epoch."""
    if not server.data.run.has_decoder:
        raise HTTPException(404, "this run has no network that was trained")
    path = server.data.path / "model" / "config.json"
    try:
        config = json.loads(path.read_bytes(), parse_constant=lambda _: None)
        return {"history": config["history"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{path}: cannot be read ({error})") from error


@routes.get("/api/learn/kmeans", "slow")
def kmeans(server: "Server", request: Request) -> dict[str, Any]:
    """Centres and inertia of each step of K-means."""
    return _requested_kmeans(server, request).as_dict()


@routes.get("/api/learn/kmeans/{part}", "slow")
def kmeans_part(server: "Server", request: Request) -> Response:
    """Labels of the points at each step of K-means, or the points."""
    steps, part = _requested_kmeans(server, request), request.path_params["part"]
    if part not in ("labels", "points"):
        raise HTTPException(404, "choose labels or points")
    return Response(steps.labels_stream() if part == "labels" else steps.points_stream(), media_type=ARROW)


def _requested_kmeans(server: "Server", request: Request) -> lessons.KMeansSteps:
    k, seed = whole_number(request, "k", 1, MAX_CLUSTERS, 10), whole_number(request, "seed", 0, 2**31 - 1, 0)
    where = request.query_params.get("on", "map")
    if where not in ("map", "blobs"):
        raise BadRequest("on: choose map or blobs")
    return server.kmeans(where, k, seed)


@routes.get("/api/learn/sweep")
def sweep(server: "Server", _: Request) -> dict[str, Any]:
    """The perplexities that have a map."""
    data = server.data
    found = {"possible": lessons.possible_perplexities(data), "ready": lessons.ready_perplexities(data)}
    return found | server.jobs.state("sweep")


@routes.get("/api/learn/sweep/{perplexity}")
def sweep_map(server: "Server", request: Request) -> Response:
    """The map of one perplexity."""
    perplexity, data = whole_number(request, "perplexity", 1, MAX_PERPLEXITY), server.data
    check_version(request, data.version)
    try:
        read = partial(lessons.read_sweep_map, data, perplexity)
        return answer(request, read, ARROW, data.version, f"sweep{perplexity}")
    except KeyError as error:
        raise HTTPException(404, "this map is not made yet") from error


@routes.get("/api/learn/activations")
def activation_losses(server: "Server", _: Request) -> dict[str, Any]:
    """The losses with ReLU and with ELU, None until they are compared."""
    path = lessons.activations_folder(server.data) / "losses.json"
    losses = json.loads(path.read_bytes()) if path.exists() else None
    return {"losses": losses} | server.jobs.state("activations")


@routes.get("/api/learn/activations/{name}")
def activation_strip(server: "Server", request: Request) -> Response:
    """A strip of images: originals, or reconstructions with ReLU or ELU."""
    name, data = request.path_params["name"], server.data
    check_version(request, data.version)
    path = lessons.activations_folder(data) / f"{name}.png"
    if name not in ("original", "relu", "elu") or not path.exists():
        raise HTTPException(404, "this picture is not made yet")
    return answer(request, path.read_bytes, PNG, data.version, f"activations{name}")


@routes.post("/api/learn/{job}")
def start_job(server: "Server", request: Request) -> dict[str, Any]:
    """Start a job in a process of its own: the sweep, or the comparison of activations."""
    name = request.path_params["job"]
    if name not in lessons.JOBS:
        raise HTTPException(404, f"choose among {', '.join(lessons.JOBS)}")
    server.jobs.start(name)
    server.events.look()
    return server.jobs.state(name)


@routes.post("/api/learn/{job}/cancel")
def cancel_job(server: "Server", request: Request) -> dict[str, Any]:
    """End a job; the maps that it has completed are kept."""
    name = request.path_params["job"]
    if name not in lessons.JOBS:
        raise HTTPException(404, f"choose among {', '.join(lessons.JOBS)}")
    server.jobs.cancel(name)
    server.events.look()
    return server.jobs.state(name)
