"""File systems of fsspec, and what their errors mean."""

import errno
import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from latentmap.core.addresses import SAFE_CHARACTERS, WEB, protocol_of, public_address, without_secrets
from latentmap.core.errors import MissingPackageError, SourceError, TransferError

Result = TypeVar("Result")

CONNECT_SECONDS, READ_SECONDS = 20.0, 60.0  # without an answer
PAUSES = (0.5, 1.0, 2.0)  # seconds before each new attempt, of which half is random
MAX_REASON_CHARACTERS = 200
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # of this machine
NOT_FOUND, GONE = 404, 410
NO_ACCESS = (401, 402, 403, 407)
TRANSIENT_STATUSES = (408, 423, 425, 429)
NOT_FOUND_REASON = "not found (404)"
NO_ACCESS_REASON = "no access (403): set the credentials in the environment"
REMOTE_EXTRA = "'latentmap[remote]'"
PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}


class RemoteFile(NamedTuple):
    """A file at an address.

    Attributes
    ----------
    address : str
        As it was passed, which may contain secrets.
    size : int, optional
        Size in bytes as it is listed.
    version : str, optional
        ETag, checksum or modification time as it is listed.
    """

    address: str
    size: int | None = None
    version: str | None = None

    @property
    def facts(self) -> str:
        """Address, size and version of the file as text, without secrets."""
        return repr((public_address(self.address), self.size, self.version))


class Filesystems:
    """File systems by the kind of address, each made once."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def of(self, address: str) -> tuple[Any, str]:
        """The file system of an address, and the path in it.

        Raises
        ------
        MissingPackageError
            If a package for this kind of address is not installed.
        SourceError
            If there is no such kind of address, or it has a password that does not come from the environment.
        """
        protocol = protocol_of(address)
        with self._lock:
            if protocol not in self._made:
                self._made[protocol] = _make_filesystem(protocol)
        filesystem = self._made[protocol]
        if protocol in WEB:
            return filesystem, quote(address, safe=SAFE_CHARACTERS)
        if public_address(address).partition("?")[0] != address.partition("?")[0]:
            advice = "set the credentials in the environment"
            raise SourceError(f"{public_address(address)}: passed with a user or password: {advice}")
        return filesystem, filesystem._strip_protocol(address)


def _make_filesystem(protocol: str) -> Any:
    try:
        import fsspec

        return fsspec.filesystem(protocol, skip_instance_cache=True, **_options(protocol))
    except ImportError as error:
        advice = f"pip install {PACKAGES.get(protocol, REMOTE_EXTRA)}"
        raise MissingPackageError(f"{protocol}:// needs a package that is not installed: {advice}") from error
    except ValueError as error:
        raise SourceError(f"{protocol}://: not known to fsspec: pass s3://, gs://, https:// or a path") from error


def _options(protocol: str) -> dict[str, Any]:
    if protocol in WEB:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        # addresses are encoded already, and a signature holds for these characters only
        return {"encoded": True, "use_listings_cache": False, "client_kwargs": {"timeout": timeout, "trust_env": True}}
    if protocol in ("s3", "s3a"):
        config = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "retries": {"max_attempts": 1}}
        return {"config_kwargs": config, "use_listings_cache": False}
    return {}


def with_retries(function: Callable[[], Result]) -> Result:
    """Call a function that transfers something, again after a pause if it fails for a reason that may pass.

    Parameters
    ----------
    function : callable

    Returns
    -------
    object
        What the function returns.

    Raises
    ------
    TransferError
        If it fails for another reason, or four times.
    """
    for pause in (*PAUSES, None):
        try:
            return function()
        except (SourceError, MissingPackageError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRORS:
                raise
            reason, is_transient = reason_of(error)
            if pause is None or not is_transient:
                # the error itself may hold an address with secrets
                raise TransferError(reason, is_transient=is_transient) from None
        time.sleep(pause * (0.5 + random.random() / 2))
    raise AssertionError


def reason_of(error: BaseException) -> tuple[str, bool]:
    """Describe an error of a transfer.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    reason : str
        Without secrets.
    is_transient : bool
        Whether it may pass.
    """
    if isinstance(error, TransferError):
        return str(error), error.is_transient
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and cause is not None and getattr(cause, "status", 0) != NOT_FOUND:
        return reason_of(cause)  # fsspec reports a web server that does not answer in this way
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return _reason_of_status(status)
    kind = type(error).__name__
    for wanted, reason, is_transient in _KNOWN_ERRORS:
        if isinstance(error, wanted) if isinstance(wanted, type) else wanted in kind:
            return reason, is_transient
    said = without_secrets(str(error))[:MAX_REASON_CHARACTERS]
    return f"cannot be read ({kind}{': ' if said else ''}{said})", isinstance(error, OSError)


# Types of errors, or parts of their names; the reason; and whether it may pass. The first that fits counts.
_KNOWN_ERRORS: tuple[tuple[type | str, str, bool], ...] = (
    (FileNotFoundError, NOT_FOUND_REASON, False),
    (PermissionError, NO_ACCESS_REASON, False),
    ("Credentials", "no credentials in the environment", False),
    ("Certificate", "its certificate is not valid for this host", False),
    (TimeoutError, "no answer in time", True),
    ("Timeout", "no answer in time", True),
    ("Connect", "cannot be reached", True),
    (ConnectionError, "cannot be reached", True),
    ("Payload", "the connection broke off", True),
    ("Disconnected", "the connection broke off", True),
)


def _reason_of_status(status: int) -> tuple[str, bool]:
    if status in (NOT_FOUND, GONE):
        return f"not found ({status})", False
    if status in NO_ACCESS:
        return NO_ACCESS_REASON.replace("403", str(status)), False
    return f"the server answers {status}", status >= 500 or status in TRANSIENT_STATUSES


def remote_file(address: str, info: dict[str, Any]) -> RemoteFile:
    """Make a record of a file from what fsspec says of it.

    Parameters
    ----------
    address : str
    info : dict

    Returns
    -------
    RemoteFile
    """
    names = ("ETag", "etag", "md5Hash", "Content-MD5", "content_md5", "Last-Modified", "LastModified", "last_modified")
    version = next((info[name] for name in (*names, "mtime", "updated", "created") if info.get(name)), None)
    size = info.get("size")
    return RemoteFile(address, None if size is None else int(size), None if version is None else str(version))
