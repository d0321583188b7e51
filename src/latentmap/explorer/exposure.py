"""Where an explorer is served, who may do what, and what is printed about it."""

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from latentmap.core.errors import InputError
from latentmap.explorer.access import Access
from latentmap.explorer.forwarding import Network, parse_base_path, parse_proxies
from latentmap.explorer.guard import host_name

LOOPBACK = "127.0.0.1"
WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Exposure:
    """Where an explorer is served, and who may do what.

    Parameters
    ----------
    host : str, default="127.0.0.1"
        Address or name of the interface to listen on; ``0.0.0.0`` or ``::`` for all.
    port : int, optional
        Port to listen on; the first free one from 8765 by default.
    base_path : str, default=""
        Prefix of all addresses, such as ``/maps/scans``.
    allow_hosts : tuple of str, default=()
        Names under which a proxy forwards requests, with a port if the browser shows one.
    trust_proxies : tuple of str, default=()
        Addresses or networks of proxies whose X-Forwarded headers are trusted.
    tls_cert, tls_key : path, optional
        PEM files of a certificate and of its key, which may be in the file of the certificate.
    read_only : bool, default=False
        Whether nobody may change the run.
    needs_token : bool, default=True
        Whether requests need a token.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """

    host: str = LOOPBACK
    port: int | None = None
    base_path: str = ""
    allow_hosts: tuple[str, ...] = ()
    trust_proxies: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    read_only: bool = False
    needs_token: bool = True
    proxies: tuple[Network, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port < 2**16:
            raise InputError(f"--port {self.port}: pass one from 1 to {2**16 - 1}, or 0 for any that is free")
        if self.tls_key is not None and self.tls_cert is None:
            raise InputError(f"--tls-key {self.tls_key}: pass the certificate of the key as well, with --tls-cert")
        for host in self.allow_hosts:
            if host_name(host) is None:
                raise InputError(
                    f"--allow-host {host!r}: pass the name that the browser shows, such as hub.example.org, "
                    "without https:// and path"
                )
        object.__setattr__(self, "base_path", parse_base_path(self.base_path))
        object.__setattr__(self, "proxies", parse_proxies(self.trust_proxies))

    @cached_property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def _is_wildcard(self) -> bool:
        return self.host.strip("[]") in WILDCARDS

    def accepted_hosts(self, port: int) -> list[str]:
        """The accepted Host headers besides those of every explorer."""
        names = [] if self.is_local else [f"{_in_address(name)}:{port}" for name in (socket.gethostname(), self.host)]
        return [*(name for name in names if host_name(name)), *self.allow_hosts]

    def address(self, host: str, port: int, token: str | None) -> str:
        """An address of the page. Browsers send nothing after the #, so the token is in no log and no Referer."""
        scheme = "http" if self.tls_cert is None else "https"
        return f"{scheme}://{_in_address(host)}:{port}{self.base_path}/{'' if token is None else f'#token={token}'}"

    def own_address(self, port: int, access: Access) -> str:
        """The address of the page for a browser on this machine, which may do what is allowed to anybody."""
        host = LOOPBACK if self._is_wildcard else self.host
        return self.address(host, port, access.token if self.needs_token else None)

    def lines(self, port: int, access: Access) -> Iterator[str]:
        """The lines that are printed when the explorer starts: its addresses and what each allows."""
        yield f"explorer  {self.own_address(port, access)}" + "  (read only)" * self.read_only
        far = socket.gethostname() if self._is_wildcard else self.host
        if self._is_wildcard:
            yield f"network   {self.address(far, port, access.token if self.needs_token else None)}"
        if self.needs_token and not self.read_only:
            yield f"readers   {self.address(far, port, access.reader_token)}  (they can change nothing)"
        if self.allow_hosts:
            yield f"proxy     its own address, followed by the same {self.base_path}/{'#token=…' * self.needs_token}"
        saved = "nothing can be changed" if self.read_only else "changes are saved in the run immediately"
        yield f"          press Ctrl-C to stop; {saved}"

    def warnings(self, port: int) -> Iterator[str]:
        """Warnings about who can open the explorer."""
        who = "every user and every program of this machine"
        if not self.is_local:
            where = "any of its networks" if self._is_wildcard else f"the address {self.host}"
            who = f"everybody who can reach port {port} of this machine on {where}"
            if self.needs_token:
                yield f"{who} can come in with a token of the addresses below"
            if self.tls_cert is None:
                yield (
                    "without TLS, the tokens and the images can be read on their way: pass --tls-cert and --tls-key, "
                    "or listen on 127.0.0.1 behind a proxy or an SSH tunnel"
                )
        if not self.needs_token:
            what = "see" if self.read_only else "see and change"
            through = ", and everybody whom a proxy lets in" if self.allow_hosts or self.base_path else ""
            yield f"--no-token: {who}{through} can {what} this run without a token"


def _in_address(host: str) -> str:
    """A host as it is written in an address: IPv6 in brackets."""
    bare = host.strip("[]")
    return f"[{bare}]" if ":" in bare else bare
