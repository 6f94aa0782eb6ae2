"""The texts of a recorded exchange, in the two forms in which plugins see them.

What is on record is the masked form. It stands for the raw one too, brought to the raw one's length.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from yumen.exchange import Answer, Finding
from yumen.forms import ReplyState, TextState
from yumen.policy.replay.lengths import as_long
from yumen.policy.replay.recorded import DIGEST_CHARS, ENGINE_FAILED, KINDS, Form, Recorded, TextForm
from yumen.text import Kind

# What stands in the place of texts that are not on record is at most this long, all texts of an exchange together.
STAND_IN_CHARS_MAX = 16 << 20
# What JSON needs around a text, roughly: quotation marks, braces, the names of its members.
JSON_BYTES_A_TEXT = 24


class RequestTexts(NamedTuple):
    """`masked` are texts beside their recorded form, where that is another one; `uneven` says that a length is wrong."""

    texts: list[TextState]
    masked: list[tuple[TextState, str]]
    uneven: bool


def request_texts(recorded: Recorded) -> RequestTexts:
    """The texts of a request."""
    form, uneven = recorded.form, False
    texts: list[TextState] = []
    masked: list[tuple[TextState, str]] = []
    values = stand_ins(form) if recorded.absent else [entry.text or "" for entry in form.request]
    spots = _spots(form.findings, recorded.maskers) if recorded.maskers else {}
    for entry, value in zip(form.request, values, strict=True):
        text = TextState(entry.path, entry.role, _kind(entry), value, -1, None, 0)
        if entry.text is not None and (entry.raw_chars is not None or entry.path in spots):
            evened = _evened(entry, value, spots.get(entry.path, {}))
            if evened is None:
                uneven = True
            elif evened != value:
                text.raw = evened
                masked.append((text, value))
        texts.append(text)
    return RequestTexts(texts, masked, uneven)


def replied(form: Form) -> ReplyState:
    """The recorded reply."""
    if form.outcome in ENGINE_FAILED:
        return ReplyState(form.status, form.outcome)
    texts = [TextState(entry.path, entry.role, _kind(entry), entry.text or "", -1, None, 0) for entry in form.reply]
    reply = ReplyState(form.status or 200, form.outcome if form.outcome == "engine_rejected" else "", texts)
    reply.usage, reply.finish_reason = form.usage, form.finish_reason
    return reply


def answered(answer: Answer) -> ReplyState:
    """The reply that a plugin made up."""
    texts = [
        TextState(f"choices[{index}].message.content", "assistant", "message", text, -1, None, 0)
        for index, text in enumerate(answer.texts)
    ]
    reply = ReplyState(200, "", texts)
    reply.usage, reply.finish_reason = answer.usage, answer.reason(0)
    return reply


def stand_ins(form: Form) -> list[str]:
    """The texts of a request of which some are absent; in the place of each of those, something of its length.

    What it was made of is not known: as many of the characters as the bytes of the request leave room for are taken to be
    wide ones.
    """
    texts = form.request
    lengths = [0 if one.text is not None else _length(one, form) for one in texts]
    known = sum(len(one.text.encode("utf-8", "replace")) for one in texts if one.text is not None)
    absent = sum(lengths)
    spare = form.request_bytes - known - absent - JSON_BYTES_A_TEXT * len(texts)
    # A wide character is three bytes, two more than it was counted for.
    share = min(1.0, max(0.0, spare / 2 / absent)) if absent else 0.0
    left = STAND_IN_CHARS_MAX
    out = []
    for one, length in zip(texts, lengths, strict=True):
        length = min(length, left)
        left -= length
        wide = round(length * share)
        out.append(one.text if one.text is not None else "。" * wide + "." * (length - wide))
    return out


def _length(text: TextForm, form: Form) -> int:
    if text.raw_chars is not None:
        return max(0, text.raw_chars)
    # In a record from before raw lengths, what is as long as a digest may have been of any length.
    return 0 if text.chars == DIGEST_CHARS and not form.path else max(0, text.chars)


def _spots(findings: list[Finding], maskers: set[str]) -> dict[str, dict[str, list[Finding]]]:
    """What was masked in the request, by path and plugin."""
    spots: dict[str, dict[str, list[Finding]]] = {}
    for one in findings:
        if one.direction == "request" and one.plugin in maskers:
            spots.setdefault(one.path, {}).setdefault(one.plugin, []).append(one)
    return spots


def _evened(entry: TextForm, value: str, spots: dict[str, list[Finding]]) -> str | None:
    """A text with its raw lengths by the findings of one of the plugins; None where nobody's fit."""
    raw_chars = len(value) if entry.raw_chars is None else entry.raw_chars
    for findings in spots.values():
        evened = as_long(value, raw_chars, findings)
        if evened is not None:
            return evened
    return value if raw_chars == len(value) else None


def _kind(entry: TextForm) -> Kind:
    return cast(Kind, entry.kind) if entry.kind in KINDS else "extra"
