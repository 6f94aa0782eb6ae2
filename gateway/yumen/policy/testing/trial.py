"""Runs one case in a harness: its requests, its streams cut everywhere, and what comes of them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import Any

from yumen.dialects.document import encode_json
from yumen.exchange import Principal
from yumen.policy.bundle import PlacedCase
from yumen.policy.cases import Case, Expect, Request, seconds, timestamp
from yumen.policy.testing.harness import Harness
from yumen.policy.testing.outcome import Outcome
from yumen.policy.testing.verdict import Condition, judge, judge_record

# Each place at which an answer can be cut is a run of its own, over the whole answer.
SPLITS_MAX = 2000
APPS = "/apps/"
# How often it is looked how far a request has come.
COMING_S = 0.0002


class Trial:
    """One case that has run. `conditions` are those that do not hold; `records` what the ledger must still show.

    `reached` holds pairs of instance and rule, and with an empty rule the instances of which a hook ran.
    """

    def __init__(self, placed: PlacedCase) -> None:
        self.placed = placed
        self.conditions: list[Condition] = []
        self.records: list[tuple[str, str, dict[str, Any]]] = []
        self.reached: set[tuple[str, str]] = set()
        self.exchanges = 0
        self.seconds = 0.0

    def audit(self, records: dict[str, dict[str, Any]]) -> None:
        """Compare what the ledger says, by exchange; the first that does not hold is enough."""
        for exchange_id, name, wanted in self.records:
            wrong = judge_record(wanted, records.get(exchange_id), name)
            if wrong:
                self.conditions += wrong
                break
        self.records = []


async def run_case(harness: Harness, placed: PlacedCase) -> Trial:
    """Run a case from a clean beginning."""
    trial = Trial(placed)
    started = time.perf_counter()
    await _Runner(harness, trial).run()
    trial.seconds = time.perf_counter() - started
    return trial


class _Runner:
    """The run of one case."""

    def __init__(self, harness: Harness, trial: Trial) -> None:
        self.harness = harness
        self.trial = trial
        self.case: Case = trial.placed.case
        self.name = hashlib.sha256(f"{trial.placed.owner}\n{self.case.name}".encode()).hexdigest()[:12]

    async def run(self) -> None:
        """The case as it stands; then, if it asks for it, once more for every place at which the answer can be cut."""
        case, trial = self.case, self.trial
        if (case.stream or case.every_split) and case.request.path.startswith(APPS):
            trial.conditions.append(Condition("stream", f"there are no streams below {APPS}"))
            return
        whole = await self._requests(case.stream, None)
        if not case.every_split or trial.conditions or whole is None:
            return
        length = self.harness.script.length
        if length > SPLITS_MAX:
            why = f"the answer has {length} code points, and at most {SPLITS_MAX} can be cut everywhere"
            trial.conditions.append(Condition("every_split", why))
        for place in range(1, min(length, SPLITS_MAX + 1)) if not trial.conditions else ():
            await self._split(whole, place)
            if trial.conditions:
                return

    async def _split(self, whole: Outcome, place: int) -> None:
        """One run with the answer cut in two; what reaches the caller must not depend on the place."""
        trial = self.trial
        outcome = await self._requests(True, place)
        where = f"every_split, cut at {place}: "
        if trial.conditions:
            first = trial.conditions[0]
            trial.conditions[0] = Condition(where + first.name, first.why, first.expected, first.actual)
            return
        assert outcome is not None
        name = where + "the reply"
        if outcome.code != whole.code:
            trial.conditions.append(Condition(name, "the error differs from the uncut one", whole.code, outcome.code))
        elif not whole.code and not outcome.streamed:
            trial.conditions.append(Condition(name, "it does not come as a stream, so there is nothing to cut"))
        elif not whole.code and outcome.reply.spoken != whole.reply.spoken:
            why = "the text differs from the uncut one"
            trial.conditions.append(Condition(name, why, whole.reply.spoken, outcome.reply.spoken))

    async def _requests(self, streamed: bool, cut: int | None) -> Outcome | None:
        """Send every request of the case; return the last outcome, or None where one before it was wrong."""
        case, harness = self.case, self.harness
        harness.reset()
        harness.script.reply, harness.script.cut = case.reply, cut
        if case.at is not None:
            harness.clock.set(timestamp(case.at))
        self._body = body_of(case.request, streamed)
        caller = case.caller
        key = f"key-{self.name}" + ("" if cut is None else f"-{cut}")
        principal = Principal(caller.tenant or f"test-{self.name}", caller.app, caller.key or key, caller.trusted)
        for request in case.before:
            await harness.send(request.path, body_of(request, False), principal, *self._said)
        if case.at_once:
            return await self._at_once(principal)
        outcome: Outcome | None = None
        for index in range(case.repeat):
            if index:
                harness.clock.move(seconds(case.every))
            outcome = await harness.send(case.request.path, self._body, principal, *self._said)
            if not self._judged(outcome, index):
                return None
        return outcome

    async def _at_once(self, principal: Principal) -> Outcome | None:
        """Send all requests before the first is answered; each has come as far as it can when the next is sent.

        It has ended then, or the next thing that happens to it is that the engine is asked, or waited for with others.
        """
        case, harness = self.case, self.harness
        script = harness.script
        script.hold()
        sent: list[asyncio.Task[Outcome]] = []
        try:
            for index in range(case.repeat):
                if index:
                    harness.clock.move(seconds(case.every))
                script.arrived.clear()
                before = harness.departed
                sent.append(self._sending(principal))
                while not (sent[-1].done() or script.arrived.is_set() or harness.departed > before):  # noqa: ASYNC110
                    await asyncio.sleep(COMING_S)  # what it waits for may be in a thread
        finally:
            script.release()
            outcomes = await asyncio.gather(*sent)
        for index, outcome in enumerate(outcomes):
            if not self._judged(outcome, index):
                return None
        return outcomes[-1]

    def _sending(self, principal: Principal) -> asyncio.Task[Outcome]:
        sending = self.harness.send(self.case.request.path, self._body, principal, *self._said)
        return asyncio.create_task(sending)

    @property
    def _said(self) -> tuple[str, str, list[tuple[bytes, bytes]]]:
        """What the caller says in headers: of which session, about whom, and whatever else."""
        caller = self.case.caller
        return (
            caller.session,
            caller.subject,
            [(name.encode(), value.encode()) for name, value in caller.headers.items()],
        )

    def _judged(self, outcome: Outcome, index: int) -> bool:
        """Note what one exchange came to; whether it is as the case expects."""
        case, trial = self.case, self.trial
        trial.exchanges += 1
        trial.reached |= outcome.reached
        trial.reached |= {(instance, "") for instance in self._ran(outcome)}
        last = index == case.repeat - 1
        expect, prefix = (case.expect, "expect") if last else (case.expect_before, "expect_before")
        if expect is None:
            return True
        wrong = judge(case, expect, outcome, self._body, prefix)
        if wrong and case.repeat > 1:
            which = f"request {index + 1} of {case.repeat}, "
            wrong = [Condition(which + one.name, one.why, one.expected, one.actual) for one in wrong]
        trial.conditions += wrong
        self._note_audit(expect, outcome, prefix)
        return not wrong

    def _note_audit(self, expect: Expect, outcome: Outcome, prefix: str) -> None:
        if expect.audit is not None:
            exchange_id = outcome.exchange.id if outcome.exchange is not None else ""
            self.trial.records.append((exchange_id, f"{prefix}.audit", expect.audit))

    def _ran(self, outcome: Outcome) -> Iterator[str]:
        """The instances of which a hook or stream filter ran; filters leave no trace of their own."""
        yield from {one.plugin for one in outcome.trace}
        exchange = outcome.exchange
        if exchange is not None and outcome.streamed:
            for step in self.harness.chain(exchange.route).steps:
                if step.streams and step.directed("stream") and step.applies(exchange):
                    yield step.name


def body_of(request: Request, streamed: bool) -> bytes:
    """The body of a request, as its path takes it."""
    if isinstance(request.body, str):
        return request.body.encode()
    if request.body is not None:
        body: Any = request.body
    elif request.path.startswith(APPS):
        body = {"messages": request.messages} if request.text is None else {"text": request.text * request.times}
    elif request.text is None:
        body = {"model": request.model, "messages": request.messages}
    else:
        text = request.text * request.times
        simple = {"/v1/completions": "prompt", "/v1/embeddings": "input"}.get(request.path)
        asked = {simple: text} if simple else {"messages": [{"role": "user", "content": text}]}
        body = {"model": request.model, **asked}
    if streamed and isinstance(body, dict):
        body = {"stream": True, **body}  # a body that says otherwise is sent as it stands
    return encode_json(body)
