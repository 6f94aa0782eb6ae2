"""The form of test cases: what stands under `tests:` in a plugin's file, and in `*.test.yaml`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from yumen.errors import Code

REPEAT_MAX = 100_000
# Requests of one case that are under way together, and characters of a text that is made by repeating a shorter one.
AT_ONCE_MAX = 1000
# Requests that go before those of one case.
BEFORE_MAX = 20
CHARS_MAX = 1 << 24
DURATION = r"^(0|[1-9][0-9]{0,8})(ms|s|m|h)$"
MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$"
MOMENTS = ["2026-12-31", "2026-12-31T08:00:00+08:00"]
SESSION = r"^[ -~]{0,200}$"
HEADER = r"^[a-z0-9-]{1,64}$"
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller sends: one of `text`, `messages` and `body`. Error: ValueError for none, or several."""

    text: Annotated[str, Meta(description="The text of one user message.")] | None = None
    messages: Annotated[list[dict[str, Any]], Meta(description="A conversation, as in the chat protocol.")] | None = (
        None
    )
    body: (
        Annotated[
            dict[str, Any] | list[Any] | str,
            Meta(
                description="The whole body, for any other form; text is sent as it stands, whether it is JSON or not."
            ),
        ]
        | None
    ) = None
    times: Annotated[
        int, Meta(ge=1, le=CHARS_MAX, description="How many times `text` stands there, for a long one.")
    ] = 1
    path: Annotated[str, Meta(description="The path it is sent to.")] = "/v1/chat/completions"
    model: Annotated[str, Meta(description="The model asked for.")] = "assistant"

    def __post_init__(self) -> None:
        if sum(form is not None for form in (self.text, self.messages, self.body)) != 1:
            raise ValueError("a request has one of `text`, `messages` and `body`")
        if self.times > 1 and (self.text is None or len(self.text) * self.times > CHARS_MAX):
            raise ValueError(f"`times` makes a long `text`, of at most {CHARS_MAX} characters")


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the engine answers; by default it repeats the last message as it was given it. Error: ValueError."""

    text: Annotated[str, Meta(description="The answer.")] | None = None
    deltas: Annotated[list[str], Meta(description="The answer, cut as a stream would bring it.")] | None = None
    tool_arguments: Annotated[str, Meta(description="A tool call with these arguments, as JSON.")] | None = None
    error: (
        Annotated[
            Literal["unavailable", "timeout"],
            Meta(description="The engine fails in this way; in a stream behind what else it answers."),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        if self.text is not None and self.deltas is not None:
            raise ValueError("an answer has one of `text` and `deltas`")


class Caller(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who asks. A key or tenant that is not named is a new one for every case, so that cases do not count together."""

    tenant: Annotated[str, Meta(description="Tenant of the key.")] | None = None
    app: Annotated[str, Meta(description="App of the key.")] = "tests"
    key: Annotated[str, Meta(description="Public id of the key.")] | None = None
    trusted: Annotated[bool, Meta(description="Whether the key is marked as trusted.")] = False
    session: Annotated[
        str, Meta(pattern=SESSION, description="What the header `x-session-id` says; none where it is empty.")
    ] = ""
    subject: Annotated[
        str,
        Meta(
            pattern=SESSION,
            description="What the header says that the route's `subject` names; none where it is empty.",
        ),
    ] = ""
    headers: Annotated[
        dict[Annotated[str, Meta(pattern=HEADER)], Annotated[str, Meta(pattern=SESSION)]],
        Meta(max_length=32, description="Further headers of its requests, names in lower case."),
    ] = {}


