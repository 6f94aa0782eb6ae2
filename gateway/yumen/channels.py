"""Streamed text on its way through the filters of a chain, one strand per choice and channel."""

from __future__ import annotations

import time
from typing import Any

from yumen.engine import EngineError
from yumen.errors import Problem
from yumen.exchange import Block, Trace
from yumen.forms import ExchangeState, TextState
from yumen.plugin import Channel, MaskingFilter, StreamFilter
from yumen.step import Step
from yumen.view import View

# What the completion hooks see of a streamed reply; text beyond it has passed the filters but is not kept.
KEPT_CHARS_MAX = 1 << 20
# What is held back whole of a channel, for a filter above the masking plugin.
HELD_CHARS_MAX = 16 << 20
KINDS: dict[str, Any] = {"reasoning": "reasoning", "tool_arguments": "tool_arguments"}


class FilterSlot:
    """One plugin's filter for one channel, called under the plugin's policy."""

    __slots__ = (
        "_exchange", "_filter", "_filters", "_held", "_hold_max", "_kept_back", "_kept_chars", "_pending", "_view",
        "edits", "masks", "only_holds", "sees_masked", "step",
    )  # fmt: skip

    def __init__(self, step: Step, view: View, exchange: ExchangeState, channel: Channel, hold_chars: int) -> None:
        self.step = step
        self._view = view
        self._exchange = exchange
        self._held = 0
        self._filter: StreamFilter | None = None
        self._hold_max = 0
        self.masks = step.manifest.masks
        self.sees_masked = step.manifest.sees == "masked"
        self.edits = step.manifest.mutates and not view.shadow
        # A filter that may not edit may still wait before it lets text go on, or it could block only what has left.
        self.only_holds = not (step.manifest.mutates or self.masks or view.shadow)
        self._pending = ""
        self._kept_back: list[str] = []
        self._kept_chars = 0
        started = time.perf_counter()
        try:
            self._filter = step.plugin.stream(view, channel)
            if self._filter is not None:
                self._hold_max = min(self._filter.hold_max, hold_chars)
                if self.masks and not isinstance(self._filter, MaskingFilter):
                    raise TypeError("the filter of a masking plugin is a MaskingFilter")
        except Exception as error:  # a plugin may raise anything; what it means is policy
            self._filter = None
            step.failed("stream", exchange, started, error, view.shadow)
        self._filters = self._filter is not None

    @property
    def idle(self) -> bool:
        return self._filter is None

    def feed(self, text: str, *, last: bool) -> str:
        """Hand a piece to the filter, and its end after the last one; return what it lets go on.

        Error: `Problem` where it blocks, or fails and its policy is to end the exchange then.
        """
        running = self._filter
        if running is None:
            return text
        started = time.perf_counter()
        try:
            out = running.feed(text) if text else ""
            if last and not isinstance(out, Block):
                rest = running.finish()
                out = rest if isinstance(rest, Block) else out + rest
            if isinstance(out, str):
                self._check(text, out, started)
                if self.only_holds:
                    self._let_go(text, out)
            elif not isinstance(out, Block):
                raise TypeError("a filter returns text or a Block")
        except Exception as error:  # a plugin may raise anything; what it means is policy
            self._filter = None
            self.step.failed("stream", self._exchange, started, error, self._view.shadow)
            return ""
        if isinstance(out, Block):
            out = self._blocked(out, text)
        if self._view.quiet_blocks:
            self.step.record_quiet("stream", self._exchange, self._view)
        return out

    def masked(self) -> str:
        """Masked text that became ready."""
        running = self._filter
        return running.masked() if isinstance(running, MaskingFilter) else ""

    def _check(self, text: str, out: str, started: float) -> None:
        self._held = 0 if out else self._held + len(text)
        if self._held > self._hold_max + len(text):
            raise OverflowError("the filter holds more than it declared")
        seconds = time.perf_counter() - started
        self._view.seconds += seconds
        if seconds > self.step.timeout_s:
            raise TimeoutError

    def _let_go(self, text: str, out: str) -> None:
        """Keep what a filter that may not edit holds back. Error: PermissionError where it lets other text go."""
        self._pending += text
        if not self._pending.startswith(out):
            raise PermissionError(f"the manifest of {self.step.manifest.name} does not say `mutates`")
        self._pending = self._pending[len(out) :]

    def held_back(self, raw: str, *, last: bool) -> str:
        """The raw form, above the masking plugin, of what a filter sees masked and may only hold.

        The two forms have other lengths and come at other times, so nothing goes on before the filter has seen the end.
        Error: `EngineError` where that is too much to keep.
        """
        if not self._filters:
            return raw
        self._kept_back.append(raw)
        self._kept_chars += len(raw)
        if self._kept_chars > HELD_CHARS_MAX:
            raise EngineError("the reply is longer than may be held back")
        if not last:
            return ""
        # A filter that failed on the way has lost what it held, as any other has.
        raw = "" if self._filter is None else "".join(self._kept_back)
        self._kept_back.clear()
        return raw

    def _blocked(self, block: Block, text: str) -> str:
        """Follow the filter's decision; in shadow the filter has had its say, and the text goes on without it.

        A filter that decides by several rules asks `Exchange.block` and goes on itself: where one that does not blocks under
        a rule in shadow, what its other rules would have done with the rest is not known, and the stream ends.
        """
        view = self._view
        enforced = view.ruled(block)
        if view.shadow or (enforced is None and not self.step.enforces and not self.edits):
            if enforced is not None:
                view.quiet_blocks.append(block.reason)
            self._filter = None
            held, self._pending = self._pending, ""
            return held + text
        self._exchange.trace.append(Trace(self.step.name, "stream", 0.0, "block", block.reason))
        raise Problem(block.code, retry_after_s=block.retry_after_s)


