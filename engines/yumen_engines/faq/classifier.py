"""The shipped model as it answers: `model.onnx` in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from yumen import CannotStart
from yumen_engines.faq.features import COLUMNS, VERSION, featurise

# The label for everything that the service desk has no answer to.
NONE = "none"
# The columns of a text that is nothing but numbers.
NUMBERS_ALONE = featurise("1").keys()
PATH = Path(__file__).parent / "model.onnx"


class Guess(NamedTuple):
    """What a question is about, and how sure the model is, from 0 to 1, that it is about that rather than none of ours."""

    label: str
    confidence: float


class Classifier:
    """A loaded model. `metadata` is what training wrote beside the weights."""

    def __init__(self, session: Any, metadata: dict[str, str]) -> None:
        self._session = session
        self.metadata = metadata
        self.labels = msgspec.json.decode(metadata["labels"], type=list[str])

    @classmethod
    def open(cls, path: Path = PATH, *, threads: int = 1) -> Classifier:
        """Load a model on `threads` CPU threads.

        Error: `CannotStart` where ONNX Runtime is not installed, or the file is no model of this featuriser.
        """
        try:
            import onnxruntime  # heavy, and an extra: only who uses the engine pays for it
        except ImportError as error:
            raise CannotStart("the faq engine needs ONNX Runtime; run: pip install 'yumen[cpu]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin between questions would take the processor from the rest of the gateway.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no common base class for a file that is missing or broken
            raise CannotStart(f"cannot load {path}; restore it, or train it anew: make train-faq") from error
        metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
        if (metadata.get("features_version"), metadata.get("columns")) != (str(VERSION), str(COLUMNS)):
            raise CannotStart(f"{path} was trained with another featuriser; train it anew: make train-faq")
        return cls(session, metadata)

    def guess(self, text: str) -> Guess | None:
        """What `text` is about, or None where it holds no word that could tell.

        The confidence weighs the best label against `none` alone: a question between two neighbours is still ours.
        """
        found = featurise(text)
        if found.keys() <= NUMBERS_ALONE:
            return None
        columns = np.fromiter(found.keys(), dtype=np.int64, count=len(found))[np.newaxis]
        counts = np.fromiter(found.values(), dtype=np.float32, count=len(found))[np.newaxis]
        (probabilities,) = self._session.run(None, {"columns": columns, "counts": counts})
        row = probabilities[0]
        best = 1 + int(row[1:].argmax())
        return Guess(self.labels[best], confidence(float(row[best]), float(row[0])))


def confidence(best: float, none: float) -> float:
    """The probability of the best label where only it and `none` are possible."""
    return best / max(best + none, 1e-12)
