"""Streaming: how much later a token arrives because of what stands in between.

The upstream writes the time into every token; the client compares it with the time at which it reads the token. Both
clocks are the machine's monotonic clock. The time is written in letters, so that no detector takes it for a number.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, NamedTuple

import aiohttp

TOKENS = 100
EVERY_S = 0.02


class Delay(NamedTuple):
    """Delay of tokens in milliseconds."""

    p50_ms: float
    p99_ms: float
    tokens: int


def stamp() -> str:
    """The monotonic clock in nanoseconds, in letters."""
    return "".join(chr(97 + int(digit)) for digit in str(time.monotonic_ns()))


def age_ms(token: str) -> float:
    """Milliseconds since a token was stamped."""
    return (time.monotonic_ns() - int("".join(str(ord(letter) - 97) for letter in token))) / 1e6


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The upstream: one stamped token every 20 ms."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for index in range(TOKENS):
        await asyncio.sleep(EVERY_S)
        last = index == TOKENS - 1
        choice = {"index": 0, "delta": {"content": stamp() + " "}, "finish_reason": "stop" if last else None}
        event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        await send(
            {"type": "http.response.body", "body": b"data: " + json.dumps(event).encode() + b"\n\n", "more_body": True}
        )
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def measure(url: str, key: str, streams: int) -> list[float]:
    """Read `streams` streams at once; the age of every token in milliseconds."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        ages = await asyncio.gather(*(_read(session, url, key, index) for index in range(streams)))
    return [age for one in ages for age in one]


def delay_of(ages: list[float]) -> Delay:
    """What all tokens of one server say together."""
    ages = sorted(ages)
    return Delay(ages[len(ages) // 2], ages[int(len(ages) * 0.99)], len(ages))


async def _read(session: aiohttp.ClientSession, url: str, key: str, index: int) -> list[float]:
    await asyncio.sleep(index * EVERY_S / 7)
    message = {"role": "user", "content": "Call 13812345678 or li.na@example.com"}
    body = {"model": "m", "stream": True, "messages": [message]}
    ages = []
    headers = {"authorization": f"Bearer {key}"}
    async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as reply:
        async for line in reply.content:
            if line.startswith(b"data: {"):
                choices = json.loads(line[6:])["choices"]
                token = choices[0]["delta"].get("content", "").strip() if choices else ""
                if token:
                    ages.append(age_ms(token))
    if len(ages) != TOKENS:
        raise SystemExit(f"{url} delivered {len(ages)} of {TOKENS} tokens")
    return ages
