"""Requests that come through a proxy: the prefix in their path, and the headers in which a proxy says who asked."""

import ipaddress
import re
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from latentmap.core.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix", b"forwarded")
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~@:+-]+)+")


def parse_base_path(text: str) -> str:
    """The prefix of all addresses, such as ``/maps/scans``; empty for none.

    Raises
    ------
    InputError
        If it is not the path of an address.
    """
    path = "/" + text.strip("/")
    if path == "/":
        return ""
    if not _BASE_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise InputError(f"--base-path {text!r}: pass the path of an address, such as /maps/scans, without its host")
    return path


def parse_proxies(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of trusted proxies.

    Raises
    ------
    InputError
        If one is neither an address nor a network.
    """
    return tuple(_parse_network(text) for text in texts)


def _parse_network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError as error:
        raise InputError(
            f"--trust-proxy {text!r}: pass the address that the proxy connects from, such as 127.0.0.1, "
            "or a network, such as 10.0.0.0/8"
        ) from error


class Forwarding:
    """Middleware that applies the prefix and the forwarded headers of trusted proxies to a request.

    The path may come with the prefix or without it, since some proxies remove it. Forwarded headers of anybody else
    are removed.

    Parameters
    ----------
    app : ASGI application
        The application that answers.
    base_path : str, default=""
        Prefix of all addresses.
    proxies : iterable of networks, default=()
        Where trusted proxies connect from.
    """

    def __init__(self, app: ASGIApp, *, base_path: str = "", proxies: Iterable[Network] = ()) -> None:
        self.app = app
        self._base_path = base_path
        self._proxies = tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or redirect from the prefix to the page below it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_trusted = self._is_proxy(_parse_address((scope.get("client") or ("",))[0]))
        headers = Headers(scope=scope)
        scope = {**scope, "headers": [one for one in scope["headers"] if one[0] not in FORWARDED]}
        if is_trusted:
            self._apply(scope, headers)
        prefixes = [self._base_path, _forwarded_prefix(headers) if is_trusted else ""]
        for prefix in filter(None, prefixes):
            path = relative_path(scope)
            if path == prefix:
                await _redirect_below(prefix, send)
                return
            if path.startswith(f"{prefix}/"):
                scope["root_path"] = scope.get("root_path", "").rstrip("/") + prefix
                break
        await self.app(scope, receive, send)

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _apply(self, scope: Scope, headers: Headers) -> None:
        """Take the client, the scheme and the host from the headers of a trusted proxy."""
        hops = _listed(headers, "x-forwarded-for")
        for hop in reversed(hops):  # those before the first that is no proxy of ours may be invented
            address = _parse_address(hop)
            if address is None:
                break
            scope["client"] = (str(address), 0)
            if not self._is_proxy(address):
                break
        schemes = _listed(headers, "x-forwarded-proto")
        if schemes and schemes[0].lower() in ("http", "https"):
            scope["scheme"] = schemes[0].lower()
        hosts = _listed(headers, "x-forwarded-host")
        if hosts:
            others = [one for one in scope["headers"] if one[0] != b"host"]
            scope["headers"] = [*others, (b"host", hosts[-1].encode("latin-1"))]


def _listed(headers: Headers, name: str) -> list[str]:
    """The elements of a header that is a list, from the first proxy to the last."""
    found = (one.strip() for line in headers.getlist(name) for one in line.split(","))
    return [one for one in found if one]


def _parse_address(text: str) -> Address | None:
    """An address, with or without a port; an IPv4 address that came by IPv6 is one of IPv4."""
    bare = re.sub(r"^\[(.*)\](:[0-9]+)?$", r"\1", text)
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _forwarded_prefix(headers: Headers) -> str:
    """The prefix that a proxy names; empty if it names none, or one that is no path."""
    named = _listed(headers, "x-forwarded-prefix")
    try:
        return parse_base_path(named[-1]) if named else ""
    except InputError:
        return ""


def relative_path(scope: Scope) -> str:
    """The path relative to the prefix that the explorer is mounted at."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "").rstrip("/"))


async def _redirect_below(prefix: str, send: Send) -> None:
    """Redirect to the page, whose addresses are relative to a path that ends in a slash."""
    place = f"{prefix.rpartition('/')[2]}/".encode()  # relative, because a proxy may have removed a part
    headers = [(b"location", place), (b"content-length", b"0"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
