"""The issues that the audit found, one kind at a time, and what was decided on them."""

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from starlette.exceptions import HTTPException
from starlette.requests import Request

from latentmap.explorer.answers import check_version
from latentmap.explorer.routing import Routes
from latentmap.run.audit_run import verdicts_of
from latentmap.run.layout import ISSUES

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

MAX_ISSUES = 100_000  # that are sent, the worst first

routes = Routes()


@routes.get("/api/issues/{issue}", "search")
def issues(server: "Server", request: Request) -> dict[str, Any]:
    """Issues of one kind, the worst first: ids, scores, related ids (or null), notes (or null) and verdicts."""
    data = server.data
    check_version(request, data.version)
    if not (data.path / ISSUES).exists():
        raise HTTPException(404, "the run was not audited: give `latentmap audit` with its folder")
    kind = request.path_params["issue"]
    table = data.run.issues()
    found = table.filter(pc.equal(table["issue"], kind)).slice(0, MAX_ISSUES)
    if not len(found):
        known = ", ".join(table["issue"].unique().to_pylist()) or "none"
        raise HTTPException(404, f"there is no issue of this kind: choose among {known}")
    data.journal.refresh()
    return {
        "ids": found["id"].to_pylist(),
        "scores": found["score"].to_pylist(),
        "related": found["related"].to_pylist(),
        "notes": found["note"].to_pylist(),
        "verdicts": verdicts_of(found, data.journal.edited()).to_pylist(),
    }
