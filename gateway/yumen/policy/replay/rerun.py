"""One recorded exchange on its way through a route of another bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

from yumen.chain import SENT, Chain, Run
from yumen.dialects import Payload
from yumen.dialects.document import Document
from yumen.dialects.json import Json
from yumen.engine import Native
from yumen.errors import STATUS, Code, Problem
from yumen.exchange import Answer, Block, Finding, Principal, Respond, Trace
from yumen.exchange import Decision as HookDecision
from yumen.foreign import interrupted
from yumen.forms import ExchangeState, TextState
from yumen.policy.bundle import Route
from yumen.policy.replay.recorded import ALLOWED, Decision, Recorded
from yumen.policy.replay.stage import ReplayStep, Stage
from yumen.policy.replay.texts import answered, replied, request_texts
from yumen.step import Hook, Step, traced
from yumen.target import Target
from yumen.view import View

# Never read: texts of a replay stand in no document.
NOWHERE = Document(b"{}", {})
DIALECT = Json()
# Decisions of a plugin in these hooks are about the reply.
REPLY_HOOKS = ("on_response", "stream")
NO_FINDINGS: list[Finding] = []


class Rerun(Run):
    """See the module's docstring.

    `decided` is what policy makes of it now. `fresh` are findings that the record does not have, `again` those that it has,
    each with whether it is only in shadow now; `looked` are plugins with findings that were asked again, each with the
    direction. `kept` says
    that a decision was taken over from the record, since what it rested on is not there, `broke` names plugins that failed.
    `would` are rules in shadow whose findings are not there to be looked at. `uneven` says that the lengths of the raw texts
    could not be made out.
    """

    def __init__(self, stage: Stage, recorded: Recorded, route: Route) -> None:
        form = recorded.form
        self.recorded = recorded
        texts, self._masked, self.uneven = request_texts(recorded)
        chain = stage.chain(route.id, recorded.decision.plugin)
        super().__init__(chain, _opened(stage, chain, recorded, texts), DIALECT, 0.0)
        self.stage = stage
        self.decided = ALLOWED
        self.fresh: list[Finding] = []
        self.again: list[tuple[Finding, bool]] = []
        self.looked: set[tuple[str, str]] = set()
        self.would: set[tuple[str, str]] = set()
        self.kept = False
        self.broke: set[str] = set()
        self._target: Target | None = None
        # The recorded findings by plugin and direction.
        self._once: dict[tuple[str, str], list[Finding]] = {}
        for finding in form.findings:
            self._once.setdefault((finding.plugin, finding.direction), []).append(finding)

    async def begin(self) -> None:
        """Run the request hooks."""
        self.stage.running = self
        try:
            answer = await self.request()
            if answer is not None and not self.kept:
                self.exchange.reply = answered(answer)
            elif answer is None:
                self._target = self._departed()
                if self.chain.sending:
                    await self._send(self._target)
        except Problem as problem:
            self.fail(problem)

    async def _send(self, target: Target) -> None:
        """Run the hooks that come right before an engine is asked. Error: `Problem`."""
        exchange = self.exchange
        exchange.egress, exchange.sent_form = target.egress, SENT[exchange.masking]
        exchange.sent_bytes = self.recorded.form.sent_bytes
        answer = await self.leave()
        if answer is not None and not self.kept:
            exchange.reply = answered(answer)

    @property
    def _steps(self) -> list[tuple[ReplayStep, View]]:
        """The steps that were reached."""
        return cast("list[tuple[ReplayStep, View]]", self.ran)

    @property
    def over(self) -> bool:
        """Whether no engine would be asked."""
        return self.problem is not None or self.exchange.reply is not None

    def _departed(self) -> Target:
        """The engine that would be asked now. Error: `Problem` where none would be."""
        try:
            return self.depart()
        except Problem:
            required = self.exchange.masking_required
            if required is not None and self.exchange.masking != "enforce":
                self.decided = Decision("blocked", *required)
            else:
                self.decided = Decision("failed", "", "raw text stopped")
            raise

    def version_of(self, target: Target) -> str:
        """Engines of routes are not loaded, and what would have answered is not known."""
        return target.adapter_version

    async def finish(self) -> None:
        """Run the response hooks on the recorded reply, where there is one, and the completion hooks."""
        self.stage.running = self
        exchange, form = self.exchange, self.recorded.form
        if not self.over:
            egress = self.chain.target.egress if self._target is None else self._target.egress
            exchange.egress, exchange.sent_form = egress, SENT[exchange.masking]
            exchange.sent_bytes, exchange.reply_bytes = form.sent_bytes, form.reply_bytes
            exchange.timings_ms.update(form.timings_ms)
            if self.recorded.replied:
                exchange.reply = replied(form)
                if self.masked_words(self.author):
                    for text in exchange.reply.texts:
                        text.masked = text.raw
        await self.response()
        if not exchange.outcome:
            exchange.outcome = form.outcome if self.recorded.decision == ALLOWED else "ok"
        for step, view in reversed(self.ran):
            if "on_complete" in step.hooks:
                try:
                    await step.call("on_complete", exchange, view)
                except Problem as problem:
                    self.fail(problem)
        was = self.recorded.decision
        if was.kind == "failed" and self.recorded.made_by == "on_complete" and self.decided == ALLOWED:
            closed = {step.name for step, view in self.ran if step.instance.on_error == "closed" and not view.shadow}
            if was.plugin in closed:
                self.kept, self.decided = True, was

    async def response(self) -> None:
        """Run the response hooks in reverse, on a streamed reply too: whoever has a filter has the hook beside it."""
        known = self.exchange.reply is not None
        for step, view in reversed(self._steps):
            try:
                if known and ("on_response" in step.hooks or step.not_run):
                    decision = await step.call("on_response", self.exchange, view)
                else:
                    decision = self.called(step, "on_response", view, len(self.exchange.findings), None)
                if isinstance(decision, Block):
                    raise Problem(decision.code, retry_after_s=decision.retry_after_s)
                if isinstance(decision, Respond):
                    self.receive(decision.answer, author=step)
            except Problem as problem:
                self.fail(problem)

    def receive(self, result: Answer | Native, *, author: Step | None) -> None:
        """A reply that a plugin made up."""
        assert isinstance(result, Answer)
        self.exchange.reply = answered(result)

    def called(
        self, step: ReplayStep, hook: Hook, view: View, before: int, decision: HookDecision | None
    ) -> HookDecision | None:
        """A hook has been called: add what it found once and cannot find again, and what must be taken over.

        `before` is how many findings there were when the hook began.
        """
        if hook == "on_complete" or (hook == "on_response" and self.problem is not None):
            return decision
        if hook == "on_send":
            return self._sent(step, view, decision)
        direction = "request" if hook == "on_request" else "reply"
        once = self._once.get((step.name, direction), NO_FINDINGS)
        lost = NO_FINDINGS
        if once or len(self.exchange.findings) > before:
            self.looked.add((step.name, direction))
            lost = self._lost(step, view, before, once, direction)
        if hook == "on_request" and step.manifest.masks:
            self._settle(lost, view)
        if decision is None and lost and step.judges:
            decision = self._judged(step, hook, view, lost)
        if decision is None and self.recorded.decision.plugin == step.name:
            decision = self._kept(step, hook, view, lost)
        if decision is not None and self.decided == ALLOWED:
            self.decided = _named(step.name, decision)
        return decision

    def _sent(self, step: ReplayStep, view: View, decision: HookDecision | None) -> HookDecision | None:
        """What `on_send` decides now, or what it decided then and cannot say again. What it found was looked for before."""
        if decision is None and self.recorded.decision.plugin == step.name:
            decision = self._kept(step, "on_send", view, NO_FINDINGS)
        if decision is not None and self.decided == ALLOWED:
            self.decided = _named(step.name, decision)
        return decision

    def failed(self, step: ReplayStep, kind: str, *, ends: bool) -> None:
        """A hook has failed. What a plugin cannot read is a fact of the exchange; a fault is one of the replay."""
        if kind == "fault":
            self.broke.add(step.name)
        if ends and self.decided == ALLOWED:
            self.decided = Decision("failed", step.name, kind)

    def _settle(self, lost: list[Finding], view: View) -> None:
        """Give texts in which nothing new was masked the masked form that they have in the record."""
        exchange = self.exchange
        if exchange.masking == "enforce" and any(view.mode(one.rule) == "shadow" for one in lost):
            # What is not there was masked, and by a rule in shadow it is not masked for the engine.
            exchange.masking = "partly"
        for text, masked in self._masked:
            if text.masked == text.raw:
                text.masked = masked

    def _lost(self, step: ReplayStep, view: View, before: int, once: list[Finding], direction: str) -> list[Finding]:
        """Findings of this plugin that are on record, still count, and were not made again."""
        findings = self.exchange.findings
        fresh = findings[before:]
        lost = []
        for one in self._pair(fresh, once, direction) if fresh else once:
            mode = self._mode(step, view, one.rule)
            if mode != "off":
                shadow = view.shadow or mode == "shadow"
                lost.append(one)
                self.again.append((one, shadow))
                findings.append(msgspec.structs.replace(one, shadow=shadow))
                if shadow and not step.judges:
                    self.would.add((one.plugin, one.rule))
        self.fresh += fresh
        return lost

    def _pair(self, fresh: list[Finding], once: list[Finding], direction: str) -> list[Finding]:
        """Take out of `fresh` what stands on record too; return what does and is not among it.

        Where places cannot be compared, a rule's findings stand for one another.
        """
        left = once
        # A reply has other offsets in the record, and a streamed one other paths.
        likenesses: tuple[Callable[[Finding], object], ...] = (_spot, _rule) if direction == "reply" else (_spot,)
        for alike in (_spot, _text_of) if self.uneven and direction == "request" else likenesses:
            found: dict[object, list[Finding]] = {}
            for one in fresh:
                found.setdefault(alike(one), []).append(one)
            unpaired = []
            for one in left:
                if match := found.get(alike(one)):
                    again = match.pop()
                    fresh.remove(again)
                    self.again.append((one, again.shadow))
                else:
                    unpaired.append(one)
            left = unpaired
        return left

    def _mode(self, step: ReplayStep, view: View, rule: str) -> str:
        """What becomes of a rule now; off where the plugin has it no more."""
        return "off" if step.instance.rules and rule not in step.instance.rules else view.mode(rule)

    def _judged(self, step: ReplayStep, hook: Hook, view: View, lost: list[Finding]) -> HookDecision | None:
        """What the plugin decides about findings whose values are not there any more."""
        chosen: HookDecision | None = None
        for finding in lost:
            try:
                decision = step.plugin.judge(view, finding)
            except BaseException as error:  # a plugin may raise anything; what it means is policy
                interrupted(error)
                step.failed(hook, self.exchange, 0.0, error, view.shadow)
                continue
            if isinstance(decision, Block):
                decision = view.ruled(decision)
            if isinstance(decision, Block | Respond) and chosen is None:
                chosen = decision
        if view.quiet_blocks:
            step.record_quiet(hook, self.exchange, view)
        if chosen is not None:
            self.exchange.trace.append(Trace(step.name, hook, 0.0, *traced(chosen), 0, view.shadow))
        return None if view.shadow else chosen

    def _kept(self, step: ReplayStep, hook: Hook, view: View, lost: list[Finding]) -> HookDecision | None:
        """The recorded decision, where this plugin took it in this hook and what it rested on is not on record."""
        was, made_by = self.recorded.decision, self.recorded.made_by
        late = made_by == "on_send" and "on_send" in step.hooks
        if view.shadow or (made_by in REPLY_HOOKS) != (hook in REPLY_HOOKS) or late != (hook == "on_send"):
            return None
        if was.kind == "failed":
            if was.rule == "fault" and made_by != "on_complete" and step.instance.on_error == "closed":
                self.kept, self.decided = True, was
                raise Problem("plugin_fault")
            return None
        if was.kind == "answered":
            self.kept = step.not_run or self.recorded.absent or self.recorded.masked
            return Respond(Answer([])) if self.kept else None
        if was.kind != "blocked" or self._mode(step, view, was.rule) != "enforce" or not self._unseen(step, hook, lost):
            return None
        self.kept = True
        code: Code = (
            cast(Code, self.recorded.form.outcome) if self.recorded.form.outcome in STATUS else "policy_blocked"
        )
        return Block(was.rule, code)

    def _unseen(self, step: ReplayStep, hook: Hook, lost: list[Finding]) -> bool:
        """Whether what a block rested on is not to be had, neither from the record nor from the plugin."""
        if step.not_run:
            return True
        rested = any(one.rule == self.recorded.decision.rule for one in lost)
        if step.judges and rested:
            return False
        return rested or hook in REPLY_HOOKS


def _opened(stage: Stage, chain: Chain, recorded: Recorded, texts: list[TextState]) -> ExchangeState:
    """The exchange on its way into a chain."""
    form, route = recorded.form, chain.route
    payload = Payload(form.dialect, NOWHERE, texts)
    payload.model, payload.streamed, payload.path = form.model, form.streamed, form.path
    principal = Principal(form.tenant, form.app, form.key, form.trusted)
    exchange = ExchangeState(form.id, recorded.at, principal, payload)
    exchange.request_bytes, exchange.path, exchange.subject = form.request_bytes, form.path, form.subject
    exchange.versions, exchange.engine_version = chain.versions, chain.target.adapter_version
    exchange.route, exchange.engine = route.id, route.engine
    exchange.accept_raw, exchange.policy_hash = chain.accept_raw, stage.bundle.hash[:12]
    exchange.digest_mac = stage.digest_mac(form.tenant)
    return exchange


def _spot(finding: Finding) -> tuple[str, str, int, int]:
    return finding.rule, finding.path, finding.start, finding.end


def _text_of(finding: Finding) -> tuple[str, str]:
    return finding.rule, finding.path


def _rule(finding: Finding) -> str:
    return finding.rule


def _named(plugin: str, decision: HookDecision) -> Decision:
    if isinstance(decision, Block):
        return Decision("blocked", plugin, decision.reason)
    return Decision("answered", plugin) if isinstance(decision, Respond) else ALLOWED
