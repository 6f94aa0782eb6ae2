"""Masks personal data on its way to the engine, and restores it on its way back to the caller who sent it."""

from __future__ import annotations

from collections import OrderedDict
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from yumen import Channel, Exchange, Hmac, Host, Manifest, Plugin, StreamFilter, Text, Unsupported
from yumen_plugins.anonymize.config import Action, AnonymizeConfig
from yumen_plugins.anonymize.detectors import select
from yumen_plugins.anonymize.operators import Hash, Mask, Pseudonym, Redact
from yumen_plugins.anonymize.pseudonym import TOKEN, Pseudonyms
from yumen_plugins.anonymize.restore import Restorer
from yumen_plugins.anonymize.scan import Hit, Scanner

TENANT_KEYS_MAX = 4096
OPERATORS: dict[str, Any] = {"pseudonym": Pseudonym(), "redact": Redact(), "mask": Mask(), "hash": Hash()}


class Anonymize(Plugin[AnonymizeConfig]):
    """See the module's docstring, and docs/plugins/anonymize.md for what it promises."""

    manifest: ClassVar[Manifest] = Manifest(name="anonymize", version="1.0.0", sees="raw", mutates=True, masks=True)

    def __init__(self, config: AnonymizeConfig) -> None:
        super().__init__(config)
        self._detectors = select(config.detect)
        self._actions: dict[str, Action] = {detector.id: self._action(detector.id) for detector in self._detectors}
        self._keys: OrderedDict[str, Hmac] = OrderedDict()

    def _action(self, kind: str) -> Action:
        """An exact id beats a glob, a glob beats the default."""
        actions = self.config.action
        globs = [glob for glob in actions if glob != "default" and fnmatchcase(kind, glob)]
        chosen: Action = actions.get(kind) or actions.get(globs[0] if globs else "default", "pseudonym")
        return chosen

    async def start(self, host: Host) -> None:
        self._host = host
        self._scanner = Scanner(self._detectors)

    async def on_request(self, exchange: Exchange) -> None:
        texts = exchange.texts
        for text in texts:
            if text.kind == "media":
                raise Unsupported(f"media at {text.path}")
        pseudonyms = exchange.state["pseudonyms"] = Pseudonyms(self._key(exchange.principal.tenant))
        for text, hits in zip(texts, self._scanner.scan([text.value for text in texts]), strict=True):
            for hit in hits:
                text.mask(hit.start, hit.end, self._replacement(hit, text.value[hit.start : hit.end], pseudonyms))
                self._find(exchange, text, hit)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        pseudonyms = self._pseudonyms(exchange)

        def mask(text: str) -> str:
            (hits,) = self._scanner.scan([text])
            for hit in hits:
                self._find(exchange, None, hit)
            return self._masked(text, hits, pseudonyms)

        return Restorer(pseudonyms, mask, source=channel.name == "tool_arguments")

    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.reply is not None
        texts = exchange.reply.texts
        pseudonyms = self._pseudonyms(exchange)
        for text, hits in zip(texts, self._scanner.scan([text.value for text in texts]), strict=True):
            for hit in hits:
                # The caller gets what the engine wrote; what is kept of it is masked.
                text.mask(hit.start, hit.end, self._replacement(hit, text.value[hit.start : hit.end], pseudonyms))
                self._find(exchange, text, hit)
            if "<" in text.value:
                for match in TOKEN.finditer(text.value):
                    value = pseudonyms.value(match)
                    if value is not None:
                        text.replace(match.start(), match.end(), value)

    def _pseudonyms(self, exchange: Exchange) -> Pseudonyms:
        """Those of the exchange; none, where the request hook did not get so far."""
        found: Pseudonyms | None = exchange.state.get("pseudonyms")
        return found or Pseudonyms(self._key(exchange.principal.tenant))

    def _masked(self, text: str, hits: list[Hit], pseudonyms: Pseudonyms) -> str:
        parts, position = [], 0
        for hit in hits:
            parts += [text[position : hit.start], self._replacement(hit, text[hit.start : hit.end], pseudonyms)]
            position = hit.end
        return "".join((*parts, text[position:]))

    def _replacement(self, hit: Hit, written: str, pseudonyms: Pseudonyms) -> str:
        action = self._actions[hit.detector.id]
        if action == "pseudonym":
            return pseudonyms.token(hit, written)
        params = {"hit": hit, "mac": pseudonyms.mac, "keep_last": self.config.mask_keep_last}
        replacement: str = OPERATORS[action].operate(written, params)
        return replacement

    def _find(self, exchange: Exchange, text: Text | None, hit: Hit) -> None:
        detector = hit.detector
        score = detector.score if hit.valid else detector.score / 2
        exchange.find(detector.id, category="pii", text=text, start=hit.start, end=hit.end, score=score)

    def _key(self, tenant: str) -> Hmac:
        key = self._keys.get(tenant)
        if key is None:
            key = self._keys[tenant] = Hmac(self._host.secret("anonymize", tenant))
            if len(self._keys) > TENANT_KEYS_MAX:
                self._keys.popitem(last=False)
        return key
