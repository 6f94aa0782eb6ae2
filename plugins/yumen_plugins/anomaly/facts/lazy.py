"""A property that is computed when it is first asked for, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

ValueT = TypeVar("ValueT")


class lazy(Generic[ValueT]):  # used as a decorator, like `property`
    """Like `functools.cached_property`, which on Python 3.11 lets one object at a time compute it, in any thread.

    One that takes long in a thread would hold up all others.
    """

    def __init__(self, compute: Callable[[Any], ValueT]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[ValueT]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> ValueT: ...
    def __get__(self, instance: object | None, owner: type) -> lazy[ValueT] | ValueT:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
