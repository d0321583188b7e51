"""The explorer's ASGI application: routes, middleware and the answers to errors."""

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from latentmap.core.errors import ChangedError, DamagedError, LatentmapError, ModelFileError
from latentmap.explorer.access import ROLE_KEY, Access, Role
from latentmap.explorer.forwarding import Forwarding, Network
from latentmap.explorer.guard import Guard
from latentmap.explorer.handlers import READING_POSTS, ROUTES

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

PLACES = frozenset(route.path.split("/")[1] for route in ROUTES if isinstance(route, Route | Mount))


def make_app(
    server: "Server",
    hosts: list[str],
    *,
    access: Access | None = None,
    framed: bool = False,
    takes_addresses: bool = False,
    base_path: str = "",
    proxies: tuple[Network, ...] = (),
) -> Starlette:
    """Make the application of an explorer.

    Parameters
    ----------
    server : Server
        The state that the handlers answer from.
    hosts : list of str
        Accepted Host headers, such as 127.0.0.1:8765; any port is accepted.
    access : Access, optional
        The tokens and what they allow; by default, the token of the server allows everything.
    framed : bool, default=False
        Whether a notebook on this machine may show the page in a frame.
    takes_addresses : bool, default=False
        Whether any IP address is accepted as a Host header.
    base_path : str, default=""
        Prefix of all addresses, such as ``/maps/scans``; requests without it are answered as well.
    proxies : tuple of networks, default=()
        Proxies whose forwarded headers are trusted.

    Returns
    -------
    Starlette
    """
    access = access or Access(server.token)
    guard = Middleware(
        Guard,
        hosts=hosts,
        access=access,
        places=PLACES,
        reading_posts=READING_POSTS,
        takes_addresses=takes_addresses,
        framed=framed,
    )
    forwarding = Middleware(Forwarding, base_path=base_path, proxies=proxies)
    app = Starlette(routes=ROUTES, middleware=[forwarding, guard], exception_handlers=ERROR_HANDLERS)
    app.router.redirect_slashes = False  # to an absolute address, which a proxy may have changed
    app.state.server, app.state.access = server, access
    return app


def unguarded_app(server: "Server") -> Starlette:
    """Make the application without its guard, for requests that come from this process and from no network."""
    app = Starlette(routes=ROUTES, middleware=[Middleware(_AsWriter)], exception_handlers=ERROR_HANDLERS)
    app.state.server = server
    return app


class _AsWriter:
    """Middleware that lets every request change the run."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, ROLE_KEY: Role.WRITER}, receive, send)


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
