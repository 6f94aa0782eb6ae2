"""What a policy may configure on the tensorrt engine."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from yumen import RepositoryConfig

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Size = Annotated[int, Meta(ge=0, le=1 << 31)]
Sizes = tuple[Size, ...]
Rows = Annotated[int, Meta(ge=1, le=1024)]
FileName = Annotated[
    str,
    Meta(
        pattern=r"^([^/\\]{1,200}\.onnx)?$",
        description="A file beside the model that computes the same, for the comparison: the one before its precision was "
        "lowered, say. The model itself if empty.",
    ),
]

# Of an input of whole numbers that `integers` does not name: zeros and ones, as in a mask.
INTEGERS_BELOW = 2


class Sizing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dimensions of an input behind the first one (all of them, where rows are no batch): least, usual and most."""

    min: Annotated[Sizes, Meta(max_length=8, description="The least size of each dimension.")]
    opt: Annotated[Sizes, Meta(max_length=8, description="The usual ones, for which kernels are chosen.")]
    max: Annotated[Sizes, Meta(max_length=8, description="The greatest; buffers have room for them.")]

    def __post_init__(self) -> None:
        """Error: ValueError where the three do not go together."""
        if not len(self.min) == len(self.opt) == len(self.max):
            raise ValueError("`min`, `opt` and `max` have as many sizes as each other")
        if any(not low <= usual <= high for low, usual, high in zip(self.min, self.opt, self.max, strict=True)):
            raise ValueError("each size has `min` <= `opt` <= `max`")


class ParityConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How near to ONNX Runtime on the CPU a model must come before it serves."""

    rtol: (
        Annotated[float, Meta(ge=0, le=1, description="Relative tolerance of floats; by default as their type has it.")]
        | None
    ) = None
    atol: (
        Annotated[
            float, Meta(ge=0, le=1000, description="Absolute tolerance of floats; by default as their type has it.")
        ]
        | None
    ) = None
    rows: Annotated[
        int, Meta(ge=1, le=1024, description="Rows of each bucket that are compared; the GPU runs the bucket whole.")
    ] = 32
    threads: Annotated[int, Meta(ge=1, le=64, description="CPU threads of the comparison.")] = 4
    seed: Annotated[int, Meta(ge=0, le=1 << 31, description="What the compared inputs are drawn from.")] = 1
    integers: Annotated[
        dict[Name, Annotated[int, Meta(ge=1, le=1 << 31)]],
        Meta(
            max_length=64,
            description="Inputs of whole numbers, and below which number each is drawn: the size of a vocabulary, say. "
            f"Others are drawn below {INTEGERS_BELOW}.",
        ),
    ] = {}


class PlanConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model becomes a plan: what of the configuration is part of the plan's key."""

    buckets: Annotated[
        tuple[Rows, ...],
        Meta(
            min_length=1, max_length=16, description="Numbers of rows that the model is built for; a run is filled up."
        ),
    ] = (1, 2, 4, 8, 16, 32)
    shapes: Annotated[
        dict[Name, Sizing],
        Meta(max_length=64, description="Sizes of each input with dimensions of any size besides the rows."),
    ] = {}
    workspace_bytes_max: Annotated[
        int, Meta(ge=1 << 20, le=1 << 40, description="Memory that a layer may use beside its tensors.")
    ] = 1 << 30
    tf32: Annotated[
        bool, Meta(description="Whether products of FP32 may be rounded to 10 bits: faster, and less exact.")
    ] = False
    optimization_level: Annotated[
        int, Meta(ge=0, le=5, description="How long the builder looks for faster kernels; 3 is TensorRT's own default.")
    ] = 3

    def __post_init__(self) -> None:
        """Error: ValueError for buckets that do not grow."""
        if tuple(sorted(set(self.buckets))) != self.buckets:
            raise ValueError("`buckets` grow, and none stands twice")


class BuildConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a gateway that finds no plan does."""

    at_start: Annotated[
        bool, Meta(description="Whether a plan is built then; else the engine waits for `yumen engines build`.")
    ] = True
    timeout_s: Annotated[int, Meta(ge=10, le=86_400, description="After so long a build is given up.")] = 1_500
    plans_max: Annotated[
        int, Meta(ge=1, le=1_000, description="Plans that are kept; those used longest ago go first.")
    ] = 32
    plan_bytes_max: Annotated[int, Meta(ge=1 << 20, le=1 << 40, description="Size of one plan.")] = 8 << 30
    model_bytes_max: Annotated[
        int, Meta(ge=1 << 10, le=1 << 40, description="Size of one model, with the files of its weights.")
    ] = 8 << 30


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `options:` that a model in a repository may have for itself, each in the place of the engine's own."""

    plan: PlanConfig | None = None
    parity: ParityConfig | None = None
    reference: FileName | None = None


class TensorRTConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `config:` of an engine whose adapter is `tensorrt`."""

    model: (
        Annotated[
            str,
            Meta(
                pattern=r"^/",
                max_length=4096,
                examples=["/srv/models/scorer.onnx"],
                description="Absolute path of one model's file, `.onnx`.",
            ),
        ]
        | None
    ) = None
    repository: Annotated[
        RepositoryConfig | None,
        Meta(description="A folder with models, in the place of `model`."),
    ] = None
    device: Annotated[
        str, Meta(pattern=r"^cuda(:[0-9]{1,2})?$", description="Which GPU: `cuda` is `cuda:0`, the first.")
    ] = "cuda"
    streams: Annotated[
        int,
        Meta(ge=1, le=16, description="Runs of a model that the GPU may have at a time; `batch.runs_max` is as much."),
    ] = 1
    graphs: Annotated[bool, Meta(description="Whether a bucket whose shapes are all known runs as a CUDA graph.")] = (
        True
    )
    buffer_bytes_max: Annotated[
        int, Meta(ge=1 << 10, le=1 << 38, description="Memory for inputs and outputs, of each stream of each model.")
    ] = 1 << 30
    run_timeout_s: Annotated[
        float, Meta(ge=0.1, le=3_600, description="A run that takes longer hangs: the engine is not well any more.")
    ] = 60.0
    plan: PlanConfig = PlanConfig()
    parity: ParityConfig = ParityConfig()
    reference: FileName = ""
    build: BuildConfig = BuildConfig()

    def __post_init__(self) -> None:
        """Error: ValueError for no model, or for two sources of them."""
        if (self.model is None) == (self.repository is None):
            raise ValueError("name a `model` or a `repository`, one of the two")

    @property
    def index(self) -> int:
        """The number of the GPU."""
        return int(self.device.partition(":")[2] or 0)

    def of(self, options: ModelOptions) -> tuple[PlanConfig, ParityConfig, str]:
        """What holds for a model with options of its own."""
        return (
            options.plan or self.plan,
            options.parity or self.parity,
            self.reference if options.reference is None else options.reference,
        )
