"""Names of a run as they may be published: without the folders and hosts that images lie in."""

import re

import pyarrow as pa

# An absolute path of any system, or an address.
PRIVATE = re.compile(r"/|~|[A-Za-z]:[\\/]|\\\\|[A-Za-z][A-Za-z0-9+.-]*://")


def published(text: str) -> str:
    """A name, or the last part of an absolute path or of an address.

    Examples
    --------
    >>> published("/home/me/scans/a.png"), published("s3://bucket/scans/"), published("scans/a.png")
    ('a.png', 'scans', 'scans/a.png')
    """
    if not PRIVATE.match(text):
        return text
    path = text.partition("?")[0] if "://" in text else text
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def published_texts(texts: pa.Array) -> pa.Array:
    """Texts as they may be published."""
    return pa.array([None if text is None else published(text) for text in texts.to_pylist()], pa.string())
