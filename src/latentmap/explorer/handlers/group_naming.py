"""Words that are proposed as the name of a group."""

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from latentmap.explorer.answers import whole_number
from latentmap.explorer.group_words import group_words
from latentmap.explorer.routing import Routes

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

MAX_GROUP_NUMBER = 2**31 - 1

routes = Routes()


@routes.get("/api/groups/{group}/words", "search")
def words(server: "Server", request: Request) -> dict[str, Any]:
    """Words that set a group apart, the most telling first."""
    number, data = whole_number(request, "group", 0, MAX_GROUP_NUMBER), server.data
    data.journal.refresh()
    edited = data.journal.edited()
    if number not in {one.number for one in edited.groups}:
        raise HTTPException(404, f"there is no group {number}: it was split, merged or cut since")
    found = group_words(data, edited, number)
    return {
        "words": [
            {"text": one.text, "column": one.column, "coverage": round(one.coverage, 4), "lift": round(one.lift, 3)}
            for one in found
        ]
    }
