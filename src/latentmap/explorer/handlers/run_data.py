"""The run: its facts, points and columns."""

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from latentmap.explorer.access import ROLE_KEY, Role
from latentmap.explorer.answers import ARROW, answer, check_version
from latentmap.explorer.routing import Routes
from latentmap.explorer.run_facts import facts_with_edits

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

routes = Routes()


@routes.get("/api/run")
def describe(server: "Server", request: Request) -> dict[str, Any]:
    """The facts that the page needs before it asks for more."""
    opened, compared = server.refresh(), server.compared
    facts = facts_with_edits(opened.data, opened.facts) | {"canEdit": request.scope[ROLE_KEY] >= Role.WRITER}
    if compared is not None and compared.fits(opened.data):
        facts["compared"] = compared.facts(opened.data)
    return facts


@routes.get("/api/points")
def points(server: "Server", request: Request) -> Response:
    """id, x and y of all points."""
    data = server.data
    check_version(request, data.version)
    return answer(request, data.points, ARROW, data.version, "points")


@routes.get("/api/columns/{name:path}")
def column(server: "Server", request: Request) -> Response:
    """One column of the atlas."""
    name, data = request.path_params["name"], server.data
    check_version(request, data.version)
    if name not in data.columns:
        raise HTTPException(404, f"there is no such column: choose among {', '.join(data.columns)}")
    tag = hashlib.sha256(name.encode()).hexdigest()[:16]
    return answer(request, partial(data.column, name), ARROW, data.version, tag)


@routes.get("/api/compared/{key}")
def compared_map(server: "Server", request: Request) -> Response:
    """Places of the points on the map of the other run, their groups in it, and which of them changed their group."""
    data, compared = server.data, server.compared
    check_version(request, data.version)
    # the key is in the address, since the answer may be kept for ever
    if compared is None or compared.key != request.path_params["key"] or not compared.fits(data):
        raise HTTPException(404, "this run is not compared with that one: load the page again")
    return answer(request, partial(compared.stream, data), ARROW, data.version, f"compared-{compared.key}")
