"""Serve the explorer on this machine: from a notebook, or until it is interrupted."""

import errno
import os
import socket
import threading
import time
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path

from latentmap.core.atomic_files import user_path
from latentmap.core.errors import InputError, PortError
from latentmap.explorer.app import make_app
from latentmap.explorer.connections import BoundedServer, raise_handle_limit
from latentmap.explorer.guard import LOOPBACK_NAMES, host_name
from latentmap.explorer.notebooks import INSTALL, has_widgets
from latentmap.explorer.server import Server
from latentmap.explorer.tokens import LAUNCH_SECONDS, launch_file, run_token

LOOPBACK = "127.0.0.1"
PORT = 8765
N_PORTS = 20  # ports that are tried, from PORT on


class Explorer:
    """The explorer of one run, served from a thread until it is closed.

    Parameters
    ----------
    path : path
        Folder of a finished run.
    height : int, default=720
        Height of the frame in a notebook, in pixels.
    user : str, optional
        Name by which edits are recorded; by default that of this user on the system.

    Attributes
    ----------
    port : int
        Port that the explorer listens on.
    url : str
        Address on this machine, with the token that the page needs; the token is new each time.
    selection : list of int
        Ids of the images that are selected in the page.

    Raises
    ------
    RunError
        If the folder is not a finished run.
    PortError
        If no port from 8765 on is free.
    """

    def __init__(self, path: str | Path, *, height: int = 720, user: str | None = None) -> None:
        self._server = Server(path, user=user)
        self._socket = listen(None)
        self._height = height
        self.port: int = self._socket.getsockname()[1]
        self.url = address(self.port, self._server.token)
        app = make_app(self._server, hosts(self.port), framed=True)
        self._uvicorn = BoundedServer(app, self._server.events.close)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._socket],), daemon=True)
        self._thread.start()
        while not self._uvicorn.started and self._thread.is_alive():
            time.sleep(0.01)
        self._server.warm()

    @property
    def selection(self) -> list[int]:
        """Ids of the images that are selected in the page."""
        return list(self._server.selection)

    def close(self) -> None:
        """End the explorer."""
        self._uvicorn.should_exit = True
        self._thread.join(10)
        self._server.close()
        self._socket.close()

    def __repr__(self) -> str:
        return f"<Explorer {self.url}>"

    def _repr_html_(self) -> str:
        """The explorer as a frame in a notebook."""
        style = f"width: 100%; height: {self._height}px; border: 0"
        hint = "" if has_widgets() else f"<p>{escape(INSTALL)}</p>"
        return f'<iframe title="latentmap explorer" src="{escape(self.url)}" style="{style}"></iframe>{hint}'


def explore(
    path: str | Path,
    *,
    port: int | None = None,
    open_page: bool = True,
    allow_hosts: Iterable[str] = (),
    user: str | None = None,
) -> None:
    """Serve the explorer of a run until it is interrupted.

    Parameters
    ----------
    path : path
        Folder of a finished run.
    port : int, optional
        Port to listen on; the first free one from 8765 by default.
    open_page : bool, default=True
        Whether to open the page in the browser.
    allow_hosts : iterable of str, default=()
        Host names, besides those of this machine, under which a proxy forwards requests.
    user : str, optional
        Name by which edits are recorded; by default that of this user on the system.

    Raises
    ------
    RunError
        If the folder is not a finished run.
    EditError
        If the name of the user is no text of one line.
    InputError
        If a host is neither a name nor an address.
    PortError
        If the port is taken.
    """
    allowed = [_checked_host(host) for host in allow_hosts]
    raise_handle_limit()
    with listen(port) as listening:
        server = Server(path, token=run_token(user_path(path)), user=user)
        port = listening.getsockname()[1]
        url = address(port, server.token)
        print(f"explorer  {url}", flush=True)
        print("          press Ctrl-C to stop; changes are saved in the run immediately", flush=True)
        server.warm()
        try:
            with opened_in_browser(url) if open_page else nullcontext():
                app = make_app(server, hosts(port, allowed))
                BoundedServer(app, server.events.close).run([listening])
        finally:
            server.close()


@contextmanager
def opened_in_browser(url: str) -> Iterator[None]:
    """Open an address in the browser, by a file that leads to it and is removed after a minute."""
    try:
        file = launch_file(url)
    except OSError:  # the address was printed
        yield
        return
    timers = [
        threading.Timer(0.5, webbrowser.open, [file.as_uri()]),
        threading.Timer(LAUNCH_SECONDS, file.unlink, [True]),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        file.unlink(missing_ok=True)


def listen(port: int | None) -> socket.socket:
    """A socket on the loopback address.

    Raises
    ------
    PortError
        If the port, or each of the ports from 8765 on, is taken.
    """
    for candidate in [port] if port is not None else range(PORT, PORT + N_PORTS):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere this would let two servers share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((LOOPBACK, candidate))
        except OSError as error:
            found.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            continue
        found.listen(512)
        return found
    wanted = f"port {port} is" if port is not None else f"ports {PORT} to {PORT + N_PORTS - 1} are"
    raise PortError(f"{wanted} taken: pass another one with --port")


def hosts(port: int, allowed: Iterable[str] = ()) -> list[str]:
    """The accepted Host headers: the names of this machine and those of a proxy.

    Any port is accepted, since a tunnel gives the explorer another port, and a browser leaves port 80 out.
    """
    return [*(f"{name}:{port}" for name in LOOPBACK_NAMES), *allowed]


def _checked_host(host: str) -> str:
    """The name of a host, without a port."""
    name = host_name(host)
    if name is None:
        raise InputError(f"--allow-host {host!r}: pass the name that the browser shows, such as hub.example.org")
    return name


def address(port: int, token: str) -> str:
    """The address of the page. A browser sends nothing that follows the #, so the token is in no log and no Referer."""
    return f"http://{LOOPBACK}:{port}/#token={token}"
