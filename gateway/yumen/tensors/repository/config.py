"""What is said about a repository of models, and about one model in it.

A model's folder may hold `config.yaml`, in the strict YAML of policy files. Triton's `config.pbtxt` is not read: what it
says is in the model itself, in `config.yaml`, or in the engine's `batch:`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from yumen.policy.reader import BYTES_MAX, read
from yumen.policy.shape import build
from yumen.tensors.repository.inside import LEADS_OUT, Outside, open_inside
from yumen.tensors.types import Datatype, Signature, TensorSpec

CONFIG = "config.yaml"
VERSIONS_MAX = 64
# How many of the things that are wrong with a `config.yaml` are told.
WRONG_MAX = 5
LABELS_MAX, LABEL_CHARS_MAX = 100_000, 1_000
# A model's name where it stands in a path of `/v2`, and the name of its folder.
NAME = r"[A-Za-z0-9@][A-Za-z0-9._:@+-]{0,199}"

Labels = Mapping[str, tuple[str, ...]]


class RepositoryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a repository is, and which of its models are served. For an adapter's own configuration."""

    # What a relative path names would depend on where the gateway was started.
    path: Annotated[
        str,
        Meta(
            pattern=r"^/",
            max_length=4096,
            examples=["/srv/models"],
            description="Absolute path of a folder with models.",
        ),
    ]
    load: Annotated[
        tuple[Annotated[str, Meta(pattern=f"^{NAME}$")], ...],
        Meta(max_length=1000, description="The models that are loaded at start, and have to be there; all if empty."),
    ] = ()
    poll_s: Annotated[
        float,
        Meta(ge=0, le=86_400, description="Seconds between two looks for what is new; 0: only when it is asked for."),
    ] = 5.0


class TensorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input or output, where less is taken or given than the model itself says; -1 in its shape stands for any size."""

    name: Annotated[str, Meta(min_length=1, max_length=1000)]
    datatype: Datatype
    shape: Annotated[tuple[Annotated[int, Meta(ge=-1, le=1 << 40)], ...], Meta(max_length=32)]


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `config.yaml` of a model."""

    versions: Annotated[
        Literal["latest", "all"] | tuple[Annotated[int, Meta(ge=1, le=10**18 - 1)], ...],
        Meta(description="Versions that are served: `latest`, `all`, or the numbers of some."),
    ] = "latest"
    latest: Annotated[
        int, Meta(ge=1, le=VERSIONS_MAX, description="How many of the latest versions that can be opened.")
    ] = 1
    batch_max: Annotated[
        int | None,
        Meta(description="Rows of one run, 0 where the first dimension is no batch; as the model says if absent."),
    ] = None
    inputs: Annotated[
        tuple[TensorConfig, ...],
        Meta(max_length=256, description="The inputs, all of them; as the model says if empty."),
    ] = ()
    outputs: Annotated[
        tuple[TensorConfig, ...], Meta(max_length=256, description="The outputs that are given; all if empty.")
    ] = ()
    labels: Annotated[
        dict[str, Annotated[str, Meta(pattern=r"^[^/\\.][^/\\]{0,199}$")]],
        Meta(
            max_length=64, description="For the classification extension: a text file of each output, a label a line."
        ),
    ] = {}
    warm_up: Annotated[bool, Meta(description="Whether a version runs once before it serves.")] = True
    options: Annotated[dict[str, Any], Meta(max_length=256, description="For the adapter.")] = {}

    def __post_init__(self) -> None:
        """Error: ValueError."""
        if self.batch_max is not None and not 0 <= self.batch_max <= 1024:
            raise ValueError("`batch_max` is a number from 0 to 1024")
        if len(self.versions) > VERSIONS_MAX:
            raise ValueError(f"`versions` names at most {VERSIONS_MAX}")

    @property
    def serving(self) -> ModelConfig:
        """What a version must be opened anew for: everything but which versions there are."""
        return msgspec.structs.replace(self, versions="latest", latest=1)


class ConfigWrong(Exception):
    """A model's configuration cannot be used. The message is for the operator."""


