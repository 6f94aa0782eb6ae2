"""What stands in bytes on either side of the gateway: read anew from what really went over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from yumen.dataplane import OPENAI, dialect_of
from yumen.dialects import Payload
from yumen.dialects.document import decode_json
from yumen.errors import Problem
from yumen.plugin import Channel

DEPTH_MAX, TEXTS_MAX = 256, 1_000_000
SPOKEN = ("message", "tool_result")
# The members of a message that grow in a stream.
GROWING = ("content", "reasoning_content", "refusal")
CHANNELS = ("content", "reasoning", "refusal", "tool_arguments")


class Words(NamedTuple):
    """`spoken` are the messages, `everything` every text there is; each on lines of its own.

    `contents` are the answers of the choices, where there are any.
    """

    spoken: str = ""
    everything: str = ""
    contents: tuple[str, ...] = ()


def decode(path: str, body: bytes) -> Payload:
    """A request that somebody has let pass already. Error: `Problem`."""
    return dialect_of(path).decode(path, body, depth_max=DEPTH_MAX, texts_max=TEXTS_MAX)


def request_words(path: str, body: bytes) -> Words:
    """What a request says. Error: `Problem`."""
    payload = decode(path, body)
    return Words("\n".join(_spoken(payload)), "\n".join(text.raw for text in payload.texts))


def last_words(payload: Payload) -> list[str]:
    """What an engine repeats that repeats: the last message, or every value of what is no conversation."""
    messages = payload.messages(masked=False)
    if messages:
        return [messages[-1].text]
    return _spoken(payload)


def _spoken(payload: Payload) -> list[str]:
    if payload.dialect != OPENAI.name:
        return [text.raw for text in payload.texts if text.kind not in ("key", "identifier")]
    return [text.raw for text in payload.texts if text.kind in SPOKEN]


def reply_words(path: str, body: bytes) -> Words:
    """What a plain reply says."""
    dialect = dialect_of(path)
    try:
        payload = dialect.decode_reply(body, depth_max=DEPTH_MAX, texts_max=TEXTS_MAX)
        tree = decode_json(body)
    except (Problem, ValueError):  # what was never JSON is shown as it is
        text = body.decode("utf-8", "replace")
        return Words(text, text)
    everything = "\n".join(text.raw for text in payload.texts)
    if dialect is not OPENAI:
        texts = tree.get("texts") if type(tree) is dict else None
        spoken = [text for text in texts if type(text) is str] if type(texts) is list else _spoken(payload)
        return Words("\n".join(spoken), everything, tuple(spoken))
    parts: list[str] = []
    contents: list[str] = []
    for choice in tree.get("choices", ()):
        message = choice.get("message", {})
        content = choice.get("text", message.get("content"))
        if content is not None:
            contents.append(content)
            parts.append(content)
        parts += [message[name] for name in GROWING[1:] if message.get(name)]
        parts += [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
    return Words("\n".join(parts), everything, tuple(contents))


class Stream(NamedTuple):
    """A streamed reply: what it says, and the error that ended it, or empty."""

    words: Words
    code: str


def stream_words(body: bytes) -> Stream:
    """What a streamed reply says, every channel put together."""
    channels: dict[Channel, list[str]] = {}
    loose: list[str] = []
    code = ""
    for data in _events(body):
        event = OPENAI.decode_event(data)
        if event.failed:
            code = code or error_code(decode_json(data))
        for piece in event.pieces:
            channels.setdefault(piece.channel, []).append(piece.text)
        loose += [piece.text for piece in event.loose]
    # In the order of a plain reply: which channel begins first depends on what filters hold back.
    ordered = sorted(channels, key=lambda channel: (channel.choice, CHANNELS.index(channel.name), channel.tool))
    texts = {channel: "".join(channels[channel]) for channel in ordered}
    contents = tuple(text for channel, text in texts.items() if channel.name == "content")
    spoken = [text for text in texts.values() if text]
    return Stream(Words("\n".join(spoken), "\n".join([*spoken, *loose]), contents), code)


def stream_pieces(body: bytes) -> list[str]:
    """The texts that the events of a streamed reply bring, each event's joined; those that bring none are left out."""
    pieces = ("".join(piece.text for piece in OPENAI.decode_event(data).pieces) for data in _events(body))
    return [piece for piece in pieces if piece]


def _events(body: bytes) -> Iterator[bytes]:
    """The data of the events of a stream."""
    for line in body.split(b"\n\n"):
        data = line.removeprefix(b"data: ")
        if line.startswith(b"data: ") and data != b"[DONE]":
            yield data


def error_code(tree: Any) -> str:
    """The code of an error reply, or empty."""
    error = tree.get("error") if type(tree) is dict else None
    return str(error.get("code", "")) if type(error) is dict else ""
