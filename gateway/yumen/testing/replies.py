"""What a server of the `openai` dialect says, byte for byte: for engines whose answers a test spells out."""

from __future__ import annotations

from typing import Any

from yumen.dialects.document import encode_json

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(text: str | None = None, finish: str | None = None, choice: int = 0, **delta: Any) -> bytes:
    """One event of a stream: a piece of a choice's text, why it ends, or any other members of its `delta`."""
    body = {**({} if text is None else {"content": text}), **delta}
    return encode_json({**CHUNK, "choices": [{"index": choice, "delta": body, "finish_reason": finish}]})


def completion(*texts: str) -> bytes:
    """A plain reply with one choice per text."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    reply = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    return encode_json({**reply, "usage": usage})
