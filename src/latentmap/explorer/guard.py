"""Middleware that checks Host, Origin and the token before every answer."""

import ipaddress
import json
import re
from collections.abc import Collection, Iterable
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentmap.explorer.access import ROLE_KEY, TOKEN, Access, Role
from latentmap.explorer.forwarding import relative_path

READING = {"GET", "HEAD"}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)
# Origins of notebooks on this machine, which may show the explorer in a frame.
NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"
SHOWN_CHARACTERS = 100  # of a Host or Origin in a message
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:@/?#\[\]]+)(?::[0-9]{0,5})?")

Refusal = tuple[int, str]


def host_name(host: str) -> str | None:
    """The name in a Host header, without the port, in lower case; None if it is malformed."""
    found = _HOST.fullmatch(host)
    return None if found is None else found[1].lower()


class Guard:
    """Middleware that checks Host, Origin and the token before every answer.

    The page and its code hold no data and may be opened by anybody who can reach the port. Everything else needs the
    token, for reading as well as for writing, or the cookie that stands for it.

    Parameters
    ----------
    app : ASGI application
        The application that answers.
    hosts : iterable of str
        Accepted Host headers, with any port or none. Other names may point to this machine by DNS rebinding.
    access : Access
        The tokens and what they allow.
    places : collection of str
        First parts of the paths that are answered, such as ``api``.
    reading_posts : collection of str, default=()
        Paths of POST requests that change nothing.
    takes_addresses : bool, default=False
        Whether any IP address is accepted as a Host; DNS rebinding needs a name.
    framed : bool, default=False
        Whether a notebook on this machine may show the page in a frame.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        access: Access,
        places: Collection[str],
        *,
        reading_posts: Collection[str] = (),
        takes_addresses: bool = False,
        framed: bool = False,
    ) -> None:
        self.app = app
        self._hosts = {host.lower() for host in hosts}
        self._names = {host_name(host) for host in self._hosts} - {None}
        self._proxies = self._names - set(LOOPBACK_NAMES)
        self._access = access
        self._places = frozenset(places)
        self._reading_posts = reading_posts
        self._takes_addresses = takes_addresses
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
        role = self._access.role_of(headers)
        refusal = self._foreign(scope, headers) or self._misplaced(scope) or self._forbidden(scope, headers, role)
        if refusal is None:
            await self.app({**scope, ROLE_KEY: role}, receive, send_guarded)
            return
        status, sentence = refusal
        body = json.dumps({"error": sentence}).encode()
        answer = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send_guarded({"type": "http.response.start", "status": status, "headers": answer})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _foreign(self, scope: Scope, headers: Headers) -> Refusal | None:
        """Status and reason if a request does not come from the explorer's own page; else None."""
        given = headers.getlist("host")
        if len(given) != 1 or not self._is_known(given[0]):
            named = given[0][:SHOWN_CHARACTERS] if len(given) == 1 else ""
            return 403, (
                f"the Host {named!r} is not the explorer's: open the address that it printed, "
                f"or name the host of your proxy{_example(named)}"
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, given[0], scope.get("scheme", "http")):
            shown = origin[:SHOWN_CHARACTERS]
            return 403, (
                f"pages of another origin ({shown!r}) are not answered: "
                f"name the host of your proxy{_example(shown.partition('://')[2])}"
            )
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            # another site may link to the page, but not load, frame or link to anything else
            followed = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in READING
            if not followed or relative_path(scope) != "/":
                return 403, "pages of another site are not answered"
        return None

    def _is_known(self, host: str) -> bool:
        name = host_name(host)
        if name in self._names:
            return True
        if name is not None and self._takes_addresses:
            with suppress(ValueError):
                return bool(ipaddress.ip_address(name.strip("[]")))
        return False

    def _is_own(self, origin: str, host: str, scheme: str) -> bool:
        """Whether an origin is the page's. A proxy may change the scheme, and the host if it was named."""
        given, _, netloc = origin.lower().partition("://")
        if netloc == host.lower() and given == scheme:
            return True
        is_named = netloc in self._hosts or (netloc == host.lower() and host_name(host) in self._proxies)
        return is_named and given in ("http", "https") and host_name(netloc) in self._proxies

    def _misplaced(self, scope: Scope) -> Refusal | None:
        """Status and reason if nothing of the explorer is at a path, as below the prefix of a proxy; else None."""
        path = relative_path(scope)
        if path.split("/")[1] in self._places:
            return None
        return 404, (
            f"nothing is at {path[:SHOWN_CHARACTERS]}: if a proxy passes its prefix on, name the prefix with "
            "--base-path, such as --base-path /maps/scans"
        )

    def _forbidden(self, scope: Scope, headers: Headers, role: Role) -> Refusal | None:
        """Status and reason if the role of a request does not allow it; else None."""
        path, reads = relative_path(scope), scope["method"] in READING
        if reads and (path == "/" or path.startswith("/assets/")):  # the page and its code, which hold no data
            return None
        if role is Role.NOBODY:
            return 401, "open the explorer by the address that it printed, with the token after its #"
        if not reads and path not in self._reading_posts and role < Role.WRITER:
            return 403, "the run can be read here, but not changed: ask for the address that may change it"
        if not reads and "origin" not in headers and self._access.token_in(headers) is None:
            return 403, f"send the Origin of the page, or the token in the header {TOKEN.title()}"
        return None


def _example(host: str) -> str:
    """How the host of a proxy is named on the command line."""
    return f" with --allow-host {host if _HOST.fullmatch(host) else 'NAME'}"
