"""What stands before every answer: only this machine's own pages are answered, and writing needs the token."""

import hmac
import json
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING = {"GET", "HEAD"}
TOKEN = "x-latentmap-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)
# Pages of a notebook on this machine, in which the explorer may be framed.
NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"


class Guard:
    """Middleware.

    Parameters
    ----------
    app : ASGI application
    hosts : iterable of str
        What the Host header may be, with the port: others are names that a stranger's page had pointed at this machine.
    token : str
        Wanted for all that is not reading.
    framed : bool
        Whether a notebook on this machine may show the page.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], token: str, *, framed: bool = False) -> None:
        self.app = app
        self._hosts = set(hosts)
        self._origins = {f"http://{host}" for host in self._hosts}
        self._token = token.encode()
        self._policy = POLICY.format(ancestors=NOTEBOOKS if framed else "'none'")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
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

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self.app(scope, receive, send_guarded)
            return
        status, sentence = refusal
        body = json.dumps({"error": sentence}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send_guarded({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Status and reason, or None for what may pass."""
        if headers.getlist("host")[:1] != headers.getlist("host") or headers.get("host") not in self._hosts:
            return 403, "this Host is not the explorer's: open the address that it printed"
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return 403, "pages of another origin are not answered"
        elsewhere = headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
        # a link may lead here; what another page loads may not (what it frames is the policy's to say)
        if elsewhere and headers.get("sec-fetch-mode") != "navigate":
            return 403, "pages of another site are not answered"
        if method not in READING:
            given = headers.get(TOKEN, "").encode("latin-1", "replace")
            if not hmac.compare_digest(given, self._token):
                return 401, "to change anything, open the explorer by the address with the token that it printed"
        return None
