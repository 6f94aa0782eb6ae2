"""A Hugging Face export on disk: `model.onnx`, `tokenizer.json` and `config.json`.

`optimum-cli export onnx` writes this layout, and so do many repositories of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from yumen import CannotStart, plain_file
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.kept import Kept
from yumen_engines.onnx.runtime import Opened, open_session
from yumen_engines.onnx.tokenizing import Tokenizer

CONFIG_BYTES_MAX = 8 << 20
# What a row may be fed with; other inputs mean a model of another kind.
IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
# Models whose first position is the one behind that of the padding, so that they take fewer tokens than they have positions.
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "longformer")


class Described(msgspec.Struct):
    """What is read of `config.json`; everything else in it is left alone."""

    id2label: dict[str, str] = {}
    max_position_embeddings: int | None = None
    pad_token_id: Annotated[int, msgspec.Meta(ge=-1, lt=1 << 31)] | None = None
    model_type: str = ""
    problem_type: str | None = None


class Model:
    """A loaded model with its tokenizer, whatever it was trained for.

    `tokens_max` is the longest row, without what frames it: `before` and `after`. `revision` begins the file's SHA-256.
    """

    def __init__(
        self, opened: Opened, tokenizer: Tokenizer, described: Described, tokens_max: int, *, folder: Path
    ) -> None:
        self.tokenizer = tokenizer
        self.described = described
        self.folder = folder
        self.opened = opened
        self.revision = opened.revision
        self.outputs: list[Any] = opened.session.get_outputs()
        self._session = opened.session
        self._pad = described.pad_token_id or 0
        self._inputs = _inputs(opened.session)
        self.before, self.after = tokenizer.before, tokenizer.after
        positions = described.max_position_embeddings
        if positions is not None:
            offset = self._pad + 1 if described.model_type in OFFSET_POSITIONS else 0
            tokens_max = min(tokens_max, positions - offset)
        self.tokens_max = tokens_max - len(self.before) - len(self.after)
        if self.tokens_max < 1:
            raise CannotStart("the model takes no row that holds a token")

    @classmethod
    def open(cls, config: OnnxConfig, kept: Kept | None = None) -> Model:
        """Load a model. Error: `CannotStart` with what is missing or does not fit."""
        folder = Path(config.model)
        path = file_of(folder, config.file)
        described = _described(folder / "config.json")
        tokenizer = Tokenizer(folder / "tokenizer.json")
        return cls(open_session(path, config, kept), tokenizer, described, config.tokens_max, folder=folder)

    def run(self, output: str, rows: Sequence[Sequence[int]], options: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """One output of the model for some rows of tokens, framed and padded, and 1 where a row has a token.

        `options` are ONNX Runtime's, and may end the run.
        """
        before, after = self.before, self.after
        # At least one: a model without a frame may be given texts without tokens.
        width = max(1, len(before) + max(map(len, rows)) + len(after))
        ids = np.full((len(rows), width), self._pad, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for number, row in enumerate(rows):
            framed = [*before, *row, *after]
            ids[number, : len(framed)] = framed
            mask[number, : len(framed)] = 1
        fed = {IDS: ids, MASK: mask, TYPES: np.zeros_like(ids)}
        feed = {name: fed[name].astype(kind, copy=False) for name, kind in self._inputs.items()}
        (given,) = self._session.run([output], feed, options)
        return given, mask


def file_of(folder: Path, name: str) -> Path:
    """The model's file in the folder of an export. Error: `CannotStart` where there is none."""
    for path in (folder / name, folder / "onnx" / name):
        if path.is_file():
            return path
    raise CannotStart(f"there is no {name} in {folder} or in its folder `onnx`; export the model again")


def _described(path: Path) -> Described:
    try:
        with plain_file(path) as file:
            return msgspec.json.decode(file.read(CONFIG_BYTES_MAX), type=Described)
    except (OSError, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise CannotStart(f"cannot read {path}, which says how the model was made; export it again") from error


def _inputs(session: Any) -> dict[str, Any]:
    """The inputs to feed, with the kind of integer each one takes."""
    inputs: dict[str, Any] = {}
    for one in session.get_inputs():
        if one.name not in (IDS, MASK, TYPES) or one.type not in INTEGERS or len(one.shape) != 2:
            raise CannotStart(f"the model wants an input `{one.name}`, which no text has; name a model that reads text")
        if any(isinstance(size, int) for size in one.shape):
            raise CannotStart("the model takes rows of one size only; export it with dynamic axes")
        inputs[one.name] = INTEGERS[one.type]
    if IDS not in inputs:
        raise CannotStart(f"the model has no input `{IDS}`; name a model that reads text")
    return inputs
