"""The answers to one request, as they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from yumen import Answer, Delta, EngineError, Usage
from yumen_engines.generate.decoder import Decoder, Job, Piece


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

    def __aiter__(self) -> Replies:
        return self

    async def __anext__(self) -> Delta:
        """The next delta; the last one has the usage. Error: `EngineError`, after which nothing comes."""
        if not self._open:
            raise StopAsyncIteration
        piece = await self._said.get()
        if piece.finish == "failed":
            await self.aclose()
            raise EngineError(piece.why)
        if not piece.finish:
            return Delta(piece.text, choice=piece.choice)
        del self._open[piece.choice]
        self._tokens += piece.tokens
        usage = None if self._open else Usage(self._prompt_tokens, self._tokens)
        return Delta(piece.text, choice=piece.choice, finish_reason=piece.finish, usage=usage)

    async def aclose(self) -> None:
        """Drop every answer that is not finished."""
        while self._open:
            self._decoder.drop(self._open.popitem()[1])

    async def whole(self) -> Answer:
        """All of it. `finish_reason` is `length` where that is why any of the answers ended. Error: `EngineError`."""
        texts: dict[int, list[str]] = {choice: [] for choice in self._open}
        reasons = set()
        usage = Usage()
        try:
            async for delta in self:
                texts[delta.choice].append(delta.text)
                reasons.add(delta.finish_reason)
                usage = delta.usage or usage
        finally:
            await self.aclose()
        return Answer(["".join(parts) for parts in texts.values()], "length" if "length" in reasons else "stop", usage)
