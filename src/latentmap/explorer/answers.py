"""Requests and answers: what a parameter may be, how an answer is cached, and the part of it that was asked for."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ARROW = "application/vnd.apache.arrow.stream"
FOREVER = "private, max-age=31536000, immutable"
LARGEST_BODY = 2**25


class BadRequest(HTTPException):
    """A request that makes no sense. The message says which one would."""

    def __init__(self, sentence: str) -> None:
        super().__init__(400, sentence)


def whole_number(request: Request, name: str, low: int, high: int, default: int | None = None) -> int:
    """A parameter of the query or of the path."""
    text = request.path_params.get(name, request.query_params.get(name))
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"-?[0-9]{1,15}", str(text)) or not low <= int(text) <= high:
        raise BadRequest(f"{name}: pass a whole number from {low} to {high}")
    return int(text)


def real_number(request: Request, name: str) -> float:
    """A finite parameter of the query."""
    try:
        value = float(request.query_params[name])
    except (KeyError, ValueError):
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e12:
        raise BadRequest(f"{name}: pass a number")
    return value


async def read_body(request: Request, most: int = LARGEST_BODY) -> bytes:
    """The body, as long as it is not too large."""
    parts, size = [], 0
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise HTTPException(413, f"the body is too large: send at most {most // 2**20} MiB")
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, f"the body is too large: send at most {most // 2**20} MiB")
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "the body is not marked as JSON: send it as application/json")
    try:
        found = json.loads(await read_body(request), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is no JSON: send an object") from error
    if not isinstance(found, dict):
        raise BadRequest("send a JSON object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def answer(
    request: Request, make: Callable[[], bytes], media_type: str, tag: str, *, forever: bool = False
) -> Response:
    """Bytes that may be asked for again: 304 when the asker has them, 206 for a range of them.

    Parameters
    ----------
    make : callable
        Gives the bytes; it is not called where they are not sent.
    tag : str
        Changes when the bytes do.
    forever : bool
        Whether this address will always give these bytes.
    """
    headers = {
        "ETag": f'"{tag}"',
        "Cache-Control": FOREVER if forever else "private, no-cache",
        "Accept-Ranges": "bytes",
    }
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    data = make()
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Response(data, headers=headers, media_type=media_type)
    part = _range(wanted, len(data))
    if part is None:
        return Response(data, headers=headers, media_type=media_type)
    begin, end = part
    if begin >= end:
        sentence = f"the range begins after the end: there are {len(data)} bytes"
        return JSONResponse({"error": sentence}, 416, headers | {"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
    return Response(data[begin:end], 206, headers=headers, media_type=media_type)


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Begin and end of one range; None for what is none, which is answered in full."""
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", text.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        return max(0, size - int(found[2])), size
    begin, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < begin:
        return None
    return begin, end
