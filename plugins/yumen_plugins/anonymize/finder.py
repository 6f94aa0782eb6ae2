"""Everything that finds: the scanner, the author's patterns, words and places, and a model for names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yumen import Exchange, Host, Text
from yumen_plugins.anonymize.config import AnonymizeConfig
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.fields import Fields
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.masking import Actions
from yumen_plugins.anonymize.members import Members
from yumen_plugins.anonymize.ner import Ner
from yumen_plugins.anonymize.own import Own
from yumen_plugins.anonymize.scan import Scanner
from yumen_plugins.anonymize.words import Words


class Finder:
    """What one configuration looks for, without the rules that policy has switched off. `every` are its detectors."""

    def __init__(self, config: AnonymizeConfig, detectors: tuple[Detector, ...], actions: Actions, host: Host) -> None:
        off = host.disabled
        self._fields = Fields([one for one in config.fields if one.id not in off])
        self._ner = None if config.ner is None else Ner(host.engine(config.ner.engine), config.ner)
        self._ner_replies = config.ner is not None and config.ner.replies
        ner = () if self._ner is None else self._ner.detectors
        self.scanner = Scanner(
            tuple(one for one in detectors if one.id not in off),
            tuple(
                Own(one.id, one.pattern, one.context, one.description, one.score)
                for one in config.patterns
                if one.id not in off
            ),
            keeps=frozenset(rule for rule, action in actions.requests.items() if action == "keep"),
            blocks=frozenset(rule for rule, action in actions.requests.items() if action == "block"),
            lists=tuple(Words(one) for one in config.lists if one.id not in off),
            others=(*self._fields.detectors, *ner),
            spelling=config.spelling,
        )
        self.every = self.scanner.every
        # What stands in a certain place, or what a model finds, is known only of a whole reply.
        self.needs_whole = self._fields.in_streams or (self._ner is not None and self._ner_replies)

    async def start(self) -> None:
        """Error: `CannotStart` where the model can find nothing."""
        if self._ner is not None:
            await self._ner.start()

    async def find(
        self, texts: Sequence[Text], exchange: Exchange, key: bytes, *, reply: bool = False
    ) -> list[list[Hit]]:
        """The values in the texts of a request or reply, settled under the modes of the exchange."""
        values = [text.value for text in texts]
        members = Members(texts)
        found = self._fields.find(texts, members) if self._fields.detectors else None
        if self._ner is not None and (not reply or self._ner_replies):
            more = await self._ner.find(values, exchange.principal.tenant)
            found = more if found is None else [[*one, *other] for one, other in zip(found, more, strict=True)]
        return self.scanner.scan(
            values,
            exchange.mode,
            names=members.before(texts) if members else (),
            found=found or (),
            tenant=exchange.principal.tenant,
            key=key,
            # Of a stream a table's headings have gone on long ago, and a plain reply is masked as a stream is.
            tables=not reply,
        )

    def reader(self, exchange: Exchange, key: bytes) -> Callable[[str], list[Hit]]:
        """The same for the whole text of a stream."""

        def find(text: str) -> list[Hit]:
            (hits,) = self.scanner.scan([text], exchange.mode, tenant=exchange.principal.tenant, key=key, tables=False)
            return hits

        return find

    def readings(self, exchange: Exchange, made_up: Callable[[str, list[Hit]], list[Hit]]) -> Readings:
        """The same for a stream as it grows. `made_up` leaves out what is the caller's own."""
        return Readings(self.scanner, exchange, made_up)


class Readings:
    """What a scanner makes of a text that has not ended, under the modes of one exchange."""

    def __init__(self, scanner: Scanner, exchange: Exchange, made_up: Callable[[str, list[Hit]], list[Hit]]) -> None:
        self._made_up = made_up
        self._scanner = scanner
        self._exchange = exchange
        self._tenant = exchange.principal.tenant
        self.plain = scanner.plain

    def read(self, text: str) -> list[Hit]:
        """Every reading."""
        return self._scanner.readings(text, self._tenant)

    def settle(self, text: str, hits: list[Hit]) -> list[Hit]:
        """Those that count."""
        return self._made_up(text, self._scanner.settled(text, hits, self._exchange.mode))
