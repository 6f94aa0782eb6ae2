"""The plugin that is looked at: in a harness, with its examples, and what came of asking it everything once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import msgspec

from yumen.engine import EngineError
from yumen.exchange import Trace
from yumen.plugin import Plugin
from yumen.testing.calls import Call, app, chat, complete, embed, infer
from yumen.testing.conformance.examples import CANARIES, REPLIES, TEXTS, Example, examples_of
from yumen.testing.conformance.output import listening
from yumen.testing.conformance.stand_ins import Idle, Masker
from yumen.testing.conformance.verdict import DoesNotApply, NotReached
from yumen.testing.conformance.watch import reach
from yumen.testing.engine import Piece, ToolArguments
from yumen.testing.harness import Harness, Used
from yumen.testing.outcome import Outcome
from yumen.testing.traces import Sought

# Between two exchanges, so that what counts by the minute begins anew.
BETWEEN_S = 61
UNSTARTED = "it does not start with its example; see schema.default"
LONG_CHARS = 8_000
STARTS = 100
Isolation = Literal["none", "process"]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TOOL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"城市": "上海"}'}}


class Asked(NamedTuple):
    """A call, and in what pieces the engine answers it; None has it repeat the last message."""

    call: Call
    says: tuple[Piece, ...] | None = None


class Survey(NamedTuple):
    """What came of asking everything once: outcomes in the order of the calls, and what was left where."""

    asked: Sequence[Asked]
    outcomes: Sequence[Outcome]
    log: Sequence[Mapping[str, Any]]
    # The places in which a canary stood after one of them, as `Harness.traces_of` names them.
    places: Sequence[str]
    # Files outside the data directory that were written, and those of them that held a canary.
    files: Sequence[str]
    telling: Sequence[str]
    # Where else than in the gateway's log a canary was said.
    output: Sequence[str]


class Subject:
    """One plugin class; without examples its own are taken, and without those its default configuration.

    `starts`: how often it is started where leaks are looked for. `isolation`: what its policy says of that.
    """

    def __init__(
        self,
        plugin: type[Plugin[Any]],
        examples: Sequence[Example] = (),
        starts: int = STARTS,
        isolation: Isolation = "none",
    ) -> None:
        self.plugin = plugin
        self.starts = starts
        # The check that it has hung in.
        self.hung = ""
        self.name = plugin.manifest.name
        self._examples = tuple(examples)
        self._knobs = {} if isolation == "none" else {"isolation": isolation}
        self._loaded: dict[Any, Harness] = {}
        self._surveys: dict[tuple[int, str], Survey] = {}

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """Error: what reading them raises."""
        return self._examples or examples_of(self.plugin) or (Example(),)

    @property
    def asks(self) -> bool:
        """Whether it stands before the engine."""
        return self.overrides("on_ask")

    @property
    def apart(self) -> bool:
        """Whether it is in a process of its own."""
        return bool(self._knobs)

    @property
    def front(self) -> tuple[Used, ...]:
        """What stands in front of it: something that masks, where it sees the masked form."""
        return (Used(Masker),) if self.plugin.manifest.sees == "masked" else ()

    def look_into(self) -> None:
        """To be called by a check that looks at this process. Error: `DoesNotApply` where the plugin is in another one."""
        if self.apart:
            raise DoesNotApply("it is in a process of its own, which this does not look into")

    def overrides(self, hook: str) -> bool:
        """Whether the class has a hook of its own."""
        return getattr(self.plugin, hook) is not getattr(Plugin, hook)

    def made(self, example: Example) -> Plugin[Any]:
        """The plugin, not started. Error: `NotReached` where its configuration is refused."""
        config = example.config
        try:
            made = config if isinstance(config, msgspec.Struct) else msgspec.convert(config, self.plugin.config_type)
            return self.plugin(made)
        except Exception:  # a plugin may raise anything; the check of its configuration says what
            raise NotReached(UNSTARTED) from None

    def harness(
        self,
        example: Example,
        *,
        front: tuple[Used, ...] | None = None,
        behind: tuple[Used, ...] = (),
        live: bool = True,
        **knobs: Any,
    ) -> Harness:
        """A harness of its own with the plugin in it. Error: `PolicyError` where its configuration is refused."""
        front = self.front if front is None else front
        knobs = {**self._knobs, **knobs}
        chain = (*front, Used(self.plugin, example.config, knobs), *behind)
        classes = tuple(one.plugin for one in chain)
        key = (self.examples.index(example), classes, live, repr(sorted(knobs.items())))
        return self._of(key, chain, live, self.engines(example))

    def without(self, example: Example) -> Harness:
        """A harness in which everything is but the plugin."""
        front = self.front or (Used(Idle),)
        return self._of(("without", self.examples.index(example)), front, True, ())

    def _of(self, key: Any, chain: tuple[Used, ...], live: bool, engines: Sequence[str]) -> Harness:
        if key not in self._loaded:
            self._loaded[key] = Harness.of_chain(*chain, live=live, engines=engines)
        return self._loaded[key].again()

    def engines(self, example: Example) -> list[str]:
        """Those that the configuration asks for; what it cannot say is found when it is loaded."""
        try:
            return [one.name for one in self.made(example).engines()]
        except Exception:  # a plugin may raise anything
            return []

    def texts(self, example: Example) -> list[str]:
        """What requests say."""
        return [*example.texts, *TEXTS]

    def replies(self, example: Example) -> list[str]:
        """What engines answer."""
        return [*example.replies, *REPLIES]

    def calls(self, example: Example) -> list[Asked]:
        """Everything that is asked: each text plain and streamed, each reply, and what is unusual."""
        asked = [one for pair in self.pairs(example) for one in pair]
        text = self.texts(example)[0]
        others = [
            Asked(one) for one in (complete(text), embed(text, TEXTS[1]), infer(x=[text]), app("faq", {"q": text}))
        ]
        others += [_with(example.headers, one) for one in others] if example.headers else []
        return asked + others + unusual(TEXTS[1])

    def pairs(self, example: Example) -> list[tuple[Asked, Asked]]:
        """Each text and each reply, plain and streamed; without the example's headers, and with them where it has any."""
        pairs = [(Asked(chat(text)), Asked(chat(text, stream=True))) for text in self.texts(example)]
        for reply in self.replies(example):
            halves = (reply[: len(reply) // 2], reply[len(reply) // 2 :])
            pairs.append((Asked(chat("?"), halves), Asked(chat("?", stream=True), halves)))
        said = [(_with(example.headers, plain), _with(example.headers, streamed)) for plain, streamed in pairs]
        return pairs + (said if example.headers else [])

    async def ask(self, harness: Harness, asked: Asked) -> Outcome:
        """One exchange of it, a while after the one before."""
        harness.clock.move(BETWEEN_S)
        if asked.says is None:
            harness.engine.repeats()
        else:
            harness.engine.says(*asked.says)
        return await harness.ask(asked.call)

    async def survey(self, example: Example, mode: str = "enforce") -> Survey:
        """Ask everything once; what was asked once is not asked again. `without` as a mode is the chain without it."""
        key = (self.examples.index(example), mode)
        if key not in self._surveys:
            with listening() as output:
                survey = await self._ask_all(example, mode)
            self._surveys[key] = survey._replace(output=output.holding(CANARIES))
        return self._surveys[key]

    async def _ask_all(self, example: Example, mode: str) -> Survey:
        calls = self.calls(example)
        harness = self.without(example) if mode == "without" else self.harness(example, mode=mode)
        async with harness:
            places: set[str] = set()
            telling: set[str] = set()
            outcomes = []
            with reach() as reached:
                for one in calls:
                    outcomes.append(await self.ask(harness, one))
                    # What the next exchange writes over has been there all the same.
                    places.update(places_of(harness, CANARIES))
                    telling |= {file for file in reached.outside(harness.data_dir) if holds_one(file)}
            # Of the log and the metrics nothing goes away.
            places |= {at for canary in CANARIES for at in harness.traces_of(canary)}
            files = reached.outside(harness.data_dir)
            log = [dict(one) for one in harness.log]
        # What the kit records is its own affair.
        kept = sorted(one for one in places if not one.startswith("records["))
        return Survey(calls, outcomes, log, kept, files, sorted(telling), ())

    def own(self, outcome: Outcome) -> list[Trace]:
        """What the plugin did in an exchange."""
        return [one for one in outcome.trace if one.plugin == self.name]

    def found(self, outcome: Outcome) -> Counter[str]:
        """How often each of the plugin's rules has found something in an exchange, in shadow or not."""
        every = outcome.exchange.findings if outcome.exchange is not None else []
        return Counter(one.rule for one in every if one.plugin == self.name)

    def excused(self, example: Example) -> set[str]:
        """The types of what its hooks may raise, since what they need is not there."""
        # An engine that the plugin itself asks has no answer here, and to fail with it is one way to take that.
        return {*example.faults, *((EngineError.__name__,) if self.engines(example) else ())}

    def faults(self, outcomes: Sequence[Outcome]) -> list[Trace]:
        """Where the plugin failed."""
        return [one for outcome in outcomes for one in self.own(outcome) if one.decision == "fault"]


def _with(headers: Mapping[str, str], asked: Asked) -> Asked:
    return Asked(msgspec.structs.replace(asked.call, headers=headers), asked.says)


def unusual(text: str) -> list[Asked]:
    """Requests and answers that are allowed and that nobody thinks of."""
    parts = {"role": "user", "content": [{"type": "text", "text": text}, IMAGE]}
    called = {"role": "assistant", "content": None, "tool_calls": [TOOL]}
    result = {"role": "tool", "tool_call_id": "c1", "content": "晴 ☀️"}
    tool = ToolArguments(('{"phone": "138', '12345678"}'))
    return [
        Asked(chat("")),
        Asked(chat("", stream=True), ("",)),
        Asked(chat("👩‍👩‍👧‍👦 e\u0301 \u202egnirts \x00 \ufeff")),
        Asked(chat(parts), ("ok",)),
        Asked(chat("?", called, result)),
        *roles(),
        Asked(chat((text + "\n") * (LONG_CHARS // len(text)))),
        Asked(chat(text), (tool,)),
        Asked(chat(text, stream=True), (tool,)),
        Asked(chat(text), (EngineError("away"),)),
        Asked(chat(text, stream=True), ("some", EngineError("away"))),
        Asked(embed("")),
    ]


def roles() -> list[Asked]:
    """What is said in every role and kind of a request, and in a tool's arguments of a reply."""
    told = [
        {"role": role, "content": f"{role}: {TEXTS[0]} {TEXTS[1]}"} for role in ("system", "developer", "assistant")
    ]
    function = {"name": "look", "arguments": msgspec.json.encode({"q": TEXTS[1]}).decode()}
    called = {"role": "assistant", "content": None, "tool_calls": [{**TOOL, "function": function}]}
    result = {"role": "tool", "tool_call_id": "c1", "content": TEXTS[0]}
    answer = (ToolArguments((function["arguments"],)),)
    return [
        Asked(chat(*told, "?")),
        Asked(chat("?", called, result, "?")),
        Asked(chat("?"), answer),
        Asked(chat("?", stream=True), answer),
    ]


def places_of(harness: Harness, values: Collection[str]) -> list[str]:
    """The places of the store and of files in which one of some values stands; they may be written over."""
    places: set[str] = set()
    for sought in map(Sought, values):
        places.update(sought.spaces(harness.parts.store.holding), sought.files(harness.data_dir))
    return sorted(places)


def holds_one(file: str) -> bool:
    """Whether a file that was written holds a canary."""
    try:
        with open(file, "rb") as opened:
            content = opened.read()
    except OSError:
        return False
    return any(one.encode() in content for one in CANARIES)
