"""An engine that answers as a test says: whole or in pieces, slowly, not at all, or with a fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from yumen.dataplane import dialect_of
from yumen.dialects import Payload
from yumen.dialects.document import encode_json
from yumen.engine import Delta, Engine, EngineError, EngineManifest, EngineRequest, Events, Native
from yumen.exchange import Answer
from yumen.plugin import Host, NoConfig
from yumen.policy.testing.script import CREATED, ROOTS, USAGE, Said, tool_event, tool_reply, vectors
from yumen.policy.testing.words import decode, last_words
from yumen.tensors.models import Models, Placement
from yumen.testing.underway import HELD


class Pause(msgspec.Struct, frozen=True):
    """So many real seconds in which nothing comes; None until the test calls `ScriptedEngine.release`."""

    seconds: float | None = None


class ToolArguments(msgspec.Struct, frozen=True):
    """A call of a tool: its arguments, which are JSON, in the pieces in which a stream brings them."""

    pieces: tuple[str, ...]


# What an answer is made of: texts; what comes over the wire, in the exchange's dialect or as an engine's own; what happens
# in between. `bytes` are an event of a stream, or the body of a plain reply.
Piece = str | ToolArguments | bytes | Delta | Answer | Native | Pause | Exception | Callable[[], Awaitable[object]]

# What a model's answer is made of: named arrays, or what makes them of the batch that was asked; what happens before.
Inferred = Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]] | Pause | Exception


class ScriptedEngine(Engine[NoConfig]):
    """Repeats the last message until it is told what to say. `requests` is what it was asked, the newest last.

    As a model it answers as `infers` tells it; `batches` is what it was asked so, the newest last.

    `streams_ended` counts the streams that were read to their end or closed: none is ever left open. What is said in one of
    `dialects` it writes itself, byte for byte, as a server would; in any other it leaves that to the core.
    """

    manifest: ClassVar[EngineManifest] = EngineManifest(name="scripted", version="1", dialects=())

    def __init__(self, config: NoConfig = NoConfig(), *, dialects: Sequence[str] = ()) -> None:  # noqa: B008  # it is frozen
        super().__init__(config)
        if dialects:
            vars(self)["manifest"] = msgspec.structs.replace(self.manifest, dialects=tuple(dialects))
        self.requests: list[EngineRequest] = []
        self.batches: list[Mapping[str, Any]] = []
        self.streams_begun: int = 0
        self.streams_ended: int = 0
        self._pieces: tuple[Piece, ...] | None = None
        self._inferred: tuple[Inferred, ...] = ()
        self._gate = asyncio.Event()

    def says(self, *pieces: Piece) -> ScriptedEngine:
        """From now on answer with these; a stream brings each piece by itself, a plain reply all texts joined.

        An `Answer` or `Native` is a whole reply, also where a stream was asked for. Whoever says `bytes` or `Delta`s says
        how a stream ends, too, and nothing at all is a stream that breaks off; any other ends as it should. An error that
        comes first is raised before there is a stream.
        """
        self._pieces = pieces
        return self

    def repeats(self) -> ScriptedEngine:
        """From now on repeat the last message, as it was given."""
        self._pieces = None
        return self

    def fails(self, error: Exception) -> ScriptedEngine:
        """From now on raise this; `EngineError` is what an engine may raise, and anything else is found to be a fault."""
        return self.says(error)

    def infers(self, *given: Inferred) -> ScriptedEngine:
        """From now on answer whoever asks for tensors: with named arrays, or with what a function makes of the batch.

        An error is raised, and a `Pause` before the answer is waited for.
        """
        self._inferred = given
        return self

    def hangs(self) -> ScriptedEngine:
        """From now on answer nobody until `release`."""
        self._gate.clear()
        return self.says(Pause())

    def release(self) -> None:
        """Go on with everything that waits in a `Pause` without an end."""
        self._gate.set()

    @property
    def asked(self) -> EngineRequest:
        """What it was asked last. Error: AssertionError where it never was."""
        assert self.requests, "the engine was never asked"
        return self.requests[-1]

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        """See `Engine`."""
        await self._begun(request)
        pieces = self._pieces if self._pieces is not None else tuple(last_words(_payload(request)))
        at_once = isinstance(pieces[0], Exception) if pieces else False
        if request.streamed and not at_once and not any(isinstance(one, Answer | Native) for one in pieces):
            return self._events(pieces, request)
        return await self._whole(pieces, request)

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Engine`. Error: what `infers` was given, and `EngineError` where that is no answer."""
        self.batches.append(batch)
        for one in self._inferred:
            if isinstance(one, Mapping):
                return one
            if isinstance(one, Pause | Exception):
                await self._beside(one)
            else:
                return one(batch)
        raise EngineError("a scripted engine infers nothing that it was not told")

    async def _begun(self, request: EngineRequest) -> None:
        self.requests.append(request)
        if (hold := HELD.get()) is not None:
            await hold.keep()

    async def _whole(self, pieces: tuple[Piece, ...], request: EngineRequest) -> Answer | Native:
        said = Said([], [])
        body: list[bytes] = []
        for piece in pieces:
            match piece:
                case Answer() | Native():
                    return piece
                case str():
                    said.content.append(piece)
                case Delta():
                    said.content.append(piece.text)
                case ToolArguments():
                    said.arguments.extend(piece.pieces)
                case bytes():
                    body.append(piece)
                case _:
                    await self._beside(piece)
        if body:
            return Native(200, b"".join(body))
        if said.arguments:
            return Native(200, encode_json(tool_reply(said, _payload(request), request.exchange_id)))
        if request.path == "embeddings":
            return Native(200, encode_json(vectors(_payload(request))))
        answer = Answer(said.content if request.dialect == "json" else ["".join(said.content)], usage=USAGE)
        if request.dialect not in self.manifest.dialects:
            return answer
        dialect = dialect_of(ROOTS[request.dialect])
        return Native(200, dialect.encode_answer(answer, _payload(request), request.exchange_id, CREATED))

    async def _events(self, pieces: tuple[Piece, ...], request: EngineRequest) -> AsyncIterator[Delta | bytes]:
        self.streams_begun += 1
        try:
            for piece in pieces:
                match piece:
                    case str():
                        for event in self._written(Delta(piece), request):
                            yield event
                    case Delta() | bytes():
                        yield piece
                    case ToolArguments():
                        payload = _payload(request)
                        for index, text in enumerate(piece.pieces):
                            yield encode_json(tool_event(index, text, payload, request.exchange_id))
                    case _:
                        await self._beside(piece)
            if pieces and not any(isinstance(one, Delta | bytes) for one in pieces):
                called = any(isinstance(one, ToolArguments) for one in pieces)
                for last in (Delta(finish_reason="tool_calls" if called else "stop"), Delta(usage=USAGE)):
                    for event in self._written(last, request):
                        yield event
        finally:
            self.streams_ended += 1

    def _written(self, delta: Delta, request: EngineRequest) -> Sequence[Delta | bytes]:
        """What it says in a stream: as it is, or in the words of a dialect that it speaks."""
        if request.dialect not in self.manifest.dialects:
            return [delta]
        dialect = dialect_of(ROOTS[request.dialect])
        return dialect.encode_delta(delta, _payload(request), request.exchange_id, CREATED)

    async def _beside(self, piece: Piece) -> None:
        """What is no text of an answer."""
        if isinstance(piece, Exception):
            raise piece
        if callable(piece):
            await piece()
        elif isinstance(piece, Pause) and piece.seconds is not None:
            await asyncio.sleep(piece.seconds)
        elif isinstance(piece, Pause):
            await self._gate.wait()


