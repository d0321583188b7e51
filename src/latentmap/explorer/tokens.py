"""The token of a run's explorer, kept for the user outside the run, and the file that opens the browser with it.

The token stays the same when the explorer is started again, so that an open tab continues to work. It is not kept in
the run, because somebody who sent the run would know it.
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

TOKEN_BYTES = 24  # random bytes of a token
LAUNCH_SECONDS = 60.0  # until the file that opens the browser is removed
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
LAUNCH_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}"><title>latentmap</title></head>
<body><p>Opening the explorer: <a href="{address}">continue</a>.</p></body>
</html>
"""


def new_token() -> str:
    """A new random token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def run_key(run: Path) -> str:
    """A name for a run by its path, from which the path does not follow."""
    return hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:32]


def run_token(run: Path, *, for_readers: bool = False) -> str:
    """A token of a run for this user, to change it or to read it; a new one if none can be kept."""
    try:
        path = _token_path(run, for_readers=for_readers)
        return _read_token(path) or _write_new(path)
    except OSError:
        return new_token()


def forget_tokens(run: Path) -> None:
    """Delete the tokens of a run, so that it gets new ones."""
    with suppress(OSError):
        for for_readers in (False, True):
            _token_path(run, for_readers=for_readers).unlink(missing_ok=True)


def _token_path(run: Path, *, for_readers: bool) -> Path:
    """The file of a token of a run.

    Raises
    ------
    OSError
        If there is no private folder.
    """
    return private_folder() / f"{run_key(run)}{'.reader' * for_readers}.token"


def private_folder() -> Path:
    """A folder that only this user can read, which is created if it is missing.

    Raises
    ------
    OSError
        If it cannot be created, or belongs to another user.
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
    """The folder in which programs keep runtime files of this user."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    with suppress(OSError):  # under sudo it may belong to another user
        if runtime.is_absolute() and runtime.stat().st_uid == os.geteuid():
            return runtime
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return state if state.is_absolute() else Path.home() / ".local" / "state"


def _read_token(path: Path) -> str | None:
    """The token in a file that only this user can read; None if there is no such file."""
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


def _write_new(path: Path) -> str:
    """Write a new token to a file and return it, or the token of another process that was faster."""
    token = new_token()
    temporary = _private_file(path.parent, "token", token)
    try:
        with suppress(FileNotFoundError):
            path.unlink()  # damaged, or readable by others
        os.link(temporary, path)
    except FileExistsError:
        return _read_token(path) or token
    finally:
        temporary.unlink()
    return token


def launch_file(address: str) -> Path:
    """A page that redirects to an address, so that the address is not in the browser's command line, which is public.

    Raises
    ------
    OSError
        If there is no private folder.
    """
    folder = private_folder()
    for left in folder.glob("launch-*.html"):  # by a killed explorer
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
