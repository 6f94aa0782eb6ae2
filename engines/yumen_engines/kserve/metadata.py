"""What the upstream says of its models, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec

from yumen import Datatype, EngineError, Metadata, ModelState, TensorSpec

TENSORS_MAX, DIMENSIONS_MAX, VERSIONS_MAX, MODELS_MAX = 1_000, 64, 10_000, 10_000
REASON_CHARS_MAX = 500
State = Literal["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]
STATES: Mapping[str, State] = {one: one for one in get_args(State)}
GARBAGE = "what the upstream says of its models is not of the protocol"


class _Tensor(msgspec.Struct):
    name: str
    datatype: Datatype
    shape: Annotated[list[int], msgspec.Meta(max_length=DIMENSIONS_MAX)]

    def spec(self) -> TensorSpec:
        return TensorSpec(self.name, self.datatype, tuple(self.shape))


Tensors = Annotated[list[_Tensor], msgspec.Meta(max_length=TENSORS_MAX)]


class _Model(msgspec.Struct):
    versions: Annotated[list[str], msgspec.Meta(max_length=VERSIONS_MAX)] | None = None
    platform: str | None = None
    inputs: Tensors | None = None
    outputs: Tensors | None = None


class _State(msgspec.Struct):
    name: str
    version: str | None = None
    state: str | None = None
    reason: str | None = None


class _Ready(msgspec.Struct):
    ready: bool = True


class _Server(msgspec.Struct):
    name: str = ""
    version: str = ""


Statistics = Annotated[list[dict[str, Any]], msgspec.Meta(max_length=MODELS_MAX)]


class _Statistics(msgspec.Struct):
    model_stats: Statistics


def _decoded(body: bytes, form: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise EngineError(GARBAGE) from None


def metadata_of(name: str, body: bytes) -> Metadata:
    """The metadata of a model, under the name that callers know it by. Error: `EngineError`."""
    model: _Model = _decoded(body, _Model)
    return Metadata(
        name=name,
        versions=tuple(model.versions or ()),
        platform=model.platform or "",
        inputs=tuple(one.spec() for one in model.inputs or ()),
        outputs=tuple(one.spec() for one in model.outputs or ()),
    )


def batched(metadata: Metadata) -> bool:
    """Whether the first dimension of everything it takes and gives is of any size: then it is the rows of a batch."""
    tensors = (*metadata.inputs, *metadata.outputs)
    return bool(metadata.inputs and metadata.outputs) and all(one.shape[:1] == (-1,) for one in tensors)


def index_of(body: bytes) -> list[ModelState]:
    """The index of a repository; a state that is not of the protocol is taken for UNAVAILABLE. Error: `EngineError`."""
    form = Annotated[list[_State], msgspec.Meta(max_length=MODELS_MAX)]
    found: list[_State] = _decoded(body, form)
    states: list[ModelState] = []
    for one in found:
        state = STATES.get(one.state or "", "UNAVAILABLE")
        states.append(ModelState(one.name, one.version or "", state, (one.reason or "")[:REASON_CHARS_MAX]))
    return states


def ready_of(body: bytes) -> bool:
    """What a reply with status 200 says; one without a body says that the model is ready. Error: `EngineError`."""
    ready: _Ready = _decoded(body.strip() or b"{}", _Ready)
    return ready.ready


def statistics_of(body: bytes) -> list[dict[str, Any]]:
    """Error: `EngineError`."""
    statistics: _Statistics = _decoded(body, _Statistics)
    return statistics.model_stats


def runtime_of(body: bytes) -> str:
    """What the server is, with its version. Error: `EngineError`."""
    server: _Server = _decoded(body, _Server)
    words = f"{server.name} {server.version}".split()
    return " ".join(words)[:100] if all(word.isprintable() for word in words) else ""
