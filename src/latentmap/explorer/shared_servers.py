"""Servers that several widgets of one run share: a cell that is run again does not read the run again."""

import threading
from pathlib import Path

from latentmap.core.atomic_files import user_path
from latentmap.explorer.server import Server

_lock = threading.Lock()
# By folder, author of edits and folder that is compared, with the number of those that use each.
_servers: dict[tuple[Path, str | None, Path | None], tuple[Server, int]] = {}


def use_server(path: str | Path, user: str | None = None, compare: str | Path | None = None) -> Server:
    """The server of a run, which :func:`release_server` gives back.

    Raises
    ------
    RunError
        If the folder is not a finished run, or the runs cannot be compared.
    """
    place = user_path(path).resolve(), user, None if compare is None else user_path(compare).resolve()
    with _lock:
        server, n_users = _servers.get(place) or (Server(path, user=user, compare=compare), 0)
        _servers[place] = server, n_users + 1
    if n_users:
        server.refresh()
    else:
        server.warm()
    return server


def release_server(server: Server) -> None:
    """Give a server back; it is closed when nobody uses it any more."""
    with _lock:
        place = next(place for place, (one, _) in _servers.items() if one is server)
        n_users = _servers[place][1] - 1
        if n_users:
            _servers[place] = server, n_users
            return
        del _servers[place]
    server.close()
