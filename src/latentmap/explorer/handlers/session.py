"""The session of a browser: a cookie in exchange for the token of the printed address."""

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from latentmap.explorer.access import ROLE_KEY
from latentmap.explorer.routing import Routes

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

routes = Routes()


@routes.get("/session")
async def show_role(_: "Server", request: Request) -> dict[str, Any]:
    """The role of the sender of this request: reader or writer."""
    return {"role": request.scope[ROLE_KEY].name.lower()}


@routes.post("/session", changes=False)
async def begin_session(_: "Server", request: Request) -> Response:
    """Set the cookie that stands for the token in the header."""
    access = request.app.state.access
    answer = JSONResponse({"role": request.scope[ROLE_KEY].name.lower()})
    token = access.token_in(request.headers)
    if token is not None:
        # Behind a proxy, only the page's Origin says that the browser speaks TLS. Without a path given, the browser
        # takes that of this address, with the prefix that only it may know.
        is_secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")
        value = access.cookie_value(token)
        answer.set_cookie(access.cookie, value, path=None, httponly=True, samesite="strict", secure=is_secure)
    return answer
