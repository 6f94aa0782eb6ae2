"""What is put in the place of values, on their way to the engine and in what it writes itself."""

from __future__ import annotations

from typing import Any

from yumen_plugins.anonymize.config import Action, AnonymizeConfig, ReplyAction
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.keys import Keys
from yumen_plugins.anonymize.operators import OPERATORS
from yumen_plugins.anonymize.pseudonym import Pseudonyms
from yumen_plugins.anonymize.restore import places


class Actions:
    """The actions of one configuration, by rule."""

    def __init__(self, config: AnonymizeConfig, rules: list[str]) -> None:
        self.requests: dict[str, Action] = {rule: config.action_of(rule) for rule in rules}
        self.replies: dict[str, ReplyAction] = {rule: config.reply_action_of(rule) for rule in rules}
        self.restores = frozenset(rule for rule in rules if config.restores(rule))
        self.keep_last = config.mask_keep_last


class Masking:
    """The masking of one exchange: its tenant's keys and its pseudonyms. `keys` are asked once something needs them."""

    def __init__(self, actions: Actions, pseudonyms: Pseudonyms, tenant: str, keys: Keys) -> None:
        self.pseudonyms = pseudonyms
        self._actions = actions
        self._tenant = tenant
        self._keys = keys
        self._given: dict[str, Any] = {}

    def request(self, hit: Hit, written: str) -> str | None:
        """What the engine gets in the place of a value; None where it stays, or where its place is taken."""
        if hit.covered:
            return None
        action = self._actions.requests[hit.detector.id]
        if action == "pseudonym":
            return self.pseudonyms.token(hit, written)
        return None if action == "keep" else self._operate(action, hit, written)

    def made_up(self, text: str, hits: list[Hit]) -> list[Hit]:
        """Those values of a reply that are no part of what stands for a value of the caller."""
        if not hits:
            return hits
        spans = places(text, self.pseudonyms)
        return [hit for hit in hits if not any(start <= hit.start and hit.end <= end for start, end, _ in spans)]

    def kept(self, hit: Hit, written: str) -> str | None:
        """What stores get in the place of a value that the engine wrote; None where it stays."""
        new = self.request(hit, written)
        return new if new is not None else self.reply(hit, written)

    def stored(self, text: str, hits: list[Hit]) -> str:
        """What stores get of a text that the engine wrote."""
        edits = [
            (hit.start, hit.end, new) for hit in hits if (new := self.kept(hit, text[hit.start : hit.end])) is not None
        ]
        return edited(text, edits)

    def reply(self, hit: Hit, written: str) -> str | None:
        """What the caller gets in the place of a value that the engine wrote; None where it stays.

        What holds a pseudonym is not the engine's own: the caller gets back what he sent.
        """
        if hit.covered or places(written, self.pseudonyms):
            return None
        action = self._actions.replies[hit.detector.id]
        return None if action == "keep" else self._operate(action, hit, written)

    def _operate(self, action: str, hit: Hit, written: str) -> str:
        replacement: str = OPERATORS[action].operate(written, {**self._params(), "hit": hit})
        return replacement

    def _params(self) -> dict[str, Any]:
        """What operators are given. Most exchanges need none of it, and making the keys takes longer than masking."""
        if not self._given:
            tenant, keys = self._tenant, self._keys
            self._given = {
                "mac": keys.mac(tenant), "tenant": tenant, "seal": keys.seal(tenant),
                "keep_last": self._actions.keep_last, "pseudonyms": self.pseudonyms,
            }  # fmt: skip
        return self._given


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """A text with some of its spans replaced; they are in order and apart."""
    parts: list[str] = []
    position = 0
    for start, end, new in edits:
        parts += [text[position:start], new]
        position = end
    return "".join((*parts, text[position:]))
