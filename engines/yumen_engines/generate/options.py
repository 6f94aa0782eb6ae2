"""What a request to the OpenAI paths asks of a decoder model, and what of it cannot be done.

An option that would change the answer and is not implemented is refused, never passed over. Format: OpenAI's chat
completions and completions, and `top_k`, which the servers of open models take beside them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec

from yumen import RequestRefused

STOPS_MAX, STOP_CHARS_MAX = 4, 256
# A temperature below this is a choice of the best token, and would overflow as a number.
TEMPERATURE_MIN = 0.01
TOP_P_MIN = 1e-6
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
FIELD = re.compile(r"`\$\.([a-z_]+)")
# What asks for something else than words, by the values that ask for nothing.
REFUSED: dict[str, tuple[Any, ...]] = {
    "tools": (None, []),
    "functions": (None, []),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "prediction": (None,),
    "web_search_options": (None,),
    "suffix": (None, ""),
    "echo": (None, False),
    "best_of": (None, 1),
    "tool_choice": (None, "none", "auto"),
    "function_call": (None, "none", "auto"),
    "audio": (None,),
    "reasoning_effort": (None,),
    "verbosity": (None,),
    "min_p": (None, 0),
    "min_tokens": (None, 0),
    "repetition_penalty": (None, 1),
    "stop_token_ids": (None, []),
    "ignore_eos": (None, False),
}
# What changes nothing of the answer: what the core has read, who asks, and how a provider is to keep and bill it.
PASSED_OVER = frozenset(
    {
        "model", "stream", "stream_options", "user", "safety_identifier", "metadata", "store", "service_tier",
        "prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls",
    }
)  # fmt: skip
# Where 0 and 1 are numbers, and not yes or no: no log-probabilities of completions are asked for by leaving it out.
TRUTHS = frozenset({"logprobs", "echo", "ignore_eos"})
T = TypeVar("T")


class Part(msgspec.Struct):
    """One part of a message."""

    type: str
    text: str | None = None


class Turn(msgspec.Struct):
    """One message."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: Any = None
    function_call: Any = None


class Options(msgspec.Struct, kw_only=True):
    """What both paths have in common, as far as it is implemented."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: int | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=16)] | None = None
    stop: str | list[str] | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def tokens_max(self) -> int | None:
        asked = [number for number in (self.max_completion_tokens, self.max_tokens) if number is not None]
        return min(asked) if asked else None

    def search(self, vocabulary: int) -> dict[str, int | float | bool]:
        """The options of the search that the request names, of a model that knows so many tokens.

        For the others the model's own stand.
        """
        options: dict[str, int | float | bool] = {}
        if self.temperature is not None:
            options["do_sample"] = self.temperature >= TEMPERATURE_MIN
            if options["do_sample"]:
                options["temperature"] = self.temperature
        if self.top_p is not None:
            # Below it one token is left as well; the library would take what its floats cannot hold for 0, which is all.
            options["top_p"] = max(self.top_p, TOP_P_MIN)
        if self.top_k is not None:
            # More than all tokens are all tokens; the library would fail.
            options["top_k"] = min(self.top_k, vocabulary)
        return options


class Chat(Options):
    """`/v1/chat/completions`."""

    messages: Annotated[list[Turn], msgspec.Meta(min_length=1)]

    def turns(self) -> list[tuple[str, str]]:
        """Roles and texts. Error: `RequestRefused` for what is no text of a speaker."""
        return [_turn(turn, place) for place, turn in enumerate(self.messages)]


class Completion(Options):
    """`/v1/completions`."""

    prompt: str | list[Any]

    def text(self) -> str:
        """The one prompt. Error: `RequestRefused` for several, or tokens, in which no plugin has read anything."""
        prompt = self.prompt[0] if isinstance(self.prompt, list) and len(self.prompt) == 1 else self.prompt
        if not isinstance(prompt, str):
            raise RequestRefused("`prompt` is not one text.", param="prompt", code="unsupported_payload")
        return prompt


def read(path: str, body: bytes) -> Chat | Completion:
    """Read a request. Error: `RequestRefused`, which names the member and nothing of what stands in it."""
    if path == "chat/completions":
        asked: Chat | Completion = _decode(body, Chat)
    elif path == "completions":
        asked = _decode(body, Completion)
    else:
        raise RequestRefused("The model of this route writes texts; it does nothing else.", code="unsupported_payload")
    declared = {field.name for field in msgspec.structs.fields(asked)}
    for name, value in _decode(body, dict[str, Any]).items():
        if name in REFUSED and not _asks_nothing(name, value):
            raise RequestRefused(
                f"The model of this route does not take `{name}`.", param=name, code="unsupported_payload"
            )
        if name not in REFUSED and name not in PASSED_OVER and name not in declared and value is not None:
            # Its name is the caller's own words.
            raise RequestRefused(
                "The request has a member that the model of this route does not know.", code="unsupported_payload"
            )
    if len(asked.stops) > STOPS_MAX or any(not 0 < len(stop) <= STOP_CHARS_MAX for stop in asked.stops):
        raise RequestRefused(
            f"`stop` is more than {STOPS_MAX} texts, or one that is empty or has more than {STOP_CHARS_MAX} characters.",
            param="stop",
        )
    return asked


def _asks_nothing(name: str, value: Any) -> bool:
    if name in TRUTHS:
        return value is None or value is False
    return value in REFUSED[name]


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = FIELD.search(str(error))
    # The name of a declared member, and never a word of the caller's: `FIELD` finds the first one below the top.
    name = found[1] if found and found[1] in DECLARED else None
    raise RequestRefused(f"`{name}` is not what this path takes." if name else "The body is not read.", param=name)


DECLARED = {field.name for kind in (Chat, Completion) for field in msgspec.structs.fields(kind)}


def _turn(turn: Turn, place: int) -> tuple[str, str]:
    role = ROLES.get(turn.role)
    if role is None or turn.tool_calls or turn.function_call:
        raise _refused_turn("is not by `system`, `developer`, `user` or `assistant`, or calls tools", place)
    if isinstance(turn.content, str):
        return role, turn.content
    texts = [part.text for part in turn.content or () if part.type == "text" and part.text is not None]
    if len(texts) != len(turn.content or ()):
        raise _refused_turn("holds something else than text", place)
    return role, "".join(texts)


def _refused_turn(what: str, place: int) -> RequestRefused:
    return RequestRefused(f"Message {place} {what}.", param=f"messages[{place}]", code="unsupported_payload")
