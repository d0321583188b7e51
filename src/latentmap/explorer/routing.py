"""Routes that are declared beside their handlers."""

from collections.abc import Callable
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
    coroutine runs in a thread, so that it does not block the others.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reading_posts: set[str] = set()

    def get(self, path: str) -> Callable[[Handler], Handler]:
        """Decorator that makes a function the handler of GET requests for a path."""
        return self._decorator(path, "GET")

    def post(self, path: str, *, changes: bool = True) -> Callable[[Handler], Handler]:
        """Decorator that makes a function the handler of POST requests for a path.

        ``changes`` is false for a question that has a body and changes nothing; readers may ask it. Its path has no
        parameters.
        """
        if not changes:
            self.reading_posts.add(path)
        return self._decorator(path, "POST")

    def _decorator(self, path: str, method: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.append(Route(path, _endpoint(handler), methods=[method], name=handler.__name__))
            return handler

        return register


def _endpoint(handler: Handler) -> Callable[[Request], Any]:
    if iscoroutinefunction(handler):

        async def endpoint(request: Request) -> Response:
            return _as_response(await handler(request.app.state.server, request))

        return endpoint

    def endpoint_in_thread(request: Request) -> Response:  # Starlette runs it in a thread
        return _as_response(handler(request.app.state.server, request))

    return endpoint_in_thread


def _as_response(found: Any) -> Response:
    return found if isinstance(found, Response) else JSONResponse(found)
