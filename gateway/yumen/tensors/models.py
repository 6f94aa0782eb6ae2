"""What stands behind an engine whose models take tensors: one loaded version of one, and the catalogue of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from yumen.tensors.types import Rows, Signature, Tensors, TensorSpec

State = Literal["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model runs, as it is and not as it was asked for.

    `device` is `cpu`, `cuda:0` or the like, or the origin of an upstream; `providers` what executes it, the first one first;
    `runtime` what runs it, with its version; `detail` anything else worth knowing, such as a precision.
    """

    model: str
    version: str = ""
    device: str = "cpu"
    providers: tuple[str, ...] = ()
    runtime: str = ""
    detail: Mapping[str, str] = {}


class TensorModel(Protocol):
    """One version of a model, loaded. `platform` is the protocol's word for what runs it, e.g. `onnxruntime_onnx`."""

    signature: Signature
    platform: str
    revision: str

    @property
    def placement(self) -> Placement: ...

    async def run(self, rows: Rows) -> Tensors:
        """Run it once: every output of a batch has as many rows as the inputs. Never called twice at a time unless policy
        says so (`batch.runs_max`), or the engine (`TensorEngine.runs_ahead`). It does not write again to an array that it
        has answered with: callers get parts of it. It is cancelled when nobody waits for it any more; where the runtime goes
        on all the same, it must not begin another run before.
        Errors: `EngineError`; anything else that a runtime raises is taken for one.
        """
        ...

    async def close(self) -> None:
        """Let go of it, once nothing runs any more."""
        ...


class ModelState(msgspec.Struct, frozen=True):
    """One line of a repository's index."""

    name: str
    version: str
    state: State
    reason: str = ""


class Metadata(msgspec.Struct, frozen=True):
    """What the protocol tells of a model, all versions that are ready included."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Models(Protocol):
    """The catalogue of an engine's models, as `/v2` shows it. Errors: LookupError for a model or version that is not there,
    `EngineError` where a remote catalogue fails, ValueError for what cannot be done, in a sentence for the operator.
    """

    async def index(self) -> Sequence[ModelState]:
        """Every version of every model that is known, ready or not."""
        ...

    async def metadata(self, name: str, version: str = "") -> Metadata:
        """Of a version, or of the one that answers where none is named."""
        ...

    async def ready(self, name: str, version: str = "") -> bool: ...

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        """In the form of the protocol's statistics extension (`model_stats`)."""
        ...

    async def load(self, name: str) -> None:
        """Load a model, or what is new of it, and let it serve."""
        ...

    async def unload(self, name: str) -> None:
        """Let a model serve no more; exchanges in flight are answered."""
        ...
