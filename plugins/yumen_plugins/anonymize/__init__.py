"""Masks personal data on its way to the engine, and restores it on its way back to the caller who sent it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from yumen import (
    AdminCall,
    Block,
    Channel,
    Decision,
    EngineRef,
    Erasure,
    Exchange,
    Finding,
    Host,
    Lint,
    Manifest,
    Metrics,
    Plugin,
    Rule,
    StreamFilter,
    Text,
    Unsupported,
)
from yumen_plugins.anonymize.config import EVERYTHING, AnonymizeConfig, listed
from yumen_plugins.anonymize.detectors import names, select
from yumen_plugins.anonymize.encodings import is_json, without_json_escapes
from yumen_plugins.anonymize.finder import Finder
from yumen_plugins.anonymize.hits import Allowed, Hit
from yumen_plugins.anonymize.keys import Keys
from yumen_plugins.anonymize.lint import lints
from yumen_plugins.anonymize.masking import Actions, Masking, edited
from yumen_plugins.anonymize.ner import detectors as ner_detectors
from yumen_plugins.anonymize.ner import engine_of
from yumen_plugins.anonymize.pseudonym import Entry
from yumen_plugins.anonymize.replies import Replies, ReplyFilter
from yumen_plugins.anonymize.restore import places, restored
from yumen_plugins.anonymize.reveal import reveal
from yumen_plugins.anonymize.vault import Vault


class Anonymize(Plugin[AnonymizeConfig]):
    """See the module's docstring, and docs/plugins/anonymize.md for what it promises.

    What its vault keeps is encrypted under a key that the store has not, so it stores nothing in the sense of the manifest.
    """

    manifest: ClassVar[Manifest] = Manifest(
        name="anonymize", version="2.1.0", sees="raw", mutates=True, masks=True, admin="anonymize"
    )

    def __init__(self, config: AnonymizeConfig) -> None:
        super().__init__(config)
        self._detectors = select(config.detect)
        self._actions = Actions(config, [*(detector.id for detector in self._detectors), *config.own])

    def rules(self) -> Sequence[Rule]:
        """One per detector that is on, and one for everything of the author's own."""
        config = self.config
        rules = []
        for one in self._detectors:
            index = next(index for index, glob in enumerate(config.detect) if names(one.id, glob))
            # What nobody wrote has no place.
            path = () if config.detect is EVERYTHING else ("detect", index)
            rules.append(Rule(one.id, one.description, path))
        rules += [Rule(one.id, one.description, (key, index)) for key, index, one in listed(config)]
        if config.ner is not None:
            rules += [Rule(one.id, one.description, ("ner", "labels")) for one in ner_detectors(config.ner)]
        # Several places may hold the same kind of thing; the first is shown.
        return list({rule.id: rule for rule in reversed(rules)}.values())[::-1]

    def lint(self) -> Sequence[Lint]:
        """Patterns and paths that cannot be used, and entries that never apply."""
        return lints(self.config)

    def engines(self) -> Sequence[EngineRef]:
        """The model for names and places, if there is one."""
        return () if self.config.ner is None else (engine_of(self.config.ner),)

    def judge(self, exchange: Exchange, finding: Finding) -> Decision | None:
        """What was found decides by its rule alone, so the value is not needed."""
        actions = self._actions.requests if finding.direction == "request" else self._actions.replies
        return exchange.block(finding.rule) if actions.get(finding.rule) == "block" else None

    async def start(self, host: Host) -> None:
        self._host = host
        on = [rule for rule in self._actions.requests if rule not in host.disabled]
        self._blocks = frozenset(rule for rule in on if self._actions.requests[rule] == "block")
        self._reply_blocks = frozenset(rule for rule in on if self._actions.replies[rule] == "block")
        # Compiling takes seconds where there is much to find, and at a reload exchanges go on meanwhile.
        self._finder = await asyncio.to_thread(Finder, self.config, self._detectors, self._actions, host)
        await self._finder.start()
        self._replies = Replies(self._finder.every, self._actions)
        self._keys = Keys(host, self.config.pseudonyms)
        # A method of this plugin would make a circle of it, and its scanner would stay until the collector comes by.
        ignored = partial(_count_ignored, host.metrics)
        self._vault = Vault(host.store, self._keys.vault, self.config.vault, now=host.now, ignored=ignored)

    async def on_request(self, exchange: Exchange) -> Block | None:
        texts = exchange.texts
        for text in texts:
            if text.kind == "media":
                raise Unsupported(f"media at {text.path}")
        tenant, session, subject = exchange.principal.tenant, exchange.session, exchange.subject
        known = await self._vault.known(tenant, session, subject)
        masking = exchange.state["masking"] = self._knowing(exchange, known)
        found = await self._finder.find(texts, exchange, self._keys.memo(tenant))
        for text, hits in zip(texts, found, strict=True):
            for hit in hits:
                written = text.value[hit.start : hit.end]
                if "\\u" in written and is_json(text.value):
                    # Where it comes back is seldom the JSON in which it was written so.
                    written = without_json_escapes(written)
                new = masking.request(hit, written)
                if new is not None:
                    text.mask(hit.start, hit.end, new, rule=hit.detector.id)
                self._find(exchange, text, hit)
        fresh = masking.pseudonyms.fresh
        if fresh:
            # Before the engine can have seen them: what it answers later must find them.
            await self._vault.keep(tenant, session, fresh, subject, known.seed)
            fresh.clear()
        return self._verdict(exchange, found, self._blocks) if self._blocks else None

    def whole(self, exchange: Exchange) -> bool:
        """What a rule may end must not have begun to leave, and some things can only be seen whole."""
        if any(exchange.mode(rule) == "enforce" for rule in self._reply_blocks):
            return True
        return self._finder.needs_whole or any(exchange.mode(rule) == "enforce" for rule in self._replies.whole)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        masking = self._known(exchange)
        find = self._finder.reader(exchange, self._keys.memo(exchange.principal.tenant))

        def mask(text: str) -> str:
            hits = masking.made_up(text, find(text))
            for hit in hits:
                self._find(exchange, None, hit)
            if self._reply_blocks:
                # Where one of them enforces there are no filters; in shadow it is noted.
                self._verdict(exchange, [hits], self._reply_blocks)
            return masking.stored(text, hits)

        def edit(hit: Hit, written: str) -> str | None:
            return masking.reply(hit, written) if exchange.mode(hit.detector.id) == "enforce" else None

        screen = self._replies.screen(self._finder.readings(exchange, masking.made_up), edit)
        return ReplyFilter(masking.pseudonyms, mask, screen, source=channel.name == "tool_arguments")

    async def on_response(self, exchange: Exchange) -> Block | None:
        assert exchange.reply is not None
        texts = exchange.reply.texts
        masking = self._known(exchange)
        found = await self._finder.find(texts, exchange, self._keys.memo(exchange.principal.tenant), reply=True)
        found = [masking.made_up(text.value, hits) for text, hits in zip(texts, found, strict=True)]
        for text, hits in zip(texts, found, strict=True):
            for hit in hits:
                new = masking.kept(hit, text.value[hit.start : hit.end])
                if new is not None:
                    text.mask(hit.start, hit.end, new, rule=hit.detector.id)
                self._find(exchange, text, hit)
            self._answer(exchange, text, hits, masking)
        return self._verdict(exchange, found, self._reply_blocks) if self._reply_blocks else None

    def _answer(self, exchange: Exchange, text: Text, hits: list[Hit], masking: Masking) -> None:
        """Make the caller's form: what the engine wrote itself as policy has it, and what the caller sent as he sent it."""
        quiet = exchange.mode("") == "shadow"
        edits: list[tuple[int, int, str]] = []
        for hit in hits if self._replies.acts else ():
            rule = hit.detector.id
            new = masking.reply(hit, text.value[hit.start : hit.end])
            if new is None:
                continue
            if quiet or exchange.mode(rule) == "enforce":
                edits.append((hit.start, hit.end, new))
            else:
                text.replace(hit.start, hit.end, new, rule=rule)
        if edits:
            text.replace(0, len(text.value), restored(edited(text.value, edits), masking.pseudonyms, False))
            return
        for start, end, value in places(text.value, masking.pseudonyms):
            text.replace(start, end, value)

    async def on_erase(self, erasure: Erasure) -> int:
        """The vault forgets; what pseudonyms stood for is known to nobody any more."""
        return await self._vault.forget(erasure.tenant, erasure.subject)

    async def operate(self, call: AdminCall) -> Mapping[str, str]:
        """Reveal what a pseudonym stands for."""
        if call.action != "reveal":
            raise ValueError("this plugin can be told to `reveal` what a pseudonym stands for")
        return await reveal(call, self._vault, self._host, self._actions.restores)

    def _known(self, exchange: Exchange) -> Masking:
        """That of the exchange; one that knows nothing, where the request hook did not get so far."""
        found: Masking | None = exchange.state.get("masking")
        return self._knowing(exchange, {}) if found is None else found

    def _knowing(self, exchange: Exchange, known: Mapping[str, Entry]) -> Masking:
        tenant = exchange.principal.tenant
        pseudonyms = self._keys.pseudonyms(exchange, known, self._actions.restores)
        return Masking(self._actions, pseudonyms, tenant, self._keys)

    def _find(self, exchange: Exchange, text: Text | None, hit: Hit) -> None:
        detector = hit.detector
        score = detector.score if hit.valid else detector.score / 2
        category = "allowed" if isinstance(hit, Allowed) else "secret" if detector.id.startswith("secret.") else "pii"
        exchange.find(detector.id, category=category, text=text, start=hit.start, end=hit.end, score=score)

    def _verdict(self, exchange: Exchange, found: list[list[Hit]], blocking: frozenset[str]) -> Block | None:
        """The block of the first rule that ends the exchange; every rule that would is asked, so that shadow is noted."""
        every = (hit for hits in found for hit in hits if not isinstance(hit, Allowed))
        rules = dict.fromkeys(hit.detector.id for hit in every if hit.detector.id in blocking)
        blocks = [block for rule in rules if (block := exchange.block(rule)) is not None]
        return blocks[0] if blocks else None


def _count_ignored(metrics: Metrics, why: str) -> None:
    metrics.count("vault_ignored", why=why)
