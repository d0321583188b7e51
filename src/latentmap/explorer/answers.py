"""Requests and answers: checks of parameters and bodies, entity tags, caching and byte ranges."""

import json
import math
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from latentmap.core.errors import ChangedError

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

ARROW = "application/vnd.apache.arrow.stream"
PNG = "image/png"
WAV = "audio/wav"
FOREVER = "private, max-age=31536000, immutable"
MAX_BODY_BYTES = 2**25
JSON_BYTES, JSON_BYTES_PER_IMAGE = 2**16, 16  # of a JSON body, which can hold the ids of all images
MAX_ABSOLUTE = 1e12  # of a number in a request


class BadRequest(HTTPException):
    """A request with a wrong parameter or body. The message says what is accepted."""

    def __init__(self, sentence: str) -> None:
        super().__init__(400, sentence)


# ---------------------------------------------------------------- requests


def whole_number(request: Request, name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number in the query or the path."""
    text = request.path_params.get(name, request.query_params.get(name))
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"-?[0-9]{1,15}", str(text)) or not low <= int(text) <= high:
        raise BadRequest(f"{name}: pass a whole number from {low} to {high}")
    return int(text)


def real_number(request: Request, name: str) -> float:
    """A finite number in the query."""
    try:
        value = float(request.query_params[name])
    except (KeyError, ValueError):
        value = math.nan
    if not is_real(value):
        raise BadRequest(f"{name}: pass a number")
    return value


def is_real(value: Any) -> bool:
    """Whether a value is a finite number of a usable size."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_ABSOLUTE


def image_ids(ids: Any, n: int, *, may_be_empty: bool = False) -> list[int]:
    """Ids of images from a body, each once, in ascending order.

    Raises
    ------
    BadRequest
        If they are not ids of the run.
    """
    is_list = isinstance(ids, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in ids)
    if not is_list or not (ids or may_be_empty) or not all(0 <= one < n for one in ids):
        raise BadRequest(f"ids: pass a list of whole numbers from 0 to {n - 1}")
    return sorted(set(ids))


async def read_json_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object; it may be as large as a list of all images.

    Raises
    ------
    HTTPException
        413 if it is too large, 415 if it is not marked as JSON, 503 if too many are read at once.
    BadRequest
        If it is not a JSON object.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "the body is not marked as JSON: send it as application/json")
    server: Server = request.app.state.server
    max_bytes = min(MAX_BODY_BYTES, JSON_BYTES + JSON_BYTES_PER_IMAGE * server.data.n)
    async with server.bodies.body(request, max_bytes) as body:
        if len(body) <= JSON_BYTES:
            return _parse_object(body)
        return await server.parsing.run(request, partial(_parse_object, body))


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON: send an object") from error
    if not isinstance(found, dict):
        raise BadRequest("send a JSON object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


# ---------------------------------------------------------------- answers


def check_version(request: Request, version: str) -> None:
    """Refuse a request that names another version of the run than the one that is open.

    Raises
    ------
    ChangedError
        If it does.
    """
    if request.query_params.get("v", version) != version:
        raise ChangedError("the run has changed on disk: load the page again")


def answer(
    request: Request,
    make: Callable[[], bytes],
    media_type: str,
    version: str,
    tag: str,
    *,
    may_change: bool = False,
) -> Response:
    """Answer with bytes that may be requested again: 304 if the client has them, 206 for a range of them.

    Parameters
    ----------
    make : callable
        Makes the bytes. It is not called for a 304.
    media_type : str
        Content type.
    version : str
        Version of the run. A request that names it gets an answer that may be kept for ever.
    tag : str
        Identifies the bytes within the version.
    may_change : bool, default=False
        Whether this address can give other bytes later, even within the version.

    Returns
    -------
    Response
    """
    etag = f'"{version}-{tag}"'
    is_fixed = not may_change and request.query_params.get("v") == version
    headers = {"ETag": etag, "Cache-Control": FOREVER if is_fixed else "private, no-cache", "Accept-Ranges": "bytes"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return _in_range(request, make(), media_type, headers)


# Starlette answers ranges of files only, and these bytes are made in memory; it also refuses a range that is malformed
# with 400, where RFC 9110 asks to ignore it.
def _in_range(request: Request, data: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """The range of some bytes that a request asks for, or all of them."""
    wanted = request.headers.get("range")
    is_current = request.headers.get("if-range", headers["ETag"]) == headers["ETag"]
    part = _parse_range(wanted, len(data)) if wanted is not None and is_current else None
    if part is None:
        return Response(data, headers=headers, media_type=media_type)
    begin, end = part
    if begin >= end:
        sentence = f"the range begins after the end: there are {len(data)} bytes"
        return JSONResponse({"error": sentence}, 416, headers | {"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
    return Response(data[begin:end], 206, headers=headers, media_type=media_type)


def _parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Begin and end of a single range; None for anything else, which is answered in full."""
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", text.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        return max(0, size - int(found[2])), size
    begin, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < begin:
        return None
    return begin, end
