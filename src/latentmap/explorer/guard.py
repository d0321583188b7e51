"""Middleware that checks Host, Origin and the token before every answer."""

import hmac
import json
import re
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentmap.explorer import peer

READING = {"GET", "HEAD"}
TOKEN = "x-latentmap-token"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)
# Origins of notebooks on this machine, which may show the explorer in a frame.
NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:@/?#\[\]]+)(?::[0-9]{0,5})?")

Refusal = tuple[int, str]


def host_name(host: str) -> str | None:
    """The name in a Host header, without the port, in lower case; None if it is malformed."""
    found = _HOST.fullmatch(host)
    return None if found is None else found[1].lower()


class Guard:
    """Middleware that checks Host, Origin and the token before every answer.

    The page and its code hold no data and may be opened by anybody who can reach the port. Everything else needs the
    token, for reading as well as for writing.

    Parameters
    ----------
    app : ASGI application
        The application that answers.
    hosts : iterable of str
        Accepted Host headers, with any port or none. Other names may point to this machine by DNS rebinding.
    token : str
        Token that requests must carry.
    framed : bool, default=False
        Whether a notebook on this machine may show the page in a frame.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str, *, framed: bool = False) -> None:
        self.app = app
        self._names = {host_name(host) for host in hosts} - {None}
        self._proxies = self._names - set(LOOPBACK_NAMES)
        self._token = token.encode()
        self._policy = POLICY.format(ancestors=NOTEBOOKS if framed else "'none'")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no other connections
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._foreign(scope, headers) or await self._unknown(scope, headers)
        if refusal is None:
            await self.app(scope, receive, send_guarded)
            return
        status, sentence = refusal
        body = json.dumps({"error": sentence}).encode()
        answer = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send_guarded({"type": "http.response.start", "status": status, "headers": answer})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _foreign(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Status and reason if a request does not come from the explorer's own page; else None."""
        given = headers.getlist("host")
        if len(given) != 1 or host_name(given[0]) not in self._names:
            return 403, (
                "this Host is not the explorer's: open the address that it printed, "
                "or name the host of your proxy with --allow-host"
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, given[0]):
            return 403, "pages of another origin are not answered: name the host of your proxy with --allow-host"
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            # another site may link to the page, but not load, frame or link to anything else
            followed = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in READING
            if not followed or _path(scope) != "/":
                return 403, "pages of another site are not answered"
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        scheme, _, netloc = origin.partition("://")
        if scheme == "http" and netloc.lower() == host.lower():
            return True
        return scheme in ("http", "https") and host_name(netloc) in self._proxies

    async def _unknown(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Status and reason if a request needs the token and does not carry it; else None."""
        reading, path = scope["method"] in READING, _path(scope)
        if reading and (path == "/" or path.startswith("/assets/")):
            return None
        given = headers.get(TOKEN)
        if given is not None:
            known = hmac.compare_digest(given.encode("latin-1", "replace"), self._token)
        else:  # behind a proxy, the program of this user may be the proxy
            known = reading and not self._proxies and await run_in_threadpool(peer.may_read, scope, headers)
        if known:
            return None
        return 401, "open the explorer by the address that it printed, with the token after its #"


def _path(scope: Scope) -> str:
    """The path relative to the prefix that the explorer is mounted at."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))
