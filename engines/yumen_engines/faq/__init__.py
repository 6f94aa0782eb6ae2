"""The built-in engine: a small ONNX model that answers customer-service questions in English and Chinese.

The model recognises which of some fifty intents a question has; the answer to each is written down in `answers/`. So it
never makes anything up, and says plainly when it does not know. Pseudonyms that a masking plugin left in the question are
repeated in the answer, where the reader sees them restored: the engine itself never had the values.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import msgspec

from yumen import (
    Answer,
    CannotStart,
    Delta,
    Engine,
    EngineError,
    EngineManifest,
    EngineRequest,
    Events,
    Host,
    Message,
    Usage,
)
from yumen_engines.faq import wording
from yumen_engines.faq.classifier import NONE, Classifier
from yumen_engines.faq.config import FaqConfig
from yumen_engines.faq.features import window

__all__ = ["Faq", "FaqConfig"]


class Faq(Engine[FaqConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="faq", version="1.0.0")

    def __init__(self, config: FaqConfig) -> None:
        super().__init__(config)
        self._pieces = wording.Pieces(config.delta_chars)
        self._classifier: Classifier | None = None
        self._sentences: dict[wording.Language, wording.Sentences] = {}

    async def load(self, host: Host) -> None:
        """Load model and answers. Error: `CannotStart` where either is missing, broken, or does not fit the other."""
        try:
            self._sentences = wording.read()
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise CannotStart(f"cannot read the faq engine's answers: {error}; install yumen anew") from error
        classifier = await asyncio.to_thread(Classifier.open, threads=self.config.threads)
        for language, sentences in self._sentences.items():
            missing = set(classifier.labels) - {NONE} - set(sentences.answers)
            if missing:
                raise CannotStart(f"answers/{language}.yaml has no answer for {', '.join(sorted(missing))}; add it")
        self._classifier = classifier
        host.log.info(
            "faq_loaded", intents=len(classifier.labels) - 1, corpus=classifier.metadata["corpus_digest"][:12]
        )

    async def generate(self, request: EngineRequest) -> Answer | Events:
        """Answer the last user message; whole, or in pieces where a stream was asked for.

        The model runs on the event loop: a question takes a fraction of a millisecond (docs/engines/faq.md), less than
        handing it to a thread and back.
        """
        if self._classifier is None:
            raise EngineError("the faq engine is not loaded")
        question = last_user_text(request.messages)
        text = self._answer(self._classifier, question)
        pieces = self._pieces.cut(text)
        usage = Usage(input_tokens=len(self._pieces.cut(window(question))), output_tokens=len(pieces))
        return stream(pieces, usage) if request.streamed else Answer([text], usage=usage)

    def _answer(self, classifier: Classifier, question: str) -> str:
        guess = classifier.guess(question) if question else None
        known = guess is not None and guess.confidence >= self.config.confidence_min
        noted = wording.placeholders(question)
        parts = []
        for language in wording.languages(question):
            said = self._sentences[language]
            if guess is not None and known:
                first = said.answers[guess.label]
            else:
                first = said.unknown if question else said.no_question
            values = ("、" if language == "zh" else ", ").join(noted)
            parts.append(wording.joined(language, [first, said.noted.format(values=values)] if noted else [first]))
        return "\n".join(parts)

    async def health(self) -> str:
        """Whether the model is loaded."""
        return "" if self._classifier else "the faq engine is not loaded"

    async def close(self) -> None:
        """Let go of the model."""
        self._classifier = None


def last_user_text(messages: list[Message]) -> str:
    """The text of the last user message, without surrounding white space; empty where there is none."""
    return next((message.text.strip() for message in reversed(messages) if message.role == "user"), "")


async def stream(pieces: list[str], usage: Usage) -> AsyncIterator[Delta]:
    """The pieces, then the end with the usage."""
    for piece in pieces:
        yield Delta(piece)
    yield Delta(finish_reason="stop", usage=usage)