class Texts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a text must and must not hold.

    `includes` and `excludes` look at everything that was sent, names of members too; `equals` at the messages alone, or what
    of an answer grows in a stream, each on lines of its own.
    """

    includes: Annotated[list[str], Meta(description="Each of these stands somewhere in it.")] = []
    excludes: Annotated[list[str], Meta(description="None of these stands anywhere in it.")] = []
    equals: Annotated[str, Meta(description="Its messages are exactly this, each on lines of its own.")] | None = None


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold afterwards; what is not named is not looked at."""

    decision: (
        Annotated[
            Literal["allow", "block", "respond"],
            Meta(description="It passed, it ended with an error, or a plugin answered for itself."),
        ]
        | None
    ) = None
    code: Annotated[Code, Meta(description="The error code that the caller gets.")] | None = None
    rule: Annotated[str, Meta(description="The rule that ended it.")] | None = None
    route: Annotated[str, Meta(description="The route that took it.")] | None = None
    findings: (
        Annotated[list[str], Meta(description="Exactly these rules found something that counts; `[]` for none.")] | None
    ) = None
    shadow: (
        Annotated[list[str], Meta(description="Exactly these rules in shadow would have acted or found something.")]
        | None
    ) = None
    forwarded: Annotated[Texts, Meta(description="The texts that the engine got.")] | None = None
    reply: Annotated[Texts, Meta(description="The text that the caller got.")] | None = None
    restored: (
        Annotated[bool, Meta(description="What the engine repeats reaches the caller as the caller wrote it.")] | None
    ) = None
    headers: Annotated[dict[str, str], Meta(description="Headers of the reply, each a glob.")] = {}
    cache: Annotated[Literal["hit", "miss", "bypass"], Meta(description="What the reply's `x-cache` says.")] | None = (
        None
    )
    audit: (
        Annotated[
            dict[str, Any],
            Meta(description="Members of the record in the ledger; `null` for one that must not be there."),
        ]
        | None
    ) = None


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One test case: a request, what the engine answers, and what must come of it. Error: ValueError."""

    name: Annotated[str, Meta(min_length=1, max_length=200, description="What it shows, in a sentence.")]
    request: Request
    expect: Annotated[Expect, Meta(description="What must hold for the request, for the last one if it is repeated.")]
    reply: Reply = Reply()
    caller: Caller = Caller()
    before: Annotated[
        list[Request],
        Meta(
            max_length=BEFORE_MAX,
            description="What the same caller sends before, such as earlier turns of a conversation; it is not looked at.",
        ),
    ] = []
    stream: Annotated[bool, Meta(description="Ask for a streamed reply.")] = False
    every_split: Annotated[
        bool, Meta(description="Run it once more for every place at which the engine's answer can be cut in two.")
    ] = False
    at: Annotated[str, Meta(pattern=MOMENT, examples=MOMENTS, description="When the first request comes.")] | None = (
        None
    )
    repeat: Annotated[int, Meta(ge=1, le=REPEAT_MAX, description="How many times it is sent.")] = 1
    every: Annotated[str, Meta(pattern=DURATION, examples=["100ms", "5m"], description="Time between two of them.")] = (
        "0ms"
    )
    at_once: Annotated[
        bool, Meta(description="All of them are under way together: the engine answers none before the last was sent.")
    ] = False
    expect_before: Annotated[Expect, Meta(description="What must hold for all but the last.")] | None = None
    todo: Annotated[str, Meta(description="Why it may still fail; it is run and counted, and fails nothing.")] = ""

    def __post_init__(self) -> None:
        if self.repeat == 1 and (self.at_once or self.expect_before is not None):
            raise ValueError("`at_once` and `expect_before` are about several requests; say how many with `repeat`")
        if self.at_once and (self.repeat > AT_ONCE_MAX or self.every_split):
            raise ValueError(f"with `at_once` there are at most {AT_ONCE_MAX} requests, and no `every_split`")
        if self.at is not None:
            timestamp(self.at)


class TestFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file `*.test.yaml`: cases for the whole bundle."""

    # pytest would take it for a class of tests.
    __test__ = False

    version: Annotated[Literal[1], Meta(description="The version of this form; 1.")]
    tests: Annotated[list[Case], Meta(description="Cases that hold for this bundle.")]


def timestamp(moment: str) -> float:
    """A date or time in seconds since the epoch; without a zone it is in UTC. Error: ValueError where there is none such."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        raise ValueError("this date or time does not exist") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def seconds(duration: str) -> float:
    """A duration of the form `100ms`, `5s`, `2m`, `1h` in seconds."""
    digits = duration.rstrip("msh")
    return int(digits) * UNITS_S[duration[len(digits) :]]