class Strand:
    """One channel of one choice: its filters from the engine upwards, and what has passed them in both forms.

    `masked_words` says that the engine's own words are masked text, since it was given nothing else.
    """

    __slots__ = ("_kept", "_masked_parts", "_masked_words", "_raw_parts", "_slots", "channel", "done")

    def __init__(self, channel: Channel, slots: list[FilterSlot], *, masked_words: bool) -> None:
        self.channel = channel
        self.done = False
        self._slots = slots
        self._masked_words = masked_words
        self._masked_parts: list[str] = []
        self._raw_parts: list[str] = []
        self._kept = 0

    def feed(self, text: str, *, last: bool = False) -> str:
        """Pass a piece through the filters; return what the client gets now. Error: `Problem`."""
        raw, masked = text, text if self._masked_words else ""
        # Below the masking plugin a reply has one form, so an edit there is an edit of both; above it there are two.
        below = self._masked_words
        for slot in self._slots:
            out = slot.feed(masked if slot.sees_masked else raw, last=last)
            if slot.masks:
                masked, below = slot.masked(), False
            if slot.only_holds and slot.sees_masked and not below:
                raw = slot.held_back(raw, last=last)
            elif slot.edits or slot.only_holds:
                raw = out
                if below:
                    masked = out
        self._keep(raw, masked)
        self.done = last
        return raw

    def _keep(self, raw: str, masked: str) -> None:
        self._kept += len(raw) + len(masked)
        if self._kept <= KEPT_CHARS_MAX:
            self._raw_parts.append(raw)
            self._masked_parts.append(masked)

    def text(self) -> TextState:
        """What has passed, as one text for the completion hooks."""
        channel = self.channel
        tool = f".tool_calls[{channel.tool}]" if channel.name == "tool_arguments" else ""
        path = f"choices[{channel.choice}].message{tool}.{channel.name}"
        raw = "".join(self._raw_parts)
        state = TextState(path, "assistant", KINDS.get(channel.name, "message"), raw, -1, None, 0)
        masking = [slot for slot in self._slots if slot.masks]
        # A masking filter that failed has left holes in the masked form: then only the digest is safe.
        if all(not slot.idle for slot in masking) if masking else self._masked_words:
            state.masked = "".join(self._masked_parts)
        return state
