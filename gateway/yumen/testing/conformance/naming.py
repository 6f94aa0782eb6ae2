"""A plugin whose edits are watched: under which rule each is made, which the core does not keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yumen.plugin import Plugin


class NotedText:
    """A text that notes the rules of its edits; see `yumen.Text`."""

    def __init__(self, text: Any, rules: set[str]) -> None:
        self._text = text
        self._rules = rules

    def __getattr__(self, name: str) -> Any:
        return getattr(self._text, name)

    def replace(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        """See `yumen.Text`."""
        self._rules.add(rule)
        self._text.replace(start, end, new, rule=rule)

    def mask(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        """See `yumen.Text`."""
        self._rules.add(rule)
        self._text.mask(start, end, new, rule=rule)


class NotedTexts:
    """Whatever has texts, an exchange or its reply, whose texts note the rules of their edits."""

    def __init__(self, whole: Any, rules: set[str]) -> None:
        self._whole = whole
        self._rules = rules

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @property
    def texts(self) -> Sequence[Any]:
        """See `yumen.Exchange`."""
        return [NotedText(one, self._rules) for one in self._whole.texts]


class NotedExchange(NotedTexts):
    """An exchange, with its reply."""

    @property
    def reply(self) -> Any:
        """See `yumen.Exchange`."""
        return None if self._whole.reply is None else NotedTexts(self._whole.reply, self._rules)

    def find(self, rule: str, *, text: Any = None, **more: Any) -> Any:
        """See `yumen.Exchange`; the core knows its own texts only."""
        return self._whole.find(rule, text=text._text if isinstance(text, NotedText) else text, **more)


def noting(plugin: type[Plugin[Any]], rules: set[str]) -> type[Plugin[Any]]:
    """The plugin, with the rules of its edits, an empty one where it names none, put into `rules`."""
    members: dict[str, Any] = {"__module__": plugin.__module__}
    for name in ("on_request", "on_response"):
        inner: Any = getattr(plugin, name)
        if inner is not getattr(Plugin, name):
            members[name] = _noting(inner, rules)
    return type(plugin.__name__, (plugin,), members)


def _noting(hook: Any, rules: set[str]) -> Any:
    async def noting(self: Any, exchange: Any) -> Any:
        return await hook(self, NotedExchange(exchange, rules))

    return noting
