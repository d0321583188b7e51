"""Routes that are declared beside their handlers."""

from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from latentmap.explorer.server import Server


Handler = Callable[["Server", Request], Any]


class Routes(list[Route]):
    """The routes of one subject.

    A handler takes the server and the request, and returns a response, or a dict that is sent as JSON. One that is no
    coroutine runs in a thread, so that it does not block the others: in one of a lane if it is expensive.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reading_posts: set[str] = set()

    def get(self, path: str, lane: str | None = None) -> Callable[[Handler], Handler]:
        """Decorator that makes a function the handler of GET requests for a path, in a lane of the server if given."""
        return self._decorator(path, "GET", lane)

    def post(self, path: str, lane: str | None = None, *, changes: bool = True) -> Callable[[Handler], Handler]:
        """Decorator that makes a function the handler of POST requests for a path, in a lane of the server if given.

        ``changes`` is false for a question that has a body and changes nothing; readers may ask it. Its path has no
        parameters.
        """
        if not changes:
            self.reading_posts.add(path)
        return self._decorator(path, "POST", lane)

    def _decorator(self, path: str, method: str, lane: str | None) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.append(Route(path, _endpoint(handler, lane), methods=[method], name=handler.__name__))
            return handler

        return register


def _endpoint(handler: Handler, lane: str | None) -> Callable[[Request], Any]:
    if iscoroutinefunction(handler):

        async def endpoint(request: Request) -> Response:
            return _as_response(await handler(request.app.state.server, request))

        return endpoint

    if lane is not None:

        async def endpoint_in_lane(request: Request) -> Response:
            server: Server = request.app.state.server
            return _as_response(await server.lanes[lane].run(request, partial(handler, server, request)))

        return endpoint_in_lane

    def endpoint_in_thread(request: Request) -> Response:  # Starlette runs it in a thread
        return _as_response(handler(request.app.state.server, request))

    return endpoint_in_thread


def _as_response(found: Any) -> Response:
    return found if isinstance(found, Response) else JSONResponse(found)
