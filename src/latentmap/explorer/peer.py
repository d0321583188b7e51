"""Peer authentication: a program that this user runs on this machine may read without the token.

The name is PostgreSQL's. On Linux the kernel lists the loopback connections of a machine with the user that each end
belongs to. Browsers are excluded, since pages of other sites make them send requests, and so are programs that forward
the requests of others. In case of doubt, and on other systems, the token is needed.
"""

import ipaddress
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import Scope

PROC = Path("/proc")
ESTABLISHED = "01"
# Headers of plain clients. Browsers and proxies send more, such as Sec-Fetch-Site, Referer, Cookie or X-Forwarded-For.
PLAIN_HEADERS = frozenset(
    {
        *("host", "user-agent", "accept", "accept-encoding", "connection"),
        *("range", "if-range", "if-none-match", "cache-control", "pragma"),
    }
)
BROWSER = "mozilla/"  # start of the User-Agent of every browser
# Programs that run as the user or as root and forward requests from elsewhere.
FORWARDERS = frozenset({"sshd", "sshd-session", "sshd-auth", "dropbear"})

Address = tuple[ipaddress.IPv4Address, int]


@dataclass(frozen=True)
class Owner:
    """The user and the socket at the other end of a connection."""

    uid: int
    inode: str


def may_read(scope: Scope, headers: Headers) -> bool:
    """Whether a request without a token comes from a program of this user on this machine."""
    if not sys.platform.startswith("linux") or not _has_plain_headers(headers):
        return False
    client, server = _loopback(scope.get("client")), _loopback(scope.get("server"))
    if client is None or server is None:
        return False
    owner = owner_of(client, server)
    return owner is not None and owner.uid == os.geteuid() and _holder(owner.inode) not in (None, *FORWARDERS)


def _has_plain_headers(headers: Headers) -> bool:
    return set(headers.keys()) <= PLAIN_HEADERS and not headers.get("user-agent", "").lower().startswith(BROWSER)


def _loopback(address: tuple[str, int] | None) -> Address | None:
    """A loopback address and its port; None for any other address."""
    if address is None:
        return None
    host, port = address
    try:
        found = ipaddress.ip_address(host)
    except ValueError:  # no real connection
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return None  # the explorer listens on no address of IPv6
        found = found.ipv4_mapped
    return (found, int(port)) if found.is_loopback else None


def owner_of(client: Address, server: Address, proc: Path = PROC) -> Owner | None:
    """The owner of the end of a connection with the address ``client``; None if the kernel does not list it."""
    for name in ("tcp", "tcp6"):  # a client may reach an IPv4 address through an IPv6 socket
        with suppress(OSError):
            for line in (proc / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == ESTABLISHED and _parsed(fields[1]) == client and _parsed(fields[2]) == server:
                    return Owner(int(fields[7]), fields[9])
    return None


def _parsed(text: str) -> Address | None:
    """Parse an address as the kernel writes it: 32-bit words in the byte order of the machine, in hexadecimal."""
    words, _, port = text.partition(":")
    data = b"".join(int(words[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(words), 8))
    return _loopback((str(ipaddress.ip_address(data)), int(port, 16)))


def _holder(inode: str) -> str | None:
    """Name of the program that holds a socket; None if it is not visible, as that of an SSH server."""
    wanted = f"socket:[{inode}]"
    for process in PROC.iterdir():
        with suppress(OSError):
            if not process.name.isdigit() or process.stat().st_uid != os.geteuid():
                continue
            for handle in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(handle.readlink()) == wanted:
                        return (process / "comm").read_text().strip()
    return None
