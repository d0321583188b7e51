"""TLS for the explorer, from the files of a certificate and its key."""

import ssl
from pathlib import Path

from latentmap.core.errors import InputError

MAX_PEM_BYTES = 2**20


def tls_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """The settings of a server with a certificate.

    Parameters
    ----------
    cert : path
        PEM file of the certificate and those that vouch for it, and of the key if ``key`` is None.
    key : path or None
        PEM file of the private key.

    Returns
    -------
    ssl.SSLContext

    Raises
    ------
    InputError
        If a file is missing or is no certificate or key, or if they do not belong together.
    """
    _check_pem("--tls-cert", cert, "CERTIFICATE-----", "a certificate")
    if key is None:
        _check_pem("--tls-cert", cert, "PRIVATE KEY-----", "a private key; pass the file of the key with --tls-key")
    else:
        _check_pem("--tls-key", key, "PRIVATE KEY-----", "a private key")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key, password=lambda: _refuse_password(key or cert))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InputError(
                f"{key or cert}: the key of another certificate than {cert}: pass the one made for it"
            ) from error
        raise InputError(f"{cert}, {key or cert}: damaged ({error.reason or error}): make them again") from error
    return context


def _check_pem(option: str, path: Path, mark: str, what: str) -> None:
    try:
        with path.open("rb") as file:
            found = mark.encode() in file.read(MAX_PEM_BYTES)
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be read: {error.strerror}") from error
    if not found:
        raise InputError(f"{option} {path}: not a PEM file with {what}")


def _refuse_password(path: Path) -> str:
    raise InputError(
        f"{path}: the key is encrypted: write it without a password, with `openssl pkey -in {path} -out FILE`"
    )
