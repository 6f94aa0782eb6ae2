"""What a policy may configure on the onnx engine."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from yumen import RepositoryConfig

Pooling = Literal["mean", "cls"]
Task = Literal["token-classification", "embeddings", "classification", "tensors"]
Optimization = Literal["none", "basic", "extended", "all"]
# Options of a provider that name files would have it read, write or run what nobody has checked.
OPTION = r"^(?!.*(path|lib|plugin|file|dump|prefix|cache))[a-z0-9_]{1,64}$"


class OnnxConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `config:` of an engine whose adapter is `onnx`."""

    model: Annotated[
        str,
        Meta(
            pattern=r"^(/|$)",
            max_length=4096,
            examples=["/srv/models/names"],
            description=(
                "Absolute path of a folder with a Hugging Face export: the model, tokenizer.json, config.json. "
                "For `tensors` a folder with the model's file, or the file."
            ),
        ),
    ] = ""
    repository: Annotated[
        RepositoryConfig | None, Meta(description="For `tensors`, instead of `model`: `<model>/<version>/model.onnx`.")
    ] = None
    file: Annotated[
        str,
        Meta(
            pattern=r"^[^/\\]{1,200}\.onnx$",
            description="Name of the model's file, in that folder or in its folder `onnx`.",
        ),
    ] = "model.onnx"
    task: Annotated[
        Task,
        Meta(
            description=(
                "What the model does: token-classification finds spans, names say; embeddings makes vectors; "
                "classification says one label of a text; tensors takes and gives numbers, whatever they are."
            )
        ),
    ] = "token-classification"
    pooling: Annotated[
        Pooling,
        Meta(description="Embeddings: of which tokens a text's vector is made, the mean of all or the first one."),
    ] = "mean"
    batch_max: Annotated[
        int, Meta(ge=1, le=1024, description="Rows of tokens that are computed in one call of a model that reads text.")
    ] = 8
    tokens_max: Annotated[
        int,
        Meta(
            ge=16,
            le=8192,
            description=(
                "Tokens of a row; a longer text is read in overlapping windows where spans are found, and else cut. "
                "The model's own limit if smaller."
            ),
        ),
    ] = 256
    threads: Annotated[int, Meta(ge=1, le=64, description="CPU threads of one call of the model.")] = 1
    threads_inter: Annotated[
        int, Meta(ge=1, le=64, description="Parts of one call that run beside one another, where more than 1.")
    ] = 1
    spinning: Annotated[
        bool, Meta(description="Whether threads that wait keep a processor busy: sooner there, and nobody else's.")
    ] = False
    calls_max: Annotated[
        int,
        Meta(ge=1, le=64, description="Calls of a model that reads text at the same time; more wait for their turn."),
    ] = 1
    device: Annotated[
        str,
        Meta(
            pattern=r"^(cpu|(cuda|tensorrt)(:[0-9]{1,2})?)$",
            description="What computes: cpu; cuda or cuda:1; tensorrt, which is TensorRT as ONNX Runtime's provider.",
        ),
    ] = "cpu"
    strict_provider: Annotated[
        bool,
        Meta(description="Whether the engine does not start where the device is not used; else the CPU computes."),
    ] = False
    provider_options: Annotated[
        dict[Annotated[str, Meta(pattern=OPTION)], str | int | bool],
        Meta(max_length=64, description="Options of the device's provider, by ONNX Runtime's names; none with files."),
    ] = {}
    arena: Annotated[
        bool, Meta(description="Whether memory that a call has used on the CPU is kept for the next one.")
    ] = True
    arena_bytes_max: Annotated[
        int,
        Meta(
            ge=0,
            le=1 << 42,
            description="Memory of the device that a model may take, on the CPU beside its weights; 0 for all of it.",
        ),
    ] = 0
    optimization: Annotated[
        Optimization, Meta(description="How far ONNX Runtime may rewrite the model's graph before it runs it.")
    ] = "all"
    keep_optimized: Annotated[
        bool,
        Meta(description="Whether the rewritten graph is kept, signed, in the data folder for the next start."),
    ] = True
    model_bytes_max: Annotated[
        int, Meta(ge=1, le=1 << 40, description="Bytes of a model, with the files in which its weights lie.")
    ] = 2 << 30

    def __post_init__(self) -> None:
        """Error: ValueError for what does not go together."""
        if bool(self.model) == (self.repository is not None):
            raise ValueError("name either a `model` or a `repository`")
        if self.repository is not None and self.task != "tensors":
            raise ValueError("a `repository` holds models of the task `tensors`")
        if self.arena_bytes_max and not self.arena:
            raise ValueError("`arena_bytes_max` needs `arena: true`")
