"""Edits of groups, labels and marks, the spreading of labels, and the selection."""

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from latentmap.core.errors import ConflictError
from latentmap.explorer.answers import ARROW, BadRequest, answer, check_version, image_ids, read_json_body, whole_number
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.label_spread import spread_given_labels
from latentmap.explorer.routing import Routes
from latentmap.explorer.run_facts import edits_as_json
from latentmap.run.edits import EditedRun, checked_user

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

routes = Routes()


@routes.get("/api/edits")
def edits(server: "Server", request: Request) -> dict[str, Any]:
    """Groups, labels and marks as they are now, and the last edits; what can be undone is that of the given user."""
    user = _user(request.query_params.get("user"))
    data = server.refresh().data
    data.journal.refresh()
    return _with_history(data, data.journal.edited(user), user)


@routes.post("/api/edits")
async def edit(server: "Server", request: Request) -> Response:
    """Change something; 409, and the edit that is in the way, if it was changed since the revision that is named."""
    asked = await read_json_body(request)
    change, revision, user = asked.get("edit"), asked.get("revision"), _user(asked.get("user"))
    if not isinstance(change, dict) or not isinstance(revision, int) or isinstance(revision, bool):
        raise BadRequest("send {edit, revision}")
    data = server.data
    try:
        edited = await run_in_threadpool(data.journal.add, change, revision, user)
        found = await run_in_threadpool(_with_history, data, edited, user)
    except ConflictError as error:
        return JSONResponse({"error": str(error), "by": error.by}, 409)
    finally:
        server.events.look()
    return JSONResponse(found)


def _user(given: Any) -> str | None:
    """The name that the page gives; None for that of the explorer."""
    return None if given is None else checked_user(given)


def _with_history(data: AtlasView, edited: EditedRun, user: str | None) -> dict[str, Any]:
    journal = data.journal
    found = {"version": data.version, "user": user or journal.user, "history": journal.history()}
    return edits_as_json(data, edited) | found


@routes.get("/api/edits/columns")
def edited_columns(server: "Server", request: Request) -> Response:
    """group, label and marks of each image, in the order of the points."""
    data = server.data
    check_version(request, data.version)
    edited = data.journal.edited()
    # never kept for ever: the same address gives other values after the next edit
    tag = f"edits{edited.revision}"
    return answer(request, partial(data.edited_columns, edited), ARROW, data.version, tag, may_change=True)


@routes.get("/api/edits/cut", "search")
def cut_preview(server: "Server", request: Request) -> Response:
    """The group of each image if the tree were cut into n groups, in the order of the points."""
    data = server.data
    check_version(request, data.version)
    n = whole_number(request, "n", 1, max(1, data.journal.n_blocks))

    def stream() -> bytes:
        return data.in_point_order({"group": data.journal.preview_cut(n)})

    return answer(request, stream, ARROW, data.version, f"cut{n}")


@routes.post("/api/spread", "slow")
def spread(server: "Server", _: Request) -> dict[str, Any]:
    """Spread the given labels over the graph to all images; writes labels.parquet of the run."""
    return spread_given_labels(server.data)


@routes.post("/api/selection")
async def select(server: "Server", request: Request) -> dict[str, Any]:
    """Tell Python which images are selected in the page."""
    ids = (await read_json_body(request)).get("ids")
    server.selection = await run_in_threadpool(image_ids, ids, server.data.n, may_be_empty=True)
    return {"n": len(server.selection)}
