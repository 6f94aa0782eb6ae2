"""An engine whose models take tensors, as an outsider would write one: it adds, repeats texts, and gives back halves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from yumen import (
    Datatype,
    Engine,
    EngineManifest,
    EngineRequest,
    Metadata,
    ModelState,
    Native,
    NoConfig,
    RequestRefused,
    Rows,
    Signature,
    Tensors,
    TensorSpec,
)
from yumen.openinference.wire import check, read, write

ROOT = Path(__file__).parents[3]


def _signature(inputs: dict[str, tuple[Datatype, tuple[int, ...]]], outputs: dict[str, Any]) -> Signature:
    def specs(described: dict[str, Any]) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(name, datatype, shape) for name, (datatype, shape) in described.items())

    return Signature(specs(inputs), specs(outputs), batch_max=32)


def _add(rows: Rows) -> Tensors:
    return {"sum": rows.inputs["x"] + rows.inputs["y"]}


def _echo(rows: Rows) -> Tensors:
    texts = rows.inputs["text"]
    spelled = np.array([["·".join(text)] for text in texts.ravel()], dtype=object)
    return {"text": texts, "spelled": spelled, "length": np.array([[len(text)] for text in texts.ravel()], np.int64)}


def _same(rows: Rows) -> Tensors:
    return rows.inputs


HALVES: dict[str, tuple[Datatype, tuple[int, ...]]] = {"half": ("FP16", (-1, 2)), "brain": ("BF16", (-1, 2))}
MODELS: dict[str, tuple[Signature, Callable[[Rows], Tensors]]] = {
    "adder": (
        _signature({"x": ("FP32", (-1, 3)), "y": ("FP32", (-1, 3))}, {"sum": ("FP32", (-1, 3))}),
        _add,
    ),
    "echo": (
        _signature(
            {"text": ("BYTES", (-1, 1))},
            {"text": ("BYTES", (-1, 1)), "spelled": ("BYTES", (-1, 1)), "length": ("INT64", (-1, 1))},
        ),
        _echo,
    ),
    "halves": (_signature(HALVES, HALVES), _same),
}


class Shelf:
    """See `yumen.Models`."""

    def __init__(self) -> None:
        self.ready_ones = set(MODELS)
        self.counted = dict.fromkeys(MODELS, 0)
        self.asked: list[tuple[str, str]] = []

    def find(self, name: str, version: str = "") -> Signature:
        if name not in MODELS or version not in ("", "1"):
            raise LookupError(name)
        return MODELS[name][0]

    async def index(self) -> Sequence[ModelState]:
        return [
            ModelState(name, "1", "READY")
            if name in self.ready_ones
            else ModelState(name, "1", "UNAVAILABLE", "/srv/models")
            for name in MODELS
        ]

    async def metadata(self, name: str, version: str = "") -> Metadata:
        signature = self.find(name, version)
        return Metadata(name, ("1",), "numpy", signature.inputs, signature.outputs)

    async def ready(self, name: str, version: str = "") -> bool:
        self.find(name, version)
        return name in self.ready_ones

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        if name:
            self.find(name, version)
        return [
            {"name": one, "version": "1", "inference_count": count}
            for one, count in self.counted.items()
            if name in ("", one)
        ]

    async def load(self, name: str) -> None:
        self.asked.append(("load", name))
        self.find(name)
        self.ready_ones.add(name)

    async def unload(self, name: str) -> None:
        self.asked.append(("unload", name))
        self.find(name)
        if name not in self.ready_ones:
            raise ValueError("The model is not loaded.")
        self.ready_ones.discard(name)


class Calculator(Engine[NoConfig]):
    """Runs its models at once, one request at a time."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="calculator", version="1", dialects=("kserve",))

    def __init__(self, config: NoConfig | None = None) -> None:
        super().__init__(config or NoConfig())
        self.shelf = Shelf()

    def models(self) -> Shelf:
        return self.shelf

    async def generate(self, request: EngineRequest) -> Native:
        asked = read(request.path, request.body, request.json_bytes)
        try:
            signature = self.shelf.find(request.model, asked.version)
        except LookupError:
            raise RequestRefused("There is no such model or version here.", code="not_found") from None
        if request.model not in self.shelf.ready_ones:
            raise RequestRefused("The model is not loaded.", code="not_found")
        rows = check(asked, signature)
        self.shelf.counted[request.model] += len(next(iter(rows.inputs.values())))
        return write(asked, request.model, "1", signature.outputs, MODELS[request.model][1](rows))


def install(site: Path) -> None:
    """Write the distribution's files into `site`, as pip would; the module itself is found from the root of the project."""
    info = site / "calculator-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: calculator\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[yumen.engines]\ncalculator = {__name__}:Calculator\n")
