"""What a plugin says of its configuration (`rules`, `lint`, `engines`, `headers`): asked once, checked before use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec

from yumen.plugin import EngineRef, Lint, Plugin, Rule
from yumen.policy.headers import check_headers
from yumen.policy.reader import Source
from yumen.said import check_word

# Of one kind, of one instance.
MEMBERS_MAX = 100_000

MemberT = TypeVar("MemberT", bound=msgspec.Struct)


class Members(NamedTuple):
    """See `yumen.plugin.Plugin` for each."""

    rules: list[Rule]
    lints: list[Lint]
    engines: list[EngineRef]
    headers: tuple[str, ...]


def members(source: Source, who: str, plugin: Plugin[Any]) -> Members | None:
    """What `plugin` says, or None where any of it is not what it has to be, which `source.diagnostics` then says."""
    asker = _Asker(source, who)
    rules = asker.structs(plugin.rules, Rule, lambda rule: check_word(rule.id, "the id of a rule"))
    lints = asker.structs(plugin.lint, Lint)
    engines = asker.structs(plugin.engines, EngineRef)
    headers = asker.listed(plugin.headers)
    if rules is None or lints is None or engines is None or headers is None:
        return None
    return Members(rules, lints, engines, check_headers(source, who, headers))


class _Asker:
    def __init__(self, source: Source, who: str) -> None:
        self._source = source
        self._who = who

    def structs(
        self,
        method: Callable[[], Iterable[object]],
        kind: type[MemberT],
        check: Callable[[MemberT], None] = lambda _: None,
    ) -> list[MemberT] | None:
        """Everything that a method returns, where each is a Struct of a kind, with values that its fields take.

        `check` raises where one of them will not do nevertheless.
        """
        found = self.listed(method)
        if found is None:
            return None
        for one in found:
            if not isinstance(one, kind):
                self._wrong(method, f"one of them is of the type {type(one).__name__[:100]}, not {kind.__name__}")
                return None
        try:
            # A Struct that is made in Python is not checked by that; what JSON cannot hold has no place in a hash.
            made = msgspec.json.decode(msgspec.json.encode(found), type=list[kind])  # type: ignore[valid-type]  # known at run time
            for one in made:
                check(one)
            return made
        except BaseException as error:  # what stands in it may be anything
            self._wrong(method, self._source.sentence(("config",), error))
            return None

    def listed(self, method: Callable[[], Iterable[object]]) -> list[object] | None:
        """Everything that a method returns."""
        try:
            returned = method()
            if isinstance(returned, str | bytes):
                raise TypeError(f"it returns one {type(returned).__name__}")
            found = list(islice(returned, MEMBERS_MAX + 1))
        except BaseException as error:  # a plugin may raise anything
            self._wrong(method, self._source.sentence(("config",), error))
            return None
        if len(found) > MEMBERS_MAX:
            self._wrong(method, f"they are more than {MEMBERS_MAX}")
            return None
        return found

    def _wrong(self, method: Callable[[], Iterable[object]], why: str) -> None:
        what = f"{self._who} does not say what its `{method.__name__}` are: {why}"
        self._source.wrong(("config",), "policy.config", what, "correct it, or use another plugin")
