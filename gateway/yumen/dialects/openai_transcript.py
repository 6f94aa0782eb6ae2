"""Whole OpenAI replies and streams of them, one made of the other."""

from __future__ import annotations

from collections.abc import Sequence

from yumen.errors import Problem


def complete(body: bytes) -> bool:
    raise Problem("engine_unavailable")


def events_of(body: bytes) -> list[bytes]:
    raise Problem("engine_unavailable")


def whole_of(events: Sequence[bytes]) -> bytes:
    raise Problem("engine_unavailable")
