"""The token of a run's explorer, kept for the user outside the run, and the file that opens the browser with it.

The token stays the same when the explorer is started again, so that a tab that is open goes on. It is not kept in the
run: whoever sent a run would know it.
"""

import hashlib
import os
import re
import secrets
import stat
import sys
import tempfile
import time
from contextlib import suppress
from html import escape
from pathlib import Path

TOKEN_BYTES = 24  # of randomness
LAUNCH_SECONDS = 60.0  # after which the file that opens the browser is removed
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
LAUNCH_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}"><title>latentmap</title></head>
<body><p>Opening the explorer: <a href="{address}">continue</a>.</p></body>
</html>
"""


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def run_token(run: Path) -> str:
    """The token that this user's explorers of a run have; a new one where none can be kept."""
    name = hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:32]
    try:
        path = private_folder() / f"{name}.token"
        return _read(path) or _kept(path)
    except OSError:
        return new_token()


def private_folder() -> Path:
    """A folder that only this user can look into, made where it is missing.

    Raises
    ------
    OSError
        If there is none, or it belongs to somebody else.
    """
    folder = _base() / "latentmap"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise OSError(f"{folder}: not a folder of this user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)
    return folder


def _base() -> Path:
    """Where programs keep what is this user's, on this machine, for now."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    with suppress(OSError):  # under sudo it may be another user's
        if runtime.is_absolute() and runtime.stat().st_uid == os.geteuid():
            return runtime
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return state if state.is_absolute() else Path.home() / ".local" / "state"


def _read(path: Path) -> str | None:
    """The token in a file of this user that nobody else can read; None for anything else."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        private = os.name != "posix" or (found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077)
        if not stat.S_ISREG(found.st_mode) or not private:
            return None
        text = file.read(100).decode("ascii", "replace").strip()
    return text if _TOKEN.fullmatch(text) else None


def _kept(path: Path) -> str:
    """A new token in place of what a file has; that of another process where it was quicker."""
    token = new_token()
    temporary = _private_file(path.parent, "token", token)
    try:
        with suppress(FileNotFoundError):
            path.unlink()  # damaged, or somebody could read it
        os.link(temporary, path)
    except FileExistsError:
        return _read(path) or token
    finally:
        temporary.unlink()
    return token


def launch_file(address: str) -> Path:
    """A page that leads to an address: the command line of the browser, which all users can see, has only its name.

    Raises
    ------
    OSError
        If this user has no folder of his own.
    """
    folder = private_folder()
    for left in folder.glob("launch-*.html"):  # by an explorer that was killed
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LAUNCH_SECONDS:
                left.unlink()
    return _private_file(folder, "html", LAUNCH_PAGE.format(address=escape(address)))


def _private_file(folder: Path, ending: str, text: str) -> Path:
    """A new file that only this user can read."""
    handle, name = tempfile.mkstemp(f".{ending}", "launch-" if ending == "html" else ".latentmap-", folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)
