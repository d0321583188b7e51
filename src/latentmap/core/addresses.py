"""Addresses of files on other machines, and what of them may be written down."""

import posixpath
import re
from urllib.parse import quote, unquote

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What a Path makes of an address.
BROKEN_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")
ADDRESS_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>]+")
USER = re.compile(r"(?<=://)[^/?#\s]*@")
# Parameters of a query that grant access, or belong to a signature. It is better to leave out one too many.
SECRET_PARAMETER = re.compile(
    r"(x-amz-|x-goog-|x-oss-|x-cos-).*|.*(token|secret|passw|credential|signature|session|api.?key|access.?key|auth).*|"
    r"(pass|pwd|key|sig|se|sp|spr|sr|st|sv|ss|srt|sks|ske|skt|skv|skoid|sktid|expires|googleaccessid|policy|"
    r"key-pair-id|code|jwt|hash|hmac|hdnea|hdnts)",
    re.IGNORECASE,
)
WEB = ("http", "https")
# Kinds of addresses that a table may name: its rows may come from anybody.
TABLE_PROTOCOLS = {*WEB, "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"}
SAFE_CHARACTERS = ":/?#[]@!$&'()*+,;=%~-._"


def is_address(source: object) -> bool:
    """Whether a source is an address such as ``s3://bucket/scans`` and not a path.

    Parameters
    ----------
    source : object

    Returns
    -------
    bool
    """
    return isinstance(source, str) and ADDRESS.match(source) is not None


def protocol_of(address: str) -> str:
    """The kind of an address: ``s3`` for ``s3://bucket/scans``.

    Parameters
    ----------
    address : str

    Returns
    -------
    str
    """
    return address.partition("://")[0].lower()


def public_address(address: str) -> str:
    """Remove what grants access from an address: the user, the password and the parameters of a signature.

    Parameters
    ----------
    address : str

    Returns
    -------
    str

    Examples
    --------
    >>> public_address("https://me:secret@host/a.png?id=7&sig=abc")
    'https://host/a.png?id=7'
    """
    address = USER.sub("", address)
    if protocol_of(address) in WEB:
        address = address.partition("#")[0]
    place, _, query = address.partition("?")
    parameters = [one for one in re.split("[&;]", query) if one]
    kept = [one for one in parameters if not SECRET_PARAMETER.fullmatch(unquote(one.partition("=")[0]))]
    return f"{place}?{'&'.join(kept)}" if kept else place


def without_secrets(text: str) -> str:
    """Remove what grants access from all addresses in a text.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return ADDRESS_IN_TEXT.sub(lambda found: public_address(found[0]), text)


def name_of(address: str) -> str:
    """The name of the file at an address, without its folders and its query.

    Parameters
    ----------
    address : str

    Returns
    -------
    str

    Examples
    --------
    >>> name_of("https://host/some%20scans.zip?sig=abc")
    'some scans.zip'
    """
    is_web = protocol_of(address) in WEB
    path = re.split("[?#]", address)[0] if is_web else address
    last = path.partition("://")[2].rstrip("/").rpartition("/")[2]
    return unquote(last) if is_web else last


def folder_of(address: str) -> str:
    """The address of the folder of a file, without a query.

    Parameters
    ----------
    address : str

    Returns
    -------
    str
    """
    path = re.split("[?#]", address)[0] if protocol_of(address) in WEB else address
    scheme, _, rest = path.partition("://")
    return f"{scheme}://{rest.rpartition('/')[0] or rest}"


def beside(folder: str, name: str) -> str:
    """The address of a file by its name relative to a folder, on the same host or in the same bucket.

    Parameters
    ----------
    folder : str
        Address of the folder.
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> beside("s3://bucket/tables", "../scans/a.png")
    's3://bucket/scans/a.png'
    """
    scheme, _, rest = folder.partition("://")
    host, _, path = rest.partition("/")
    name = quote(name, safe=SAFE_CHARACTERS.replace("#", "")) if scheme.lower() in WEB else name
    return f"{scheme}://{host}{posixpath.normpath(f'/{path}/{name}').replace('//', '/')}"
