"""Streamed text on its way through the filters of a chain, one strand per choice and channel."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from yumen.awaited import AwaitedFilter
from yumen.engine import EngineError
from yumen.errors import Problem
from yumen.exchange import Block, Trace
from yumen.forms import ExchangeState, TextState
from yumen.holding import SHORTENING, Holding
from yumen.plugin import Channel, MaskingFilter, StreamFilter
from yumen.said import check_decision, check_text
from yumen.step import Step
from yumen.tracing.running import running
from yumen.view import View

# What the completion hooks see of a streamed reply; text beyond it has passed the filters but is not kept.
KEPT_CHARS_MAX = 1 << 20
# What is held back whole of a channel, for a filter above the masking plugin.
HELD_CHARS_MAX = 16 << 20
KINDS: dict[str, Any] = {"reasoning": "reasoning", "tool_arguments": "tool_arguments"}


def path_of(channel: Channel) -> str:
    """The path of the text that a channel comes to: where it would stand in a plain reply."""
    if channel.name == "tool_arguments":
        return f"{call_path(channel)}.function.arguments"
    return f"choices[{channel.choice}].message.{channel.name}"


def call_path(channel: Channel) -> str:
    """The path of the tool call that a channel is of."""
    return f"choices[{channel.choice}].message.tool_calls[{channel.tool}]"


class FilterSlot:
    """One plugin's filter for one channel, called under the plugin's policy."""

    __slots__ = (
        "_exchange", "_filter", "_filters", "_hold_chars", "_hold_max", "_holding", "_kept_back", "_kept_chars", "_view",
        "awaited", "edits", "masks", "only_holds", "sees_masked", "step",
    )  # fmt: skip

    def __init__(self, step: Step, view: View, exchange: ExchangeState, channel: Channel, hold_chars: int) -> None:
        self.step = step
        self._view = view
        self._exchange = exchange
        self._holding = Holding()
        self._filter: StreamFilter | None = None
        # What the bundle lets filters hold, and what this one says that it holds.
        self._hold_chars = hold_chars
        self._hold_max = 0
        # The filter, where it is in another process and must be asked before it is called.
        self.awaited: AwaitedFilter | None = None
        self.masks = step.manifest.masks
        self.sees_masked = step.manifest.sees == "masked"
        self.edits = step.manifest.mutates and not view.shadow
        # A filter that may not edit may still wait before it lets text go on, or it could block only what has left.
        self.only_holds = not (step.manifest.mutates or self.masks or view.shadow)
        self._kept_back: list[str] = []
        self._kept_chars = 0
        started = time.perf_counter()
        running.step = step
        try:
            self._filter = step.stream(view, channel)
            if self._filter is not None:
                self._hold_max = min(self._filter.hold_max, hold_chars)
                if self.masks and not isinstance(self._filter, MaskingFilter):
                    raise TypeError("the filter of a masking plugin is a MaskingFilter")
                if isinstance(self._filter, AwaitedFilter):
                    self.awaited = self._filter
        except BaseException as error:  # a plugin may raise anything; what it means is policy
            self._filter = None
            step.failed("stream", exchange, started, error, view.shadow)
        finally:
            running.step = None
        self._filters = self._filter is not None

    @property
    def idle(self) -> bool:
        return self._filter is None

    def must_ask(self, text: str, *, last: bool) -> bool:
        """Whether the filter is elsewhere and has not been asked about this piece."""
        awaited = self.awaited
        if awaited is None or self._filter is None or awaited.answered:
            return False
        return bool(text) or last

    def feed(self, text: str, *, last: bool) -> str:
        """Hand a piece to the filter, and its end after the last one; return what it lets go on.

        Error: `Problem` where it blocks, or fails and its policy is to end the exchange then.
        """
        awaited = self.awaited
        if awaited is not None and awaited.absent:
            self._filter, self._filters = None, False
        running = self._filter
        if running is None:
            return text
        started = time.perf_counter()
        if awaited is not None:
            started -= awaited.seconds
            self._hold_max = min(awaited.hold_max, self._hold_chars)
        try:
            out = running.feed(text) if text else ""
            if last and not isinstance(out, Block):
                rest = running.finish()
                out = rest if isinstance(rest, Block) else out + rest
            if isinstance(out, str):
                self._check(text, out, last, started)
                check_text(out)
            else:
                check_decision(out)
                if not isinstance(out, Block):
                    raise TypeError("a filter returns text or a Block")
        except BaseException as error:  # a plugin may raise anything; what it means is policy
            # One that was never there holds nothing of what came before, and has lost nothing.
            begun = self._filters = awaited is None or awaited.opened
            self._failed(started, error)
            return "" if begun else text
        if isinstance(out, Block):
            out = self._blocked(out, text)
        if self._view.quiet_blocks:
            self.step.record_quiet("stream", self._exchange, self._view)
        return out

    def masked(self) -> str:
        """Masked text that became ready; empty from a filter that has failed. Error: as of `feed`."""
        running = self._filter
        if not isinstance(running, MaskingFilter):
            return ""
        started = time.perf_counter()
        try:
            out = running.masked()
            if not isinstance(out, str):
                raise TypeError("a filter returns text")
        except BaseException as error:  # as above
            self._failed(started, error)
            return ""
        return out

    def _failed(self, started: float, error: BaseException) -> None:
        self._filter = None
        self.step.failed("stream", self._exchange, started, error, self._view.shadow)

    def _check(self, text: str, out: str, last: bool, started: float) -> None:
        """Hold the filter to what it has declared.

        Errors: OverflowError where it holds more, PermissionError where it edits and may not, TimeoutError where it is late.
        """
        holding = self._holding
        holding.pass_on(text, out)
        if self.only_holds and (holding.edited or (last and holding.chars)):
            raise PermissionError(f"the manifest of {self.step.manifest.name} does not say `mutates`")
        if not last and self._holds_too_much(len(text)):
            raise OverflowError("the filter holds more than it declared")
        seconds = time.perf_counter() - started
        self._view.seconds += seconds
        if seconds > self.step.timeout_s:
            raise TimeoutError

    def _holds_too_much(self, piece: int) -> bool:
        holding, declared = self._holding, self._hold_max
        if self.only_holds:
            return holding.chars > declared
        # It may have taken away all of this piece, and hold nothing of it; and what it holds may be shortened already.
        shortened = min(declared * SHORTENING, self._hold_chars)
        return holding.silent > declared + piece or holding.chars > shortened + piece

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
            held = self._holding.waiting if self.only_holds else ""
            return held + text
        self._exchange.trace.append(Trace(self.step.name, "stream", 0.0, "block", block.reason))
        raise Problem(block.code, retry_after_s=block.retry_after_s)


class Question(NamedTuple):
    """What a filter that is elsewhere must be asked, and how long it may take."""

    filter: AwaitedFilter
    text: str
    last: bool
    timeout_s: float


class Strand:
    """One channel of one choice: its filters from the engine upwards, and what has passed them in both forms.

    `masked_words` says that the engine's own words are masked text, since it was given nothing else.
    """

    __slots__ = (
        "_at", "_below", "_kept", "_last", "_masked", "_masked_parts", "_masked_words", "_raw", "_raw_parts", "_slots",
        "channel", "done",
    )  # fmt: skip

    def __init__(self, channel: Channel, slots: list[FilterSlot], *, masked_words: bool) -> None:
        self.channel = channel
        self.done = False
        self._slots = slots
        self._masked_words = masked_words
        self._masked_parts: list[str] = []
        self._raw_parts: list[str] = []
        self._kept = 0
        # The piece that is on its way, in both forms, and the slot that it comes to next.
        self._raw = self._masked = ""
        self._below, self._last, self._at = False, False, 0

    def feed(self, text: str, *, last: bool = False) -> str | None:
        """Pass a piece through the filters; return what the client gets now. Error: `Problem`.

        None where a filter that is elsewhere comes next: what `question` says is to be asked, and then comes `go_on`.
        """
        self._raw, self._masked = text, text if self._masked_words else ""
        # Below the masking plugin a reply has one form, so an edit there is an edit of both; above it there are two.
        self._below = self._masked_words
        self._last, self._at = last, 0
        return self.go_on()

    def question(self) -> Question:
        """What to ask of whom, when `feed` or `go_on` has returned None."""
        slot = self._slots[self._at]
        assert slot.awaited is not None
        text = self._masked if slot.sees_masked else self._raw
        return Question(slot.awaited, text, self._last, slot.step.timeout_s)

    def go_on(self) -> str | None:
        """Go on with a piece from where it stopped. Returns and raises what `feed` does."""
        last = self._last
        try:
            while self._at < len(self._slots):
                slot = self._slots[self._at]
                piece = self._masked if slot.sees_masked else self._raw
                if slot.awaited is not None and slot.must_ask(piece, last=last):
                    return None
                running.step = slot.step
                out = slot.feed(piece, last=last)
                if slot.masks:
                    self._masked, self._below = slot.masked(), False
                if slot.only_holds and slot.sees_masked and not self._below:
                    self._raw = slot.held_back(self._raw, last=last)
                elif slot.edits or slot.only_holds:
                    self._raw = out
                    if self._below:
                        self._masked = out
                self._at += 1
        finally:
            running.step = None
        self._keep(self._raw, self._masked)
        self.done = last
        return self._raw

    def _keep(self, raw: str, masked: str) -> None:
        self._kept += len(raw) + len(masked)
        if self._kept <= KEPT_CHARS_MAX:
            self._raw_parts.append(raw)
            self._masked_parts.append(masked)

    def text(self) -> TextState:
        """What has passed, as one text for the completion hooks."""
        channel = self.channel
        raw = "".join(self._raw_parts)
        state = TextState(path_of(channel), "assistant", KINDS.get(channel.name, "message"), raw, -1, None, 0)
        masking = [slot for slot in self._slots if slot.masks]
        # A masking filter that failed has left holes in the masked form: then only the digest is safe.
        if all(not slot.idle for slot in masking) if masking else self._masked_words:
            state.masked = "".join(self._masked_parts)
        return state
