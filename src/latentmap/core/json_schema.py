"""Schemas for JSON files from untrusted sources: types and ranges of their values."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from latentmap.core.errors import SchemaError


@dataclass(frozen=True)
class Scalar:
    """Schema of a single value.

    Attributes
    ----------
    text : str
        Description in messages.
    test : callable
        Returns whether a value fits.
    """

    text: str
    test: Callable[[Any], bool]


@dataclass(frozen=True)
class ListOf:
    """Schema of a list whose items have one schema, with a minimum and an optional maximum length."""

    item: Any
    min_length: int = 0
    max_length: int | None = None


@dataclass(frozen=True)
class MapOf:
    """Schema of an object with arbitrary keys that fit ``key`` and values that fit ``value``."""

    key: Scalar
    value: Any


@dataclass(frozen=True)
class OrNone:
    """Schema of a value that may be null."""

    schema: Any


# A dict is the schema of an object with these fields; "?" at the end of a name marks an optional field.
Schema = Scalar | ListOf | MapOf | OrNone | dict[str, Any]

MAX_IMAGE_SIDE = 2**16  # pixels
MAX_NESTING = 4  # levels of lists and objects in a value without its own schema
MAX_JSON_COUNT = 2**40


def is_whole(value: Any) -> bool:
    """Whether a value is an integer and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _nesting(value: Any) -> int:
    """Number of levels of nested lists and objects in a value, counted up to ``MAX_NESTING + 1``."""
    level, nesting = [value], 0
    while nesting <= MAX_NESTING and (inner := [one for one in level if isinstance(one, dict | list) and one]):
        level = [one for outer in inner for one in (outer.values() if isinstance(outer, dict) else outer)]
        nesting += 1
    return nesting


TEXT = Scalar("a text", lambda value: isinstance(value, str))
FLAG = Scalar("true or false", lambda value: isinstance(value, bool))
COUNT = Scalar("a whole number of at least 0", lambda value: is_whole(value) and 0 <= value <= MAX_JSON_COUNT)
POSITIVE = Scalar("a number of at least 0", lambda value: is_number(value) and value >= 0)
NUMBER = Scalar("a number", is_number)
FRACTION = Scalar("a number from 0 to 1", lambda value: is_number(value) and 0 <= value <= 1)
SIDE = Scalar(
    f"a whole number from 1 to {MAX_IMAGE_SIDE}", lambda value: is_whole(value) and 1 <= value <= MAX_IMAGE_SIDE
)
DIGEST = Scalar("a SHA-256", lambda value: isinstance(value, str) and len(value) <= 64)
PLAIN = Scalar("a value of few levels", lambda value: _nesting(value) <= MAX_NESTING)


def check(value: Any, schema: Schema, where: str = "") -> None:
    """Check that a value fits a schema.

    Parameters
    ----------
    value : object
        Value from ``json.loads``.
    schema : Schema
    where : str, optional
        Place of the value in the file, for the message.

    Raises
    ------
    SchemaError
        If it does not fit; the message names the place, the value found and the value expected.
    """
    if isinstance(schema, Scalar):
        if not schema.test(value):
            raise SchemaError(f"{where or 'the file'} is {short_repr(value)}, not {schema.text}")
    elif isinstance(schema, OrNone):
        if value is not None:
            check(value, schema.schema, where)
    elif isinstance(schema, ListOf):
        if not isinstance(value, list) or len(value) < schema.min_length:
            raise SchemaError(
                f"{where or 'the file'} is {short_repr(value)}, not a list of at least {schema.min_length}"
            )
        if schema.max_length is not None and len(value) > schema.max_length:
            raise SchemaError(f"{where} has {len(value)} values, at most {schema.max_length} are wanted")
        for number, one in enumerate(value):
            check(one, schema.item, f"{where}[{number}]")
    elif isinstance(schema, MapOf):
        for name, one in _check_object(value, where).items():
            check(name, schema.key, f"a name in {where or 'the file'}")
            check(one, schema.value, f"{where}.{short_repr(name)[1:-1]}")
    else:
        _check_fields(_check_object(value, where), schema, where)


def short_repr(value: Any) -> str:
    """Abbreviated representation of a value for messages."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}…{text[-1]}"


def _check_object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SchemaError(f"{where or 'the file'} is {short_repr(value)}, not an object")
    return value


def _check_fields(value: Mapping[str, Any], fields: dict[str, Any], where: str) -> None:
    for field, schema in fields.items():
        name = field.rstrip("?")
        place = f"{where}.{name}" if where else name
        if name in value:
            check(value[name], schema, place)
        elif not field.endswith("?"):
            raise SchemaError(f"{place} is missing")
