"""The colours by which channels are mixed for the page: those of a request, of the kept setting, or of the run."""

import json
import re
from pathlib import Path
from typing import Any

from starlette.requests import Request

from latentmap.core.atomic_files import write_text
from latentmap.core.errors import InputError
from latentmap.explorer.answers import BadRequest
from latentmap.explorer.atlas_view import AtlasView
from latentmap.images.mixing import MixedChannel, Mixing

SETTING_FILE = Path("explorer") / "channels.json"
MAX_SETTING_BYTES = 2**20
_CHANNEL = re.compile(r"(-?)([0-9a-f]{6}):([0-9]{1,2}(?:\.[0-9]{1,3})?)")


def current_mixing(data: AtlasView) -> Mixing | None:
    """The colours that the reader has set, or those of the run; None if images have no channels."""
    own = data.mixing
    if own is None:
        return None
    path = data.path / SETTING_FILE
    try:
        if path.stat().st_size > MAX_SETTING_BYTES:
            return own
        return Mixing.from_list(json.loads(path.read_bytes()), len(own.channels))
    except (OSError, ValueError, RecursionError):  # there is none, or a damaged one
        return own


def keep_mixing(data: AtlasView, values: Any) -> Mixing:
    """Keep colours as the setting of the run.

    Raises
    ------
    BadRequest
        If they are none, or the images have no channels.
    """
    own = data.mixing
    if own is None:
        raise BadRequest("channels: the images of this run are grey or in colour")
    try:
        mixing = Mixing.from_list(values, len(own.channels))
    except InputError as error:
        raise BadRequest(str(error)) from error
    path = data.path / SETTING_FILE
    path.parent.mkdir(exist_ok=True)
    write_text(path, json.dumps(mixing.as_list(), indent=1))
    return mixing


def requested_mixing(request: Request, data: AtlasView) -> Mixing | None:
    """The colours of a request such as ``mix=00ff00:1,-ff0000:0.5``, where - marks channels that are not shown.

    Raises
    ------
    BadRequest
        If they are none.
    """
    text, own = request.query_params.get("mix"), data.mixing
    if text is None or own is None:
        return current_mixing(data)
    parts = text.split(",")
    found = [_CHANNEL.fullmatch(part) for part in parts]
    if len(parts) != len(own.channels) or not all(found):
        raise BadRequest(
            f"mix: pass {len(own.channels)} colours such as 00ff00:1, or -00ff00:1 for one that is not shown"
        )
    try:
        return Mixing(tuple(MixedChannel(f"#{one[2]}", not one[1], float(one[3])) for one in found if one))
    except InputError as error:
        raise BadRequest(f"mix: {error}") from error


def mixing_tag(mixing: Mixing | None) -> str:
    """A tag of pictures that are mixed by these colours; empty if pictures are not mixed."""
    if mixing is None:
        return ""
    return "-".join(f"{one.color[1:]}{one.brightness:g}{'' if one.visible else 'x'}" for one in mixing.channels)


def channel_facts(data: AtlasView) -> list[dict[str, Any]]:
    """Names, ranges and colours of the channels as the page takes them; empty if images have no channels."""
    mixing, own = current_mixing(data), data.mixing
    if mixing is None or own is None:
        return []
    return [
        {"name": one.name, "low": one.low, "high": one.high, "own": vars(usual)} | vars(look)
        for one, usual, look in zip(data.run.channels, own.channels, mixing.channels, strict=True)
    ]
