"""Runs one exchange through the plugins of its route, the engine, and back up.

Requests go down the chain in the order of the policy; replies come back up in reverse. Whatever happens, every plugin
whose request hook was reached gets its completion hook, and before that its response hook where there is anybody to reply
to; see `yumen.plugin`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yumen import telemetry
from yumen.asking import Asking, close_stream, departed, problem_of
from yumen.deadline import Deadline
from yumen.dialects import Dialect, Payload
from yumen.engine import Engine, EngineError, EngineRequest, Events, Native
from yumen.errors import Problem
from yumen.exchange import Answer, Block, Decision, Respond, Trace
from yumen.foreign import called, pass_on
from yumen.forms import ExchangeState, ReplyState
from yumen.said import check_given
from yumen.step import Step
from yumen.target import Target
from yumen.telemetry import log, metrics, wordless
from yumen.view import View

if TYPE_CHECKING:
    from yumen.policy.bundle import Limits, Route

# An engine's reply is read under the same depth limit as a request; its texts are bounded by the reply's bytes.
REPLY_TEXTS_MAX = 200_000
# What the engine gets, by what the masking plugin has done.
SENT = {"none": "raw", "shadow": "raw", "partly": "partly masked", "enforce": "masked"}


class Chain:
    """A route with its started plugins and its engine."""

    def __init__(
        self,
        route: Route,
        steps: list[Step],
        engine: Engine[Any],
        egress: str,
        limits: Limits,
        detours: Mapping[str, Target] | None = None,
    ) -> None:
        self.route = route
        self.target = Target.of(route.engine, engine, egress)
        self.detours = detours or {}
        # The rules in shadow that let raw text pass meanwhile, each with its reason or without.
        self._quiet = [
            rule for step in steps if step.manifest.masks for rule in step.instance.quiet if rule.mode == "shadow"
        ]
        # Why raw text may leave or be stored: the reason stands in every audit record.
        self.accept_raw = route.accept_raw or "; ".join(
            f"{one.id}: {one.accept_raw}" for one in self._quiet if one.accept_raw
        )
        self.shadowing = any(step.shadowing for step in steps)
        self.steps = steps
        self.headers = frozenset(name for step in steps for name in step.headers)
        # Whether any of them wants to know right before an engine is asked, and whether one stands before it.
        self.sending = any("on_send" in step.hooks for step in steps)
        self.asking = any(step.asks for step in steps)
        self.versions: Mapping[str, str] = MappingProxyType({step.name: step.manifest.version for step in steps})
        self.limits = limits
        self.dialects = engine.manifest.dialects
        self._may_detour = {(step.name, name) for step in steps for name in step.instance.detours}

    def target_of(self, exchange: ExchangeState) -> Target:
        """The engine that an exchange goes to. Error: `Problem` where a plugin names one that it must not, or cannot."""
        detour = exchange.detour
        if detour is None:
            return self.target
        if detour not in self._may_detour or detour[1] not in self.detours:
            log.error("detour_refused", exchange=exchange.id, plugin=detour[0])
            raise Problem("plugin_fault")
        target = self.detours[detour[1]]
        if target.dialects and exchange.dialect not in target.dialects:
            raise Problem("unsupported_payload")
        return target

    def fallback_of(self, target: Target, dialect: str) -> Target | None:
        """The engine to ask where one has failed; None where there is no other that speaks the dialect."""
        other = self.detours.get(self.route.fallback)
        if other is None or other.name == target.name or (other.dialects and dialect not in other.dialects):
            return None
        return other

    def may_send(self, egress: str, masking: str) -> bool:
        """Whether what the masking plugin has done is enough for an engine, which the flow check has proved before."""
        if egress != "remote" or self.route.accept_raw or masking == "enforce":
            return True
        return masking == "partly" and all(rule.accept_raw for rule in self._quiet)


class Run:
    """One exchange on its way through one chain."""

    def __init__(self, chain: Chain, exchange: ExchangeState, dialect: Dialect, started: float) -> None:
        self.chain = chain
        self.exchange = exchange
        exchange.versions = chain.versions
        exchange.engine_version = chain.target.known_version
        self.dialect = exchange.spoken = dialect
        self.started = started
        self.ran: list[tuple[Step, View]] = []
        self.problem: Problem | None = None
        # The plugin that answered in the engine's place, if one did.
        self.author: Step | None = None
        self.completed = False

    async def plain(self) -> bytes:
        """Run a plain exchange to its end; return the body, whose status stands in `exchange.reply`."""
        return await self.finish_plain(await self.begin())

    async def begin(self) -> Answer | Native | Events | None:
        """Run the request hooks and ask the engine; None where the exchange has already failed."""
        try:
            answered = await self.request()
            return answered if answered is not None else await self.generate()
        except Problem as problem:
            self.fail(problem)
            return None

    async def finish_plain(self, result: Answer | Native | Events | None) -> bytes:
        """Take the reply back up the chain; None where the exchange has already failed."""
        if result is not None:
            try:
                if not isinstance(result, Answer | Native):
                    await close_stream(result, self.exchange.id)
                    raise Problem("engine_unavailable")
                self.receive(result, author=self.author)
            except Problem as problem:
                self.fail(problem)
        await self.response()
        body = self.body()
        self.exchange.reply_bytes = len(body)
        before = self.problem
        await self.complete()
        return body if self.problem is before else self.body()

    async def request(self) -> Answer | None:
        """Run the request hooks in order. Returns the answer of a plugin that responded. Error: `Problem`."""
        exchange = self.exchange
        for step in self.chain.steps:
            if not step.applies(exchange):
                continue
            posture = step.posture(exchange)
            if posture is None:
                continue
            view = View(exchange, step.name, step.manifest, *posture, step.headers)
            self.ran.append((step, view))
            answer = self._turned(step, await step.call("on_request", exchange, view))
            if answer is not None:
                return answer
        return None

    def _turned(self, step: Step, decision: Decision | None) -> Answer | None:
        """The answer of a plugin that responds, with which the exchange turns round. Error: `Problem` where it blocks."""
        if isinstance(decision, Block):
            raise Problem(decision.code, retry_after_s=decision.retry_after_s)
        if not isinstance(decision, Respond):
            return None
        self.author = step
        self.exchange.engine, self.exchange.engine_version = f"plugin:{step.name}", ""
        return decision.answer

    def depart(self, instead: Target | None = None) -> Target:
        """The engine that the exchange goes to now, or `instead` of it.

        Errors: `Problem` where it may not, as it is; `EngineError` where the engine cannot say what answers.
        """
        exchange = self.exchange
        target = instead or self.chain.target_of(exchange)
        if exchange.masking_required is not None and exchange.masking != "enforce":
            plugin, rule = exchange.masking_required
            exchange.trace.append(Trace(plugin, "on_request", 0.0, "block", rule))
            raise Problem("policy_blocked")
        if not self.chain.may_send(target.egress, exchange.masking):
            # The flow check proves that this cannot happen; if it ever does, nothing leaves.
            log.error("raw_egress_stopped", exchange=exchange.id, route=exchange.route)
            raise Problem("plugin_fault")
        exchange.engine, exchange.engine_version = target.name, ""
        exchange.engine_version = self.version_of(target)
        exchange.engine_identity = target.identity
        return target

    def version_of(self, target: Target) -> str:
        """What `Exchange.engine_version` says of an engine. Error: `EngineError`."""
        return target.version

    async def leave(self) -> Answer | None:
        """Run the hooks that come right before an engine is asked. Returns the answer of a plugin that responded.

        Error: `Problem`. Whatever keeps the exchange here, nothing has been sent then, and none of it says so.
        """
        exchange = self.exchange
        answer: Answer | None = None
        stays = True
        exchange.leaving = True
        try:
            for step, view in self.ran:
                if "on_send" in step.hooks:
                    answer = self._turned(step, await step.call("on_send", exchange, view))
                    if answer is not None:
                        return answer
            stays = False
        finally:
            if stays:
                exchange.egress, exchange.sent_form, exchange.sent_bytes = "", "", 0
        return None

    async def generate(self) -> Answer | Native | Events:
        """Have the engine answer, or the plugin that stands before it. Error: `Problem`."""
        asking = Asking(self, departed(self))
        step, view = self.ran[-1] if self.ran and self.chain.asking else (None, None)
        # Whoever may see the masked form only stands before an engine that is given nothing else.
        if step is None or view is None or not step.asks:
            return await asking()
        if step.manifest.sees == "masked" and self.exchange.masking != "enforce":
            return await asking()
        return await asking.by_way_of(step, view)

    async def ask(self, target: Target, seconds: float) -> Answer | Native | Events:
        """Ask one engine, for so many seconds. Errors: `EngineError`; `Problem` where a plugin ends the exchange."""
        exchange, chain = self.exchange, self.chain
        masked = exchange.engine_masked
        sent = exchange.to_engine()
        tail = exchange.payload.tail
        body = sent + tail
        exchange.egress, exchange.sent_bytes, exchange.sent_form = target.egress, len(body), SENT[exchange.masking]
        if chain.sending:
            answer = await self.leave()
            if answer is not None:
                return answer
        neutral = exchange.dialect not in target.dialects
        request = EngineRequest(
            exchange_id=exchange.id,
            dialect=exchange.dialect,
            path=exchange.engine_path,
            model=exchange.payload.model_for_engine(masked=masked),
            streamed=exchange.streamed,
            body=body,
            messages=exchange.payload.messages(masked=masked) if neutral else [],
            deadline=time.monotonic() + seconds,
            json_bytes=len(sent) if tail else 0,
            tenant=exchange.principal.tenant,
            affinity=exchange.session or f"{exchange.principal.tenant}/{exchange.principal.app}",
        )
        started = time.perf_counter()
        try:
            with Deadline(seconds):
                given = await called(partial(target.engine.generate, request))
            check_given(given)
            return given
        except (EngineError, Problem):
            raise
        except TimeoutError:
            raise EngineError("no answer in time", timeout=True) from None
        except BaseException as error:  # an engine is somebody else's code, like a plugin
            pass_on(error)
            raise EngineError(f"it raised {wordless(error)}") from None
        finally:
            spent = time.perf_counter() - started
            exchange.timings_ms["engine"] = round(spent * 1000, 3)
            if not exchange.streamed:
                metrics.engine_seconds(exchange.engine)(spent)

    def engine_problem(self, error: BaseException) -> Problem:
        """See `yumen.asking.problem_of`."""
        return problem_of(error, self.exchange.engine, exchange=self.exchange.id)

    def receive(self, result: Answer | Native, *, author: Step | None) -> None:
        """Take a whole reply, of the engine or of a plugin. Error: `Problem` for a reply that cannot be read."""
        exchange, dialect = self.exchange, self.dialect
        status, retry_after, json_bytes = 200, "", 0
        if isinstance(result, Answer):
            body = dialect.encode_answer(result, exchange.payload, exchange.id, int(exchange.received_at))
        else:
            body, status, json_bytes = result.body, result.status, result.json_bytes
            retry_after = result.headers.get("retry-after", "")
        try:
            depth_max = self.chain.limits.json_depth
            payload = dialect.decode_reply(body, depth_max=depth_max, texts_max=REPLY_TEXTS_MAX, json_bytes=json_bytes)
        except Problem:
            raise self.engine_problem(EngineError("its reply cannot be read")) from None
        self.exchange.reply = self._reply(payload, status, author)
        self.exchange.reply.retry_after = retry_after if retry_after.isascii() and retry_after.isdigit() else ""

    def _reply(self, payload: Payload, status: int, author: Step | None) -> ReplyState:
        reply = ReplyState(status, "" if status < 400 else "engine_rejected", payload.texts)
        reply.payload = payload
        reply.usage = payload.usage
        reply.finish_reason = payload.finish_reason
        if self.masked_words(author):
            for text in reply.texts:
                text.masked = text.raw
        return reply

    def masked_words(self, author: Step | None) -> bool:
        """Whether what answers has only ever been shown the masked form, so that its words are masked text."""
        return self.exchange.masking == "enforce" and (author is None or author.manifest.sees == "masked")

    def fail(self, problem: Problem) -> None:
        """The exchange ends with an error reply."""
        self.problem = problem
        reply = ReplyState(problem.status, problem.code)
        if problem.retry_after_s is not None:
            reply.retry_after = str(max(1, math.ceil(problem.retry_after_s)))
        self.exchange.reply = reply
        self.exchange.outcome = problem.code

    async def response(self) -> None:
        """Run the response hooks in reverse; a block or fault turns the reply into an error for those above."""
        for step, view in reversed(self.ran):
            try:
                if "on_response" not in step.hooks:
                    continue
                decision = await step.call("on_response", self.exchange, view)
                if isinstance(decision, Block):
                    raise Problem(decision.code, retry_after_s=decision.retry_after_s)
                if isinstance(decision, Respond):
                    self.receive(decision.answer, author=step)
            except Problem as problem:
                self.fail(problem)

    async def complete(self) -> None:
        """Run the completion hooks in reverse, all of them; one that fails closed ends the exchange with an error."""
        exchange = self.exchange
        self.completed = True
        if not exchange.outcome:
            exchange.outcome = (exchange.reply.code if exchange.reply else "") or "ok"
        exchange.timings_ms["total"] = round((time.perf_counter() - self.started) * 1000, 3)
        for step, view in self._completing():
            if "on_complete" not in step.hooks:
                continue
            try:
                await step.call("on_complete", exchange, view)
            except Problem as problem:
                # Whoever stands before the engine comes after the record, which must stay true: the reply goes out as it is.
                if not step.asks:
                    self.fail(problem)
        for step, view in self.ran:
            step.seconds(view.seconds)
        metrics.exchange_seconds(exchange.route)(time.perf_counter() - self.started)
        metrics.exchanges(exchange.route, exchange.outcome, exchange.policy_hash)()
        if self.chain.shadowing:
            self._count_shadow()
        if exchange.outcome != "ok" or telemetry.verbose:
            log.info("exchange", exchange=exchange.id, route=exchange.route, outcome=exchange.outcome,
                     tenant=exchange.principal.tenant, key=exchange.principal.key_id,
                     ms=round(exchange.timings_ms["total"], 2))  # fmt: skip

    def _completing(self) -> list[tuple[Step, View]]:
        """Everybody in the order of completion: who stands before the engine keeps replies, and hears last how it went."""
        upwards = self.ran[::-1]
        return upwards if not self.chain.asking else sorted(upwards, key=lambda ran: ran[0].asks)

    def _count_shadow(self) -> None:
        """Count what shadow would have done beside what was done."""
        exchange = self.exchange
        for one in exchange.trace:
            if one.shadow and (one.decision != "allow" or one.edits):
                would = "edit" if one.decision == "allow" else one.decision
                metrics.shadow(one.plugin, one.reason if would == "block" else "", would, exchange.outcome)
        for plugin, rule in {(one.plugin, one.rule) for one in exchange.findings if one.shadow}:
            metrics.shadow(plugin, rule, "find", exchange.outcome)

    async def broken(self) -> None:
        """The core itself failed: the exchange is still recorded, as a fault."""
        if not self.completed:
            self.fail(Problem("plugin_fault"))
            await self.complete()

    def body(self) -> bytes:
        """The body of the reply as it stands."""
        reply = self.exchange.reply
        if self.problem is not None:
            return self.dialect.error(self.problem)
        assert reply is not None
        return reply.to_client()
