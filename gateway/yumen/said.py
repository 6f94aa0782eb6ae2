"""What plugins and engines say, before anything is made of it: findings, decisions, headers and replies are checked where
they come in.

What is nonsense is then a fault of whoever said it, and not of the ledger, engine or plugin that stumbles over it later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from yumen.engine import EngineError, Native
from yumen.errors import STATUS
from yumen.exchange import Allow, Answer, Block, Respond

# Of a rule's id or a category.
WORD_CHARS_MAX = 200
OFFSET_MAX = 1 << 31
HEADER_NAME = re.compile(r"[a-z0-9-]{1,64}")
HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1024}")
HEADERS_MAX = 64
# What one edit writes, or a stream filter lets go at once.
TEXT_CHARS_MAX = 1 << 24
# What frames a reply, and what the gateway says itself.
GATEWAY_HEADERS = frozenset(
    {
        "connection", "content-encoding", "content-length", "content-type", "date", "inference-header-content-length",
        "keep-alive", "server", "server-timing", "te", "trailer", "transfer-encoding", "upgrade", "x-policy-hash",
        "x-request-id",
    }
)  # fmt: skip

_encode = msgspec.json.Encoder().encode
_decode_answer = msgspec.json.Decoder(Answer).decode


def check_finding(rule: Any, category: Any, start: Any, end: Any, score: Any) -> None:
    """Errors: TypeError or ValueError for what a finding cannot hold."""
    check_word(rule, "the rule of a finding")
    check_word(category, "the category of a finding")
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= OFFSET_MAX):
        raise ValueError("a finding begins at 0 or later, and ends where it begins or later")
    if not (isinstance(score, int | float) and 0 <= score <= 1):
        raise ValueError("the score of a finding is from 0 to 1")


def check_word(word: Any, what: str) -> None:
    """Error: TypeError for what is no text; ValueError for none that can stand in a record and a log."""
    if not isinstance(word, str):
        raise TypeError(f"{what} is a text")
    if not 0 < len(word) <= WORD_CHARS_MAX or not word.isprintable():
        raise ValueError(f"{what} is 1 to {WORD_CHARS_MAX} printable characters")


def check_text(text: str) -> None:
    """Error: ValueError for a text that no reply can hold: of more than `TEXT_CHARS_MAX`, or with half a surrogate pair."""
    if len(text) > TEXT_CHARS_MAX:
        raise ValueError(f"a plugin may write {TEXT_CHARS_MAX} characters at once")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # The error's own message would show what stands there.
            raise ValueError("a text of a plugin holds half a surrogate pair") from None


def check_header(name: Any, value: Any, headers: dict[str, str]) -> None:
    """Whether `headers` of a reply may have one more. Error: ValueError."""
    if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
        raise ValueError("a header is a lower-case name and printable ASCII")
    if name in GATEWAY_HEADERS:
        raise ValueError(f"the header {name} is the gateway's own")
    if len(headers) >= HEADERS_MAX and name not in headers:
        raise ValueError(f"plugins set at most {HEADERS_MAX} headers of a reply")


def check_decision(decision: Any) -> None:
    """Errors: TypeError or ValueError for what is no decision, or holds what none can."""
    if isinstance(decision, Block):
        check_word(decision.reason, "the reason of a block")
        if decision.code not in STATUS:
            raise ValueError("the code of a block is none")
        wait = decision.retry_after_s
        if wait is not None and not (isinstance(wait, int | float) and math.isfinite(wait) and wait >= 0):
            raise ValueError("`retry_after_s` is a number of seconds")
    elif isinstance(decision, Respond):
        if not isinstance(decision.answer, Answer) or not _is_answer(decision.answer):
            raise TypeError("a plugin responds with an Answer of one text or more")
    elif not isinstance(decision, Allow):
        raise TypeError("a hook returns a Decision or None")


def check_given(given: Any) -> None:
    """Error: `EngineError` for what an engine gives and is no reply: an `Answer`, a `Native`, or an iterator of events."""
    if isinstance(given, Answer):
        if not _is_answer(given):
            raise EngineError("it gave an Answer without texts, or with a member of another type")
    elif isinstance(given, Native):
        status, body, json_bytes = given.status, given.body, given.json_bytes
        if type(status) is not int or not 200 <= status <= 599:
            raise EngineError("it gave a Native whose status is none of a reply, 200 to 599")
        if not isinstance(body, bytes) or type(json_bytes) is not int or not 0 <= json_bytes <= len(body):
            raise EngineError("it gave a Native whose body is not bytes, or shorter than its JSON")
        if not isinstance(given.headers, Mapping):
            raise EngineError("it gave a Native whose headers are no mapping")
    elif not hasattr(given, "__aiter__"):
        raise EngineError("it gave neither an Answer nor a Native nor an iterator of events")


def _is_answer(answer: Answer) -> bool:
    """Whether, there and back, every member has its type, and every text can be written."""
    try:
        return bool(_decode_answer(_encode(answer)).texts)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False
