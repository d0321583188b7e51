"""The socket that the explorer listens on, and the names by which this machine is reached."""

import errno
import os
import socket
from collections.abc import Iterable

from latentmap.core.errors import InputError, PortError
from latentmap.explorer.guard import LOOPBACK_NAMES

PORT = 8765
N_PORTS = 20  # ports that are tried, from PORT on
BACKLOG = 512


def listen(port: int | None, host: str = "127.0.0.1") -> socket.socket:
    """A socket that listens on an address of this machine.

    Parameters
    ----------
    port : int or None
        Port; None for the first free one from 8765.
    host : str, default="127.0.0.1"
        Address or name of an interface; ``0.0.0.0`` for all with IPv4, ``::`` for all.

    Raises
    ------
    InputError
        If the host is no address of this machine.
    PortError
        If the port, or each of the ports from 8765 on, is taken or needs more rights.
    """
    family, address = _resolve(host)
    for candidate in [port] if port is not None else range(PORT, PORT + N_PORTS):
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            _bind(found, address, candidate)
        except OSError as error:
            found.close()
            if error.errno == errno.EADDRNOTAVAIL:
                raise InputError(f"--host {host}: no interface of this machine has the address {address}") from error
            if error.errno == errno.EACCES and port is not None:
                raise PortError(f"port {port} may not be used by this user: pass one from 1024 with --port") from error
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            continue
        return found
    wanted = f"port {port} is" if port is not None else f"ports {PORT} to {PORT + N_PORTS - 1} are"
    raise PortError(f"{wanted} taken: pass another one with --port")


def _resolve(host: str) -> tuple[socket.AddressFamily, str]:
    """The family and the numeric address of a host."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host {host!r}: no such name: pass an address of this machine, or 0.0.0.0 for all"
        ) from error
    family, *_, address = found[0]
    return family, str(address[0])


def _bind(found: socket.socket, address: str, port: int) -> None:
    if os.name == "posix":  # elsewhere this would let two servers share a port
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if found.family == socket.AF_INET6 and address == "::":
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # IPv4 as well
    found.bind((address, port))
    found.listen(BACKLOG)


def hosts(port: int, allowed: Iterable[str] = ()) -> list[str]:
    """The accepted Host headers: the names of this machine and those of a proxy.

    Any port is accepted, since a tunnel gives the explorer another port, and a browser leaves port 80 out.
    """
    return [*(f"{name}:{port}" for name in LOOPBACK_NAMES), *allowed]
