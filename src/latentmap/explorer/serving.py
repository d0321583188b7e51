"""Serve the explorer: from a notebook, or until it is interrupted."""

import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path

from latentmap.core.atomic_files import user_path
from latentmap.core.progress import show_progress
from latentmap.explorer.access import Access
from latentmap.explorer.app import make_app
from latentmap.explorer.connections import BoundedServer, raise_handle_limit
from latentmap.explorer.exposure import LOOPBACK, Exposure
from latentmap.explorer.listening import hosts, listen
from latentmap.explorer.notebooks import INSTALL, has_widgets
from latentmap.explorer.server import Server
from latentmap.explorer.tls import tls_context
from latentmap.explorer.tokens import LAUNCH_SECONDS, forget_tokens, launch_file, run_key, run_token

KEY_LENGTH = 8  # characters of a run's key in the name of a cookie


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
    compare : path, optional
        Folder of another run of the same images, whose map and groups the page shows beside its own.

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
        If the folder is not a finished run, or the runs cannot be compared.
    PortError
        If no port from 8765 on is free.
    """

    def __init__(
        self, path: str | Path, *, height: int = 720, user: str | None = None, compare: str | Path | None = None
    ) -> None:
        self._server = Server(path, user=user, compare=compare)
        self._socket = listen(None)
        self._height = height
        self.port: int = self._socket.getsockname()[1]
        self.url = Exposure().address(LOOPBACK, self.port, self._server.token)
        access = Access(self._server.token, cookie=cookie_name(self.port, user_path(path)))
        app = make_app(self._server, hosts(self.port), access=access, framed=True)
        self._uvicorn = BoundedServer(app, end_streams=self._server.events.close)
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
    exposure: Exposure | None = None,
    *,
    open_page: bool = True,
    new_token: bool = False,
    user: str | None = None,
    compare: str | Path | None = None,
) -> None:
    """Serve the explorer of a run until it is interrupted.

    Parameters
    ----------
    path : path
        Folder of a finished run.
    exposure : Exposure, optional
        Where it is served, and who may do what; by default, to this machine by the first free port from 8765.
    open_page : bool, default=True
        Whether to open the page in the browser.
    new_token : bool, default=False
        Whether to replace the tokens of the run, so that addresses printed before are refused.
    user : str, optional
        Name by which edits are recorded; by default that of this user on the system.
    compare : path, optional
        Folder of another run of the same images, whose map and groups the page shows beside its own.

    Raises
    ------
    RunError
        If the folder is not a finished run, or the runs cannot be compared.
    EditError
        If the name of the user is no text of one line.
    InputError
        If the certificate and the key cannot be used, or the host is no address of this machine.
    PortError
        If the port is taken.
    """
    exposure = exposure or Exposure()
    run = user_path(path)
    tls = None if exposure.tls_cert is None else tls_context(exposure.tls_cert, exposure.tls_key)
    raise_handle_limit()
    with listen(exposure.port, exposure.host) as listening:
        port: int = listening.getsockname()[1]
        if new_token:
            forget_tokens(run)
        server = Server(path, token=run_token(run), user=user, compare=compare, show=show_progress)
        access = Access(
            server.token,
            run_token(run, for_readers=True),
            cookie_name(port, run),
            is_read_only=exposure.read_only,
            needs_token=exposure.needs_token,
        )
        for line in exposure.warnings(port):
            print(f"warning   {line}", file=sys.stderr, flush=True)
        for line in exposure.lines(port, access):
            print(line, flush=True)
        server.warm()
        app = make_app(
            server,
            hosts(port, exposure.accepted_hosts(port)),
            access=access,
            takes_addresses=not exposure.is_local,
            base_path=exposure.base_path,
            proxies=exposure.proxies,
        )
        try:
            with opened_in_browser(exposure.own_address(port, access)) if open_page else nullcontext():
                BoundedServer(app, tls, end_streams=server.events.close).run([listening])
        finally:
            server.close()


def cookie_name(port: int, run: Path) -> str:
    """The name of the cookie of an explorer. Browsers send cookies to all ports of a host, so it names port and run."""
    return f"latentmap-{port}-{run_key(run)[:KEY_LENGTH]}"


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