def read_config(folder: Path, root: str = "") -> tuple[ModelConfig, Labels]:
    """The configuration of the model in a folder, and the labels of its outputs. Error: `ConfigWrong`.

    No file is read that does not lie below `root`, a real path; below the folder itself where none is named.
    """
    root = root or os.path.realpath(folder)
    content = _content(folder / CONFIG, folder.name, root)
    if content is None:
        return ModelConfig(), {}
    source = read(f"{folder.name}/{CONFIG}", content)
    config = None if source.diagnostics else build(source, (), source.data, ModelConfig)
    if config is None:
        raise ConfigWrong("\n".join(str(one) for one in sorted(set(source.diagnostics))[:WRONG_MAX]))
    return config, {output: _labels(folder / file, folder.name, root) for output, file in config.labels.items()}


def _content(path: Path, model: str, root: str) -> bytes | None:
    """At most one byte more than is taken. Error: `ConfigWrong` where it cannot be read; None where there is none."""
    try:
        with open(open_inside(str(path), root), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigWrong(f"{model}/{path.name}: it is no file; write it anew")
            return file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except Outside:
        raise ConfigWrong(f"{model}/{path.name} {LEADS_OUT}") from None
    except OSError as error:
        raise ConfigWrong(f"{model}/{path.name}: {error.strerror or type(error).__name__}; make it readable") from None


def _labels(path: Path, model: str, root: str) -> tuple[str, ...]:
    where = f"{model}/{path.name}"
    content = _content(path, model, root)
    if content is None:
        raise ConfigWrong(f"{where}: `labels` names it, and it is not there; put it beside {CONFIG}")
    if len(content) > BYTES_MAX:
        raise ConfigWrong(f"{where}: it has more than {BYTES_MAX} bytes; shorten it")
    try:
        lines = tuple(line.strip() for line in content.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError:
        raise ConfigWrong(f"{where}: it is not UTF-8; save it as UTF-8") from None
    if len(lines) > LABELS_MAX or any(len(line) > LABEL_CHARS_MAX for line in lines):
        raise ConfigWrong(f"{where}: it has more than {LABELS_MAX} labels, or one of {LABEL_CHARS_MAX} characters")
    return lines


def narrowed(own: Signature, config: ModelConfig) -> Signature:
    """What a model takes and gives under its configuration, which may say less than the model does, and nothing else.

    Error: `ConfigWrong`.
    """
    inputs, outputs = _narrowed(own.inputs, config.inputs, "inputs"), _narrowed(own.outputs, config.outputs, "outputs")
    if len(inputs) < len(own.inputs):
        raise ConfigWrong("`inputs` does not name every input that the model has; add what is missing")
    batch_max = own.batch_max if config.batch_max is None else config.batch_max
    if batch_max and any(spec.shape[:1] != (-1,) for spec in (*inputs, *outputs)):
        raise ConfigWrong("`batch_max` needs -1 as the first dimension of every input and output; set it to 0")
    unknown = config.labels.keys() - {spec.name for spec in outputs}
    if unknown:
        raise ConfigWrong("`labels` names an output that the model does not give; correct the name")
    return Signature(inputs, outputs, batch_max)


def _narrowed(own: tuple[TensorSpec, ...], said: tuple[TensorConfig, ...], key: str) -> tuple[TensorSpec, ...]:
    if not said:
        return own
    by_name = {spec.name: spec for spec in own}
    if len({one.name for one in said}) < len(said):
        raise ConfigWrong(f"`{key}` names a tensor twice; remove one of the two")
    for one in said:
        spec = by_name.get(one.name)
        # A model that does not say anything of itself has to be believed what is said of it.
        if own and (spec is None or spec.datatype != one.datatype or not _within(one.shape, spec.shape)):
            raise ConfigWrong(f"`{key}` says of `{one.name}` what the model does not; correct it, or leave it out")
    return tuple(TensorSpec(one.name, one.datatype, one.shape) for one in said)


def _within(shape: tuple[int, ...], own: tuple[int, ...]) -> bool:
    return len(shape) == len(own) and all(any_size in (-1, size) for size, any_size in zip(shape, own, strict=True))
