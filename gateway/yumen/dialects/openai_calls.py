"""The tool calls of a plain OpenAI reply, put together of its texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yumen.dialects import Payload
from yumen.dialects.document import encode_json
from yumen.forms import CallState

# Where the texts of a call stand: its name, and its arguments, behind `#` taken apart.
PLACE = re.compile(
    r"(choices\[\d+\]\.message\.(?:tool_calls\[\d+\]|function_call))\.(?:(?:function|custom)\.)?(name|arguments|input)(?:#.*)?"
)


def calls_of(payload: Payload) -> list[CallState]:
    """Every call, in the order of the reply."""
    calls = {call.path: call for call in _calls(payload.document.tree)}
    for text in payload.texts if calls else ():
        place = PLACE.fullmatch(text.path)
        if place is None or place[1] not in calls:
            continue
        call = calls[place[1]]
        if place[2] == "name":
            call.names.append(text)
        else:
            call.texts.append(text)
            call.document = text.document if text.outer is not None else None
    return list(calls.values())


def _calls(tree: Any) -> Iterator[CallState]:
    choices = tree.get("choices")
    for number, choice in enumerate(choices if isinstance(choices, list) else ()):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            continue
        path = f"choices[{number}].message"
        given = message.get("tool_calls")
        for place, call in enumerate(given if isinstance(given, list) else ()):
            said = (call.get("function") or call.get("custom")) if isinstance(call, dict) else None
            if isinstance(said, dict):
                yield CallState(number, f"{path}.tool_calls[{place}]", _source(said))
        if isinstance(message.get("function_call"), dict):
            yield CallState(number, f"{path}.function_call", _source(message["function_call"]))


def _source(said: dict[str, Any]) -> str:
    arguments = said.get("arguments", said.get("input", ""))
    # Some engines give the arguments as they are, and not as JSON in a string.
    return arguments if isinstance(arguments, str) else encode_json(arguments).decode()
