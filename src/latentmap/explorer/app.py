"""The explorer's ASGI application: routes, middleware and the answers to errors."""

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from latentmap.core.errors import ChangedError, DamagedError, LatentmapError, ModelFileError
from latentmap.explorer.guard import Guard
from latentmap.explorer.handlers import ROUTES

if TYPE_CHECKING:
    from latentmap.explorer.server import Server


def make_app(server: "Server", hosts: list[str], *, framed: bool = False) -> Starlette:
    """Make the application of an explorer.

    Parameters
    ----------
    server : Server
        The state that the handlers answer from.
    hosts : list of str
        Accepted Host headers, such as 127.0.0.1:8765; any port is accepted.
    framed : bool, default=False
        Whether a notebook on this machine may show the page in a frame.

    Returns
    -------
    Starlette
    """
    guard = Middleware(Guard, hosts=hosts, token=server.token, framed=framed)
    app = Starlette(routes=ROUTES, middleware=[guard], exception_handlers=ERROR_HANDLERS)
    app.state.server = server
    return app


def unguarded_app(server: "Server") -> Starlette:
    """Make the application without its guard, for requests that come from this process and from no network."""
    app = Starlette(routes=ROUTES, exception_handlers=ERROR_HANDLERS)
    app.state.server = server
    return app


async def _answer_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=dict(error.headers or {}))


async def _answer_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _answer_changed(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 409)


async def _answer_damaged(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


async def _answer_nobody(*_: Any) -> Response:
    return Response(status_code=400)  # the client is gone


async def _answer_bug(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"the explorer failed ({type(error).__name__}): see its terminal"}, 500)


ERROR_HANDLERS: Any = {
    ChangedError: _answer_changed,
    DamagedError: _answer_damaged,
    ModelFileError: _answer_damaged,
    HTTPException: _answer_http_error,
    LatentmapError: _answer_error,
    ClientDisconnect: _answer_nobody,
    Exception: _answer_bug,
}
