"""Types and ranges of what JSON files hold that may come from a stranger."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from latentmap.core.errors import SchemaError


@dataclass(frozen=True)
class Kind:
    """A single value: how it is called in messages, and a test that says whether a value is one."""

    text: str
    test: Callable[[Any], bool]


@dataclass(frozen=True)
class ListOf:
    """A list of values of one schema."""

    item: Any
    least: int = 0
    most: int | None = None


@dataclass(frozen=True)
class MapOf:
    """An object with any keys of one kind, and values of one schema."""

    key: Kind
    value: Any


@dataclass(frozen=True)
class OrNone:
    """A value of a schema, or null."""

    schema: Any


# A dict is an object with these fields; "?" at the end of a name stands for one that may be missing.
Schema = Kind | ListOf | MapOf | OrNone | dict[str, Any]

MAX_SIDE = 2**16  # pixels of a side of an image
MAX_DEPTH = 4  # of lists and objects in a value that no schema describes
MAX_COUNT = 2**40  # images, bytes of a small file and the like


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _depth(value: Any) -> int:
    """Levels of lists and objects in a value, at most one more than are allowed."""
    level, depth = [value], 0
    while depth <= MAX_DEPTH and (inner := [one for one in level if isinstance(one, dict | list) and one]):
        level = [one for outer in inner for one in (outer.values() if isinstance(outer, dict) else outer)]
        depth += 1
    return depth


TEXT = Kind("a text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
COUNT = Kind("a whole number of at least 0", lambda value: is_whole(value) and 0 <= value <= MAX_COUNT)
POSITIVE = Kind("a number of at least 0", lambda value: is_number(value) and value >= 0)
NUMBER = Kind("a number", is_number)
FRACTION = Kind("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1)
SIDE = Kind(f"a whole number from 1 to {MAX_SIDE}", lambda value: is_whole(value) and 1 <= value <= MAX_SIDE)
DIGEST = Kind("a SHA-256", lambda value: isinstance(value, str) and len(value) <= 64)
PLAIN = Kind("a value of few levels", lambda value: _depth(value) <= MAX_DEPTH)


def check(value: Any, schema: Schema, where: str = "") -> None:
    """Raise SchemaError, with the place, what was found and what is wanted, unless a value fits a schema."""
    if isinstance(schema, Kind):
        if not schema.test(value):
            raise SchemaError(f"{where or 'the file'} is {shown(value)}, not {schema.text}")
    elif isinstance(schema, OrNone):
        if value is not None:
            check(value, schema.schema, where)
    elif isinstance(schema, ListOf):
        if not isinstance(value, list) or len(value) < schema.least:
            raise SchemaError(f"{where or 'the file'} is {shown(value)}, not a list of at least {schema.least}")
        if schema.most is not None and len(value) > schema.most:
            raise SchemaError(f"{where} has {len(value)} values, at most {schema.most} are wanted")
        for number, one in enumerate(value):
            check(one, schema.item, f"{where}[{number}]")
    elif isinstance(schema, MapOf):
        for name, one in _object(value, where).items():
            check(name, schema.key, f"a name in {where or 'the file'}")
            check(one, schema.value, f"{where}.{shown(name)[1:-1]}")
    else:
        _check_fields(_object(value, where), schema, where)


def shown(value: Any) -> str:
    """A value in a message, cut short."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}…{text[-1]}"


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SchemaError(f"{where or 'the file'} is {shown(value)}, not an object")
    return value


def _check_fields(value: Mapping[str, Any], fields: dict[str, Any], where: str) -> None:
    for field, schema in fields.items():
        name = field.rstrip("?")
        place = f"{where}.{name}" if where else name
        if name in value:
            check(value[name], schema, place)
        elif not field.endswith("?"):
            raise SchemaError(f"{place} is missing")
