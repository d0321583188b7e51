"""The issues that the audit found, one kind at a time."""

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from latentmap.explorer.answers import check_version
from latentmap.explorer.routing import Routes

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

routes = Routes()


@routes.get("/api/issues")
def accepted_issues(server: "Server", request: Request) -> dict[str, Any]:
    """The ids of the images with an accepted issue of any kind."""
    data = server.data
    check_version(request, data.version)
    data.journal.refresh()
    return {"accepted": data.issues.accepted(data.journal.edited())}


@routes.get("/api/issues/{issue}")
def issues(server: "Server", request: Request) -> dict[str, Any]:
    """The open issues of one kind, the worst first, and the ids of the images whose issue was accepted."""
    data, kind = server.data, request.path_params["issue"]
    check_version(request, data.version)
    if kind not in data.issues.kinds:
        known = ", ".join(data.issues.kinds) or "none"
        raise HTTPException(404, f"the audit found no such issues: choose among {known}")
    data.journal.refresh()
    return data.issues.queue(kind, data.journal.edited())