def _payload(request: EngineRequest) -> Payload:
    return decode(ROOTS[request.dialect] + request.path, request.body)


class RelayingEngine(ScriptedEngine):
    """Has an engine of its own answer, and notes what that is asked and which of its streams have ended."""

    def __init__(self, real: Engine[Any]) -> None:
        super().__init__()
        self.real = real
        # What an engine is, is said by the one that answers.
        vars(self)["manifest"] = real.manifest

    async def load(self, host: Host) -> None:
        """See `Engine`, as of all that follow."""
        await self.real.load(host)

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        await self._begun(request)
        given = await self.real.generate(request)
        return given if isinstance(given, Answer | Native) else self._relayed(given)

    async def _relayed(self, events: Events) -> AsyncIterator[Delta | bytes]:
        self.streams_begun += 1
        try:
            async for event in events:
                yield event
        finally:
            if (close := getattr(events, "aclose", None)) is not None:
                await close()
            self.streams_ended += 1

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.real.infer(batch)

    def models(self) -> Models | None:
        return self.real.models()

    def placements(self) -> Sequence[Placement]:
        return self.real.placements()

    def revision(self) -> str:
        return self.real.revision()

    async def health(self) -> str:
        return await self.real.health()

    async def close(self) -> None:
        await self.real.close()
