"""The answers to one request, as they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from yumen import Answer, Delta, EngineError, Usage
from yumen_engines.generate.decoder import Decoder, Job, Piece

CLOSED = "the stream was closed"


class Replies:
    """An iterator of deltas over `jobs`, which share the queue `said`. Closing it drops what is not finished.

    Where the same answer is meant for every choice that was asked for, it has the choice -1.
    """

    def __init__(self, decoder: Decoder, jobs: Sequence[Job], said: asyncio.Queue[Piece], prompt_tokens: int) -> None:
        self._decoder = decoder
        self._said = said
        self._open = {job.choice: job for job in jobs}
        self._prompt_tokens = prompt_tokens
        self._tokens = 0
        # Whether the caller may have something of it already: then nobody else may be asked.
        self._begun = False
        self._first: Piece | None = None

    def __aiter__(self) -> Replies:
        return self

    async def __anext__(self) -> Delta:
        """The next delta; the last one has the usage. Error: `EngineError`, after which nothing comes."""
        if not self._open:
            raise StopAsyncIteration
        first, self._first = self._first, None
        piece = first or await self._next()
        self._begun = True
        if not piece.finish:
            return Delta(piece.text, choice=piece.choice)
        del self._open[piece.choice]
        self._tokens += piece.tokens
        usage = None if self._open else Usage(self._prompt_tokens, self._tokens)
        return Delta(piece.text, choice=piece.choice, finish_reason=piece.finish, usage=usage)

    async def begin(self) -> None:
        """Wait for the first words. Error: `EngineError`; nothing is left of the answers then."""
        try:
            self._first = await self._next()
        except BaseException:
            await self.aclose()
            raise

    async def _next(self) -> Piece:
        piece = await self._said.get()
        if piece.finish == "failed":
            await self.aclose()
            raise EngineError(piece.why, again=piece.lost and not self._begun)
        return piece

    async def aclose(self) -> None:
        """Drop every answer that is not finished."""
        if self._open:
            # Whoever still waits for a piece, in another task, must not wait for ever.
            self._said.put_nowait(Piece(-1, "", "failed", 0, CLOSED))
        while self._open:
            self._decoder.drop(self._open.popitem()[1])

    async def whole(self) -> Answer:
        """All of it, each text with its own reason. Error: `EngineError`."""
        texts: dict[int, list[str]] = {choice: [] for choice in self._open}
        reasons: dict[int, str] = dict.fromkeys(texts, "")
        usage = Usage()
        try:
            async for delta in self:
                self._begun = False  # nobody gets anything before the end
                texts[delta.choice].append(delta.text)
                reasons[delta.choice] = delta.finish_reason
                usage = delta.usage or usage
        finally:
            await self.aclose()
        ends = list(reasons.values())
        joined = ["".join(parts) for parts in texts.values()]
        return Answer(joined, ends[0], usage, ends if len(set(ends)) > 1 else [])
