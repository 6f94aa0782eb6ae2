"""What a policy may configure on the onnx engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

Pooling = Literal["mean", "cls"]


class OnnxConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `config:` of an engine whose adapter is `onnx`."""

    model: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=4096,
            description="Absolute path of a folder with a Hugging Face export: the model, tokenizer.json, config.json.",
        ),
    ]
    file: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[^/\\]{1,200}\.onnx$",
            description="Name of the model's file, in that folder or in its folder `onnx`.",
        ),
    ] = "model.onnx"
    task: Annotated[
        Literal["token-classification", "embeddings"],
        msgspec.Meta(
            description="What the model does: token-classification finds spans, names say; embeddings makes vectors."
        ),
    ] = "token-classification"
    pooling: Annotated[
        Pooling,
        msgspec.Meta(
            description="Embeddings: of which tokens a text's vector is made, the mean of all or the first one."
        ),
    ] = "mean"
    batch_max: Annotated[
        int, msgspec.Meta(ge=1, le=256, description="Rows that are computed in one call of the model.")
    ] = 8
    tokens_max: Annotated[
        int,
        msgspec.Meta(
            ge=16,
            le=8192,
            description=(
                "Tokens of a row; a longer text is read in overlapping windows, for embeddings it is cut. "
                "The model's own limit if smaller."
            ),
        ),
    ] = 256
    threads: Annotated[int, msgspec.Meta(ge=1, le=64, description="CPU threads of one call of the model.")] = 1
    calls_max: Annotated[
        int, msgspec.Meta(ge=1, le=64, description="Calls of the model at the same time; more wait for their turn.")
    ] = 1

    def __post_init__(self) -> None:
        """Error: ValueError for a relative path: what it names would depend on where the gateway was started."""
        if not Path(self.model).is_absolute():
            raise ValueError("`model` is an absolute path")
