"""``preprocessor_config.json``, the settings of an image processor of Hugging Face."""

import json
from pathlib import Path
from typing import Any

from latentmap.core.errors import EncoderError, SchemaError
from latentmap.core.json_schema import FLAG, NUMBER, OrNone, Scalar, check, is_number, is_whole

CONFIG_FILE = "preprocessor_config.json"
MAX_CONFIG_BYTES = 2**20
_LENGTH = Scalar("a number of pixels", lambda value: is_whole(value) and 1 <= value <= 2**16)
_SIZE = Scalar(
    "a number of pixels, or an object with height and width or shortest_edge",
    lambda value: (
        value is None
        or _LENGTH.test(value)
        or (isinstance(value, list) and len(value) in (1, 2) and all(map(_LENGTH.test, value)))
        or (isinstance(value, dict) and all(one is None or _LENGTH.test(one) for one in value.values()))
    ),
)
_CHANNELS = OrNone(
    Scalar(
        "a number, or a list of up to 3",
        lambda value: (
            is_number(value) or (isinstance(value, list) and 1 <= len(value) <= 3 and all(map(is_number, value)))
        ),
    )
)
SCHEMA = {
    "size?": _SIZE,
    "crop_size?": _SIZE,
    "crop_pct?": OrNone(NUMBER),
    "do_center_crop?": OrNone(FLAG),
    "do_resize?": OrNone(FLAG),
    "do_rescale?": OrNone(FLAG),
    "do_normalize?": OrNone(FLAG),
    "do_flip_channel_order?": OrNone(FLAG),
    "rescale_factor?": OrNone(NUMBER),
    "image_mean?": _CHANNELS,
    "image_std?": _CHANNELS,
    "resample?": OrNone(Scalar("a filter from 0 to 5", lambda value: is_whole(value) and 0 <= value <= 5)),
}
# With crop_pct, images are cropped below this size of the input, and distorted from there on.
MAX_CROPPED_EDGE = 384


def read_preprocessor_config(path: Path) -> dict[str, Any]:
    """Read the settings of an image processor as parameters of :class:`~latentmap.encoder.preprocessing.Preprocessing`.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        ``fit``, ``edge``, ``size``, ``resample``, ``factor``, ``mean``, ``std`` and ``reverses_channels``, as far as
        the file has them. ``size`` is the height and width of the input.

    Raises
    ------
    EncoderError
        If the file is damaged, or holds settings that cannot be followed.
    """
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise EncoderError(f"{path}: larger than 1 MiB: it is no settings of an image processor")
        config = json.loads(path.read_bytes())
        if isinstance(config, dict) and isinstance(config.get("image_processor"), dict):
            config = config["image_processor"]
        check(config, SCHEMA)
    except (OSError, ValueError, RecursionError, SchemaError) as error:
        if isinstance(error, EncoderError):
            raise
        raise EncoderError(
            f"{path}: cannot be read as settings of an image processor ({error}): correct it, or remove it and pass "
            "encoder_size, encoder_mean and encoder_std"
        ) from error
    return _resizing(config, path) | _scaling(config)


def _scaling(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"reverses_channels": bool(config.get("do_flip_channel_order"))}
    if config.get("do_rescale") is False:
        found["factor"] = 1.0
    elif config.get("rescale_factor") is not None:
        found["factor"] = float(config["rescale_factor"])
    for name, neutral in (("mean", 0.0), ("std", 1.0)):
        value = config.get(f"image_{name}")
        if config.get("do_normalize") is False:
            found[name] = (neutral,)
        elif value is not None:
            found[name] = tuple(float(one) for one in (value if isinstance(value, list) else [value]))
    return found


def _resizing(config: dict[str, Any], path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if config.get("resample") is not None:
        found["resample"] = config["resample"]
    crops = config.get("do_center_crop", config.get("crop_size") is not None) and config.get("crop_size") is not None
    crop = _both_sides(config["crop_size"]) if crops else None
    size = config.get("size") if config.get("do_resize") is not False else None
    if size is None:
        return found | ({} if crop is None else {"size": crop, "edge": crop, "fit": "fill"})
    shortest = _shortest_edge(size, is_cropped=crop is not None)
    if shortest is None:
        sides = _both_sides(size)
        if sides is None:
            raise EncoderError(
                f"{path}: size {size} says neither height and width nor shortest_edge: pass encoder_size, and "
                "encoder_mean and encoder_std, with the file removed"
            )
        return found | {"size": crop or sides, "edge": sides, "fit": "stretch"}
    crop_pct = config.get("crop_pct")
    if crop is None and crop_pct is not None:
        if shortest >= MAX_CROPPED_EDGE or not 0 < crop_pct <= 1:
            return found | {"size": (shortest, shortest), "edge": (shortest, shortest), "fit": "stretch"}
        edge = int(shortest / crop_pct)
        return found | {"size": (shortest, shortest), "edge": (edge, edge), "fit": "fill"}
    return found | {"size": crop or (shortest, shortest), "edge": (shortest, shortest), "fit": "fill"}


def _both_sides(size: Any) -> tuple[int, int] | None:
    """Height and width, where the size says them."""
    if isinstance(size, dict):
        height, width = size.get("height"), size.get("width")
        edge = size.get("shortest_edge") if height is None and width is None else None
        return (edge, edge) if edge else (height, width) if height and width else None
    sides = size if isinstance(size, list) else [size]
    return sides[0], sides[-1]


def _shortest_edge(size: Any, *, is_cropped: bool) -> int | None:
    """Length of the shorter side, where the size says that, as a number does in older files if images are cropped."""
    if isinstance(size, dict):
        return size.get("shortest_edge") if size.get("height") is None else None
    single = size[0] if isinstance(size, list) and len(size) == 1 else size
    return single if is_cropped and isinstance(single, int) else None
