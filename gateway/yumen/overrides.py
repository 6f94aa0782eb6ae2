"""Whether what a plugin or engine overrides can be called as its base class is called.

A hook without `async`, or with other parameters, would fail at the first exchange, in the gateway's own code.
"""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any


def wrong_override(owner: type, base: type) -> str:
    """What is wrong with the first method of `base` that `owner` overrides otherwise, or empty.

    What is no Python function, such as compiled code, is taken as it is, as long as it can be called.
    """
    for name, method in vars(base).items():
        if name.startswith("_") or not isinstance(method, FunctionType):
            continue
        own = getattr(owner, name)
        if own is not method and (wrong := _wrong(own, method, inspect.getattr_static(owner, name))):
            return f"has `{name}` {wrong}: write `{_written(method)}`"
    return ""


def _wrong(own: Any, method: FunctionType, held: Any) -> str:
    if not callable(own):
        return "that is no method"
    if not _callable_like(own, method, held):
        return "with other parameters than the gateway gives it"
    # A wrapper that says what it wraps returns what that returns.
    innermost = inspect.unwrap(own)
    function = getattr(innermost, "__func__", innermost)
    if not isinstance(function, FunctionType):
        return ""
    if inspect.isasyncgenfunction(function):
        return "as an asynchronous generator, which nobody can await (return one)"
    awaited = inspect.iscoroutinefunction(function) or bool(function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE)
    if awaited == inspect.iscoroutinefunction(method):
        return ""
    return "with `async`, which nobody awaits" if awaited else "without `async`"


def _callable_like(own: Any, method: FunctionType, held: Any) -> bool:
    """Whether it takes as many arguments, given by position; what does not tell its parameters is believed."""
    # Of a static or class method, the class has taken `self` already, or never gives it.
    bound = isinstance(held, staticmethod | classmethod)
    try:
        inspect.signature(own).bind(*list(inspect.signature(method).parameters)[int(bound) :])
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _written(method: FunctionType) -> str:
    """The method's first line, as an author writes it."""
    word = "async def" if inspect.iscoroutinefunction(method) else "def"
    return f"{word} {method.__name__}({', '.join(inspect.signature(method).parameters)})"
