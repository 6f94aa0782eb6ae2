"""Versions of what plugins and engines are written against, and names that are on their way out of it.

A manifest says in `api` for which version it was written. The gateway takes its own and the one before, for which it
warns, and refuses every other: docs/versions.md has the rule.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

import msgspec

API_VERSION = 1
# Of how many callers a use of an old name is logged, each once.
CALLERS_MAX = 1000

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")


class Verdict(NamedTuple):
    """Whether a version is taken; `what` is wrong, or will be, `fix` says what to do; both are empty where all is well."""

    taken: bool
    what: str = ""
    fix: str = ""


class Deprecation(msgspec.Struct, frozen=True):
    """A public name that goes: since which API version it warns, which one has it no more, and what stands in its place."""

    name: str
    since: int
    removal: int
    instead: str


# What `deprecated` has marked, by name; a test holds it against the rule.
DEPRECATED: dict[str, Deprecation] = {}
_told: set[tuple[str, str]] = set()


def oldest(newest: int) -> int:
    """The oldest version that a gateway of version `newest` takes."""
    return max(1, newest - 1)


def verdict(api: object, newest: int | None = None) -> Verdict:
    """What becomes of something that is written for version `api`, in this gateway or one that has version `newest`."""
    newest = API_VERSION if newest is None else newest
    first = oldest(newest)
    taken = f"version {newest}" if first == newest else f"versions {first} and {newest}"
    if isinstance(api, bool) or not isinstance(api, int) or api < 1:
        return Verdict(False, "does not say in its manifest for which API version it is written", "get another release")
    if api > newest:
        what = f"is written for API version {api}, and this gateway has {taken}"
        return Verdict(False, what, "install a newer Yumen, or an older release of it")
    if api < first:
        what = f"is written for API version {api}, and this gateway has {taken}"
        return Verdict(False, what, "install a newer release of it, or an older Yumen")
    if api < newest:
        what = f"is written for API version {api}, which the next API version of Yumen will refuse"
        return Verdict(True, what, f"install a release of it for version {newest}")
    return Verdict(True)


def deprecated(
    name: str, *, since: int, removal: int, instead: str
) -> Callable[[Callable[ArgumentsT, ResultT]], Callable[ArgumentsT, ResultT]]:
    """Mark a public function or method, or the getter of a property, as one that goes: whoever calls it is told, once.

    Arguments: `name` as authors know it (`Exchange.old`); `since`, the API version that began to warn; `removal`, the first
    one without it, a later one; `instead`, what to write in its place. The log names the calling module, and
    `DeprecationWarning` the line.
    """
    if removal <= since:
        raise ValueError(f"`{name}` has to warn for one API version at least before it goes")
    deprecation = DEPRECATED[name] = Deprecation(name, since, removal, instead)
    message = f"`{name}` goes with API version {removal}; use {instead}"

    def mark(function: Callable[ArgumentsT, ResultT]) -> Callable[ArgumentsT, ResultT]:
        @functools.wraps(function)
        def marked(*args: ArgumentsT.args, **kwargs: ArgumentsT.kwargs) -> ResultT:
            _tell(deprecation, str(sys._getframe(1).f_globals.get("__name__")))
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        return marked

    return mark


def _tell(deprecation: Deprecation, caller: str) -> None:
    from yumen.telemetry import warn  # the contract itself rests on this module

    told = (deprecation.name, caller)
    if told not in _told and len(_told) < CALLERS_MAX:
        _told.add(told)
        about = {"caller": caller, **msgspec.to_builtins(deprecation)}
        sentence = f"{caller} uses `{deprecation.name}`, which goes with API version {deprecation.removal}"
        warn("deprecated_name", f"{sentence}; use {deprecation.instead}", **about)
