"""A cached property for objects that several threads read."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class locked_cached_property(Generic[T]):  # noqa: N801
    """As functools.cached_property, but computed only once even if several threads read it first.

    The object has the lock as its attribute ``_loading``, a threading.RLock.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _: type | None = None) -> T:
        values = instance.__dict__  # where the next access finds it
        with instance._loading:
            if self._name not in values:
                values[self._name] = self._make(instance)
            found: T = values[self._name]
            return found
