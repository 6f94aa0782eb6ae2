"""Names and places that a model finds, run by an engine of this gateway.

What a model says has no checksum: its hits are never sure, so that a reading by form goes before them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from yumen import CannotStart, Engine, EngineError, EngineRef, Unsupported
from yumen_plugins.anonymize.config import Ner as NerConfig
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.hits import Hit

# Of the texts of one exchange no more is given to the model; it takes a few hundred characters in the time in which all
# other detectors take a megabyte.
CHARS_MAX = 200_000
# Blanks beside Han characters are no part of how a name is spelt.
HAN = "\u3400-\u9fff\uf900-\ufaff"
BESIDE_HAN = re.compile(rf"(?<=[{HAN}])\s+|\s+(?=[{HAN}])")
LETTER = re.compile(r"[^\W\d_]")


def spelt(name: str) -> str:
    """A name in the spelling by which two of them are one: without case, and with one blank wherever there are several."""
    return BESIDE_HAN.sub("", " ".join(name.split())).casefold()


class Ner:
    """Finds what a model knows. `detectors` are those of its hits, one per rule, in the order of the configuration."""

    def __init__(self, engine: Engine[Any], config: NerConfig) -> None:
        self._engine = engine
        self._min_score = config.min_score
        self.detectors = detectors(config)
        by_rule = {one.id: one for one in self.detectors}
        self._by_label = {label: by_rule[rule] for label, rule in config.labels.items()}

    async def start(self) -> None:
        """Error: `CannotStart` where the model has none of the labels: it would never find anything.

        An engine that does not answer now is asked again with the first text.
        """
        try:
            answer = await self._engine.infer({"texts": []})
        except EngineError:
            return
        known = answer.get("labels")
        if known is not None and not self._by_label.keys() & set(known):
            names = ", ".join(map(str, list(known)[:20]))
            raise CannotStart(f"the model of `ner` has none of the labels in `labels`, but: {names}; name some of them")

    async def find(self, texts: Sequence[str], tenant: str) -> list[list[Hit]]:
        """What is found in each text of a tenant's, in order.

        Errors: `Unsupported` where the texts are longer than `CHARS_MAX` in all; `EngineError` where the model fails;
        ValueError where its answer does not fit what it was asked.
        """
        # The same text often comes twice, and what holds no letter holds no name.
        asked = [text for text in dict.fromkeys(texts) if LETTER.search(text)]
        if sum(map(len, asked)) > CHARS_MAX:
            raise Unsupported(f"more than {CHARS_MAX} characters for the model of `ner`")
        found: dict[str, list[Hit]] = {}
        if asked:
            answer = await self._engine.infer({"texts": asked, "tenant": tenant})
            entities = answer["entities"]
            if len(entities) != len(asked):
                raise ValueError("the model of `ner` answers for another number of texts")
            found = {text: self._hits(len(text), one) for text, one in zip(asked, entities, strict=True)}
        return [list(found.get(text, ())) for text in texts]

    def _hits(self, chars: int, entities: Sequence[tuple[int, int, str, float]]) -> list[Hit]:
        hits: list[Hit] = []
        for start, end, label, score in entities:
            if not 0 <= start < end <= chars:
                raise ValueError("the model of `ner` answers with a place outside of the text")
            detector = self._by_label.get(label)
            if detector is not None and score >= self._min_score:
                hits.append(Hit(detector, start, end, "", False))
        return hits


def detectors(config: NerConfig) -> tuple[Detector, ...]:
    """The detectors of a configuration; how sure a single finding is stays with the model, so all have the least score."""
    described: Mapping[str, list[str]] = {
        rule: [label for label, one in config.labels.items() if one == rule] for rule in config.labels.values()
    }
    return tuple(
        Detector(
            id=rule,
            patterns=(),
            prefilter="",
            score=config.min_score,
            canonical=spelt,
            description=f"What the model of `ner` calls {' or '.join(labels)}.",
        )
        for rule, labels in described.items()
    )


def engine_of(config: NerConfig) -> EngineRef:
    """What the plugin asks the core for."""
    return EngineRef(config.engine, ("ner", "engine"))
