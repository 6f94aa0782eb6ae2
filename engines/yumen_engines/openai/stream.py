"""A streamed reply: the data of one server-sent event after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import msgspec
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from yumen import EngineError
from yumen_engines.openai.client import discard
from yumen_engines.openai.config import OpenAIConfig
from yumen_engines.openai.failures import failure_of
from yumen_engines.openai.patience import Patience
from yumen_engines.openai.sse import EventParser, EventTooLong

DONE = b"[DONE]"
# How long to wait for the end of the body after `[DONE]`, so that the connection can be used again.
END_GRACE_S = 0.1


class _Choice(msgspec.Struct):
    index: int = 0
    finish_reason: str | None = None


class _Event(msgspec.Struct):
    """As much of an event as is needed to know whether the stream is complete."""

    choices: list[_Choice] | None = None


_decode = msgspec.json.Decoder(_Event).decode


class EventStream:
    """Iterates over the events of a reply whose head has been read.

    Ends normally after `[DONE]`, or at the end of the body when every choice seen has its finish reason. Closing it
    (`aclose`) closes the upstream's connection, so that the upstream stops working. Errors: `EngineError`.
    """

    def __init__(
        self,
        request: StreamRequest,
        response: Response,
        config: OpenAIConfig,
        on_close: Callable[[EventStream], None],
    ) -> None:
        self._request = request
        self._reader = response.body_reader
        self._on_close = on_close
        self._parser = EventParser(config.sse_event_bytes_max)
        self._patience = Patience()
        self._wait_s = config.first_byte_timeout_ms / 1000
        self._idle_s = config.idle_timeout_ms / 1000
        self._events: deque[bytes] = deque()
        self._unfinished: set[int] = set()
        self._finished: set[int] = set()
        self._ended = False
        self._closed = False

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> bytes:
        try:
            while not self._events:
                if self._closed:
                    raise StopAsyncIteration
                if self._ended:
                    self._check_complete()
                    await self.aclose()
                    raise StopAsyncIteration
                await self._read()
            data = self._events.popleft()
            if data.strip() == DONE:
                await self._drain()
                await self.aclose()
                raise StopAsyncIteration
            self._note(data)
        except StopAsyncIteration:
            raise
        except BaseException:
            await self.aclose()
            raise
        return data

    async def aclose(self) -> None:
        """Close the connection unless the reply was read to its end. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._events.clear()
        self._patience.close()
        self._on_close(self)
        await discard(self._request)

    async def _read(self) -> None:
        try:
            chunk = await self._patience.wait(self._reader.read_chunk(), self._wait_s)
            if chunk is not None:
                self._wait_s = self._idle_s
                self._events.extend(self._parser.feed(bytes(chunk)))
                return
        except PyreqwestError as error:
            raise failure_of(error).error() from None
        except TimeoutError:
            if self._closed:
                return  # by another task, while this one was reading
            raise EngineError("the upstream's stream fell silent", timeout=True) from None
        except EventTooLong:
            raise EngineError("an event of the stream is longer than `sse_event_bytes_max`") from None
        self._ended = True
        last = self._parser.finish()
        if last is not None and _is_whole(last):
            self._events.append(last)

    def _check_complete(self) -> None:
        if self._unfinished or not self._finished:
            raise EngineError("the upstream's stream ended early")

    def _note(self, data: bytes) -> None:
        """Remember which choices have ended. Error: `EngineError` for what is not JSON."""
        try:
            event = _decode(data)
        except msgspec.ValidationError:
            # Not the shape of an event; what that means is the dialect's to say, as long as it is JSON.
            if not _is_json(data):
                raise EngineError("an event of the stream is not JSON") from None
            return
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise EngineError("an event of the stream is not JSON") from None
        for choice in event.choices or ():
            if choice.finish_reason:  # some servers send an empty string until the end
                self._finished.add(choice.index)
                self._unfinished.discard(choice.index)
            elif choice.index not in self._finished:
                self._unfinished.add(choice.index)

    async def _drain(self) -> None:
        """Read the end of the body if it is there already; without it the connection could not be used again."""
        with suppress(PyreqwestError, TimeoutError, RuntimeError):
            async with asyncio.timeout(END_GRACE_S):
                await self._reader.read_chunk()


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True


def _is_whole(data: bytes) -> bool:
    """Whether an event that lacks its blank line is there in full all the same."""
    return data.strip() == DONE or (data.startswith(b"{") and _is_json(data))
