"""Masks personal data on its way to the engine, and restores it on its way back to the caller who sent it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from yumen import (
    Block,
    Channel,
    Decision,
    Exchange,
    Finding,
    Hmac,
    Host,
    Lint,
    Manifest,
    Plugin,
    Rule,
    StreamFilter,
    Text,
    Unsupported,
)
from yumen_plugins.anonymize.config import EVERYTHING, Action, AnonymizeConfig
from yumen_plugins.anonymize.detectors import select
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.lint import lints
from yumen_plugins.anonymize.operators import Hash, Mask, Pseudonym, Redact
from yumen_plugins.anonymize.own import Own
from yumen_plugins.anonymize.pseudonym import TOKEN, Pseudonyms
from yumen_plugins.anonymize.restore import Restorer
from yumen_plugins.anonymize.scan import Scanner

TENANT_KEYS_MAX = 4096
# What ends an exchange is written down as its kind alone.
OPERATORS: dict[str, Any] = {
    "pseudonym": Pseudonym(), "redact": Redact(), "mask": Mask(), "hash": Hash(), "block": Redact(),
}  # fmt: skip


class Anonymize(Plugin[AnonymizeConfig]):
    """See the module's docstring, and docs/plugins/anonymize.md for what it promises."""

    manifest: ClassVar[Manifest] = Manifest(name="anonymize", version="1.1.0", sees="raw", mutates=True, masks=True)

    def __init__(self, config: AnonymizeConfig) -> None:
        super().__init__(config)
        self._detectors = select(config.detect)
        rules = [*(detector.id for detector in self._detectors), *(pattern.id for pattern in config.patterns)]
        self._actions: dict[str, Action] = {rule: config.action_of(rule) for rule in rules}
        self._keys: OrderedDict[str, Hmac] = OrderedDict()
        self._blocks: tuple[str, ...] = ()

    def rules(self) -> Sequence[Rule]:
        """One per detector that is on, and one per pattern of the author's own."""
        detect = self.config.detect
        rules = []
        for one in self._detectors:
            index = next(index for index, glob in enumerate(detect) if fnmatchcase(one.id, glob))
            # What nobody wrote has no place.
            rules.append(Rule(one.id, one.description, () if detect is EVERYTHING else ("detect", index)))
        patterns = enumerate(self.config.patterns)
        return [*rules, *(Rule(one.id, one.description, ("patterns", index)) for index, one in patterns)]

    def lint(self) -> Sequence[Lint]:
        """Patterns that cannot run, and entries that never apply."""
        return lints(self.config)

    def judge(self, exchange: Exchange, finding: Finding) -> Decision | None:
        """What was found decides by its rule alone, so the value is not needed."""
        return exchange.block(finding.rule) if self._actions.get(finding.rule) == "block" else None

    async def start(self, host: Host) -> None:
        self._host = host
        actions = {rule: action for rule, action in self._actions.items() if rule not in host.disabled}
        self._blocks = tuple(rule for rule, action in actions.items() if action == "block")
        self._scanner = Scanner(
            tuple(one for one in self._detectors if one.id in actions),
            tuple(
                Own(one.id, one.pattern, one.context, one.description, one.score)
                for one in self.config.patterns
                if one.id in actions
            ),
            keeps=frozenset(rule for rule, action in actions.items() if action == "keep"),
            blocks=frozenset(self._blocks),
        )

    async def on_request(self, exchange: Exchange) -> Block | None:
        texts = exchange.texts
        for text in texts:
            if text.kind == "media":
                raise Unsupported(f"media at {text.path}")
        pseudonyms = exchange.state["pseudonyms"] = Pseudonyms(self._key(exchange.principal.tenant))
        found = self._scanner.scan([text.value for text in texts], exchange.mode)
        for text, hits in zip(texts, found, strict=True):
            for hit in hits:
                new = self._replacement(hit, text.value[hit.start : hit.end], pseudonyms)
                if new is not None:
                    text.mask(hit.start, hit.end, new, rule=hit.detector.id)
                self._find(exchange, text, hit)
        return self._verdict(exchange, found) if self._blocks else None

    def whole(self, exchange: Exchange) -> bool:
        """What a rule may end must not have begun to leave."""
        return any(exchange.mode(rule) == "enforce" for rule in self._blocks)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        pseudonyms = self._pseudonyms(exchange)

        def mask(text: str) -> str:
            found = self._scanner.scan([text], exchange.mode)
            (hits,) = found
            for hit in hits:
                self._find(exchange, None, hit)
            if self._blocks:
                # Where one of them enforces there are no filters; in shadow it is noted.
                self._verdict(exchange, found)
            return self._masked(text, hits, pseudonyms)

        return Restorer(pseudonyms, mask, source=channel.name == "tool_arguments")

    async def on_response(self, exchange: Exchange) -> Block | None:
        assert exchange.reply is not None
        texts = exchange.reply.texts
        pseudonyms = self._pseudonyms(exchange)
        found = self._scanner.scan([text.value for text in texts], exchange.mode)
        for text, hits in zip(texts, found, strict=True):
            for hit in hits:
                # The caller gets what the engine wrote; what is kept of it is masked.
                new = self._replacement(hit, text.value[hit.start : hit.end], pseudonyms)
                if new is not None:
                    text.mask(hit.start, hit.end, new, rule=hit.detector.id)
                self._find(exchange, text, hit)
            if "<" in text.value:
                for match in TOKEN.finditer(text.value):
                    value = pseudonyms.value(match)
                    if value is not None:
                        text.replace(match.start(), match.end(), value)
        return self._verdict(exchange, found) if self._blocks else None

    def _pseudonyms(self, exchange: Exchange) -> Pseudonyms:
        """Those of the exchange; none, where the request hook did not get so far."""
        found: Pseudonyms | None = exchange.state.get("pseudonyms")
        return found or Pseudonyms(self._key(exchange.principal.tenant))

    def _masked(self, text: str, hits: list[Hit], pseudonyms: Pseudonyms) -> str:
        parts, position = [], 0
        for hit in hits:
            new = self._replacement(hit, text[hit.start : hit.end], pseudonyms)
            if new is not None:
                parts += [text[position : hit.start], new]
                position = hit.end
        return "".join((*parts, text[position:]))

    def _replacement(self, hit: Hit, written: str, pseudonyms: Pseudonyms) -> str | None:
        """What is put in the place of a value; None where it stays, or where its place is taken."""
        action = self._actions[hit.detector.id]
        if action == "pseudonym":
            return pseudonyms.token(hit, written)
        if action == "keep" or hit.covered:
            return None
        params = {"hit": hit, "mac": pseudonyms.mac, "keep_last": self.config.mask_keep_last}
        replacement: str = OPERATORS[action].operate(written, params)
        return replacement

    def _find(self, exchange: Exchange, text: Text | None, hit: Hit) -> None:
        detector = hit.detector
        score = detector.score if hit.valid else detector.score / 2
        exchange.find(detector.id, category="pii", text=text, start=hit.start, end=hit.end, score=score)

    def _verdict(self, exchange: Exchange, found: list[list[Hit]]) -> Block | None:
        """The block of the first rule that ends the exchange; every rule that would is asked, so that shadow is noted."""
        rules = dict.fromkeys(hit.detector.id for hits in found for hit in hits if hit.detector.id in self._blocks)
        blocks = [block for rule in rules if (block := exchange.block(rule)) is not None]
        return blocks[0] if blocks else None

    def _key(self, tenant: str) -> Hmac:
        key = self._keys.get(tenant)
        if key is None:
            key = self._keys[tenant] = Hmac(self._host.secret("anonymize", tenant))
            if len(self._keys) > TENANT_KEYS_MAX:
                self._keys.popitem(last=False)
        return key
