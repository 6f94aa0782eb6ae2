"""Runs a streamed exchange: events of the engine in, frames for the client out, filters in between.

Text is released only by the filters. When something fails, what is still held stays held: the stream ends with an error
event. The ledger's completion hook is awaited before the last frame leaves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from yumen.awaited import AwaitedPlugin
from yumen.chain import Run
from yumen.channels import FilterSlot, Strand
from yumen.dialects import Event, Piece
from yumen.engine import Delta, EngineError, Events
from yumen.errors import Problem
from yumen.exchange import Answer
from yumen.foreign import called, following, pass_on
from yumen.forms import ReplyState
from yumen.kept import deltas
from yumen.plugin import Channel
from yumen.telemetry import error_name, log, metrics
from yumen.whole import WholeReply

SendFrame = Callable[[bytes], Awaitable[None]]

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
STRANDS_MAX = 1024


def frame(data: bytes) -> bytes:
    """One server-sent event."""
    return b"data: " + data + b"\n\n"


class StreamRun:
    """The streamed reply of one run."""

    def __init__(self, run: Run, events: Events | Answer, send: SendFrame) -> None:
        self.run = run
        self.exchange = run.exchange
        self._events = _iterate(events) if isinstance(events, Answer) else events
        self._send = send
        self._strands: dict[Channel, Strand] = {}
        self._loose: dict[str, str] = {}
        # The first event of each channel: what is held back is carried in the same form.
        self._first: dict[Channel, Event] = {}
        self._empty = True
        self._uncounted = run.chain.asking and not run.exchange.payload.include_usage
        self._last_sent = time.monotonic()
        reply = ReplyState(200)
        self.reply = self.exchange.reply = reply
        self._whole: WholeReply | None = None

    async def _wants_whole(self) -> bool:
        """Whether a plugin wants to see the reply and has no filter, or says that it must see it whole."""
        for step, view in self.run.ran:
            if "on_response" in step.hooks and step.directed("on_response"):
                awaited = step.streams and isinstance(step.plugin, AwaitedPlugin)
                if not step.streams or (await step.awaits_whole(view) if awaited else step.wants_whole(view)):
                    return True
        return False

    async def pump(self) -> None:
        """Send the whole reply. Cancelled when the client leaves; what must happen then is `abandon`."""
        limits = self.run.chain.limits
        beat = asyncio.create_task(self._keep_alive(limits.keepalive_ms / 1000))
        try:
            async with asyncio.timeout(limits.stream_ms / 1000):
                await self._relay()
        except TimeoutError:
            self._fail(Problem("engine_timeout"))
        except Problem as problem:
            self._fail(problem)
        except BaseException as error:  # an engine's iterator is somebody else's code
            pass_on(error)
            self._fail(self.run.engine_problem(error))
        finally:
            beat.cancel()
            await self._close_events()
        await self._end()

    async def _relay(self) -> None:
        exchange, dialect = self.exchange, self.run.dialect
        started, first = time.perf_counter(), True
        created = int(exchange.received_at)
        events = aiter(self._events)
        while (item := await following(events)) is not None:
            if first:
                first = False
                seconds = time.perf_counter() - self.run.started
                exchange.timings_ms["first_byte"] = round(seconds * 1000, 3)
                metrics.first_token_seconds(exchange.route)(seconds)
                # Not before the iterator has begun: closing one that has not would not end what it stands for.
                if await self._wants_whole():
                    self._whole = WholeReply()
            if isinstance(item, Delta):
                self._note(item)
                for data in dialect.encode_delta(item, exchange.payload, exchange.id, created):
                    await self._take(dialect.decode_event(data), len(data))
            else:
                await self._take(dialect.decode_event(item), len(item))
        if exchange.egress:
            metrics.engine_seconds(exchange.engine)(time.perf_counter() - started)
        await self._drain()

    def _note(self, delta: Delta) -> None:
        if type(delta.text) is not str:
            raise EngineError("a piece of its stream is no text")
        self.reply.usage = delta.usage or self.reply.usage

    async def _take(self, event: Event, size: int) -> None:
        if event.failed:
            raise EngineError("the engine reported an error in mid-stream")
        self.reply.usage = event.usage or self.reply.usage
        self.reply.finish_reason = event.finish_reason or self.reply.finish_reason
        # What a plugin hands on may come of a request for the usage, in which this client has no part.
        if self._uncounted and not event.drop_usage():
            return
        if self._whole is not None:
            self._whole.add(event, size)
            return
        frames = await self._filter(event)
        if frames:
            await self._emit(frames)

    async def _filter(self, event: Event) -> bytes:
        """Pass an event through the filters; return the frames that may go now."""
        had_text = any(piece.text for piece in event.pieces)
        passed: dict[Channel, tuple[Piece, str]] = {}
        for piece in event.pieces:
            strand = self._strand(piece.channel, event)
            if strand.done and piece.text:
                raise EngineError("text after the end of its choice")
            text = strand.feed(piece.text) if piece.text else ""
            if text is None:
                text = await self._through(strand)
            piece.put(text)
            passed[piece.channel] = (piece, text)
        carried: list[bytes] = []
        for choice in event.finished:
            for channel, tail in await self._finish(choice):
                if channel in passed:
                    piece, text = passed[channel]
                    passed[channel] = (piece, text + tail)
                    piece.put(text + tail)
                else:
                    carried.append(frame(self._first[channel].carry(channel, tail)))
        for piece in event.loose:
            piece.put(await self._filter_loose(piece.text))
        self._empty = False
        if event.bare and had_text and not any(text for _, text in passed.values()):
            return b"".join(carried)
        return b"".join((*carried, frame(event.render())))

    async def _through(self, strand: Strand) -> str:
        """A piece that has come to a filter in another process, through that and those behind it."""
        out: str | None = None
        while out is None:
            filter_, text, last, timeout_s = strand.question()
            await filter_.asked(text, last=last, timeout_s=timeout_s)
            out = strand.go_on()
        return out

    async def _finish(self, choice: int) -> list[tuple[Channel, str]]:
        """What the filters of a choice (-1: of all) still hold, now that it has ended."""
        tails = []
        for channel, strand in self._strands.items():
            if not strand.done and choice in (channel.choice, -1):
                tail = strand.feed("", last=True)
                if tail is None:
                    tail = await self._through(strand)
                if tail:
                    tails.append((channel, tail))
        return tails

    async def _drain(self) -> None:
        """The engine has ended its stream: let go of what the filters hold, or of the whole reply."""
        if self._whole is not None:
            await self._release_whole(self._whole)
        elif self._empty:
            raise EngineError("the stream was empty")
        else:
            tails = await self._finish(-1)
            rest = b"".join(frame(self._first[channel].carry(channel, tail)) for channel, tail in tails)
            if rest:
                await self._emit(rest)

    async def _release_whole(self, whole: WholeReply) -> None:
        run = self.run
        self.reply.texts = whole.read(masked_words=run.masked_words(self.run.author))
        self.reply.calls = whole.calls()
        await run.response()
        if run.problem is not None:
            raise run.problem
        await self._emit(b"".join(map(frame, whole.render())))

    def _strand(self, channel: Channel, event: Event) -> Strand:
        strand = self._strands.get(channel)
        if strand is None:
            if len(self._strands) >= STRANDS_MAX:
                raise EngineError("too many channels in one reply")
            strand = self._strands[channel] = self._open(channel)
            self._first[channel] = event
        return strand

    def _open(self, channel: Channel) -> Strand:
        hold = self.run.chain.limits.hold_chars
        slots = [
            FilterSlot(step, view, self.exchange, channel, hold)
            for step, view in reversed(self.run.ran)
            if step.streams and step.directed("stream")
        ]
        return Strand(channel, slots, masked_words=self.run.masked_words(self.run.author))

    async def _filter_loose(self, text: str) -> str:
        """A text of an event that stands alone (an id, a field nobody declared): complete as it is."""
        known = self._loose.get(text)
        if known is None:
            strand = self._open(Channel(-1, "loose"))
            known = strand.feed(text, last=True)
            if known is None:
                known = await self._through(strand)
            if len(self._loose) < STRANDS_MAX:
                self._loose[text] = known
        return known

    async def _emit(self, frames: bytes) -> None:
        self.exchange.reply_bytes += len(frames)
        self._last_sent = time.monotonic()
        await self._send(frames)

    async def _keep_alive(self, every_s: float) -> None:
        """Comments that keep the connection alive while nothing may be sent."""
        while True:
            await asyncio.sleep(every_s / 2)
            if time.monotonic() - self._last_sent >= every_s / 2:
                self._last_sent = time.monotonic()
                await self._send(KEEP_ALIVE)

    def _fail(self, problem: Problem) -> None:
        self.run.fail(problem)

    def _settle_reply(self) -> None:
        """Give the completion hooks the reply as far as it went."""
        reply = self.exchange.reply
        if reply is not None and self._whole is None:
            reply.texts = [strand.text() for strand in self._strands.values()]
        if reply is not None:
            reply.sent = True
            reply.usage, reply.finish_reason = self.reply.usage, self.reply.finish_reason

    async def _end(self) -> None:
        run = self.run
        self._settle_reply()
        await run.complete()
        last = DONE if run.problem is None else frame(run.dialect.error(run.problem))
        self.exchange.reply_bytes += len(last)
        await self._send(last)

    async def abandon(self) -> None:
        """The client has left: close the engine's stream and let the completion hooks know."""
        await self._close_events()
        self.exchange.outcome = "client_disconnect"
        self._settle_reply()
        await self.run.complete()

    async def _close_events(self) -> None:
        close = getattr(self._events, "aclose", None)
        if close is not None:
            try:
                await called(close)
            except BaseException as error:  # closing must not hide what ended the stream
                pass_on(error)
                log.warning("engine_close_failed", exchange=self.exchange.id, error=error_name(error))


async def _iterate(answer: Answer) -> AsyncIterator[Delta]:
    for delta in deltas(answer):
        yield delta
