"""Compares a plan with ONNX Runtime on the CPU, before it serves: on drawn inputs of every bucket, output by output.

The reference runs the rows of a bucket in two parts and the plan all at once: a model whose rows have to do with each other
fails here, and so never answers one caller with what another has sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from yumen import DATATYPES, CannotStart, Datatype, Tensor, Tensors, TensorSpec
from yumen_engines.onnx.warming import limited
from yumen_engines.tensorrt.config import INTEGERS_BELOW, ParityConfig
from yumen_engines.tensorrt.profiles import Profile, Shape

# Relative and absolute tolerance of outputs by their type; what is no float must be the same.
TOLERANCES: Mapping[Datatype, tuple[float, float]] = {
    "FP32": (1e-3, 1e-4),
    "FP16": (1e-2, 1e-2),
    "BF16": (5e-2, 5e-2),
}
# Of ONNX Runtime's types those that numpy has.
KINDS = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(bool)": np.bool_,
    "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8,
}  # fmt: skip
# How long the CPU may take for one run: a model may be made to run without end.
RUN_S = 300.0
Run = Callable[[Tensors], Tensors]


class Parity(msgspec.Struct, frozen=True):
    """How near a plan came: `worst` is the output that differed most, `excess` by how much, in tolerances (1 is the most
    allowed), `rows` in which bucket; `runs` is how many were compared.
    """

    worst: str
    excess: float
    rows: int
    runs: int


class Reference:
    """ONNX Runtime on the CPU, with a model in memory. Error: `CannotStart` where it does not run the model."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime  # heavy: only who loads a plan pays for it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no common base class
            raise CannotStart(
                f"ONNX Runtime on the CPU does not load {path.name} to compare with ({type(error).__name__}): name another "
                "model that computes the same as `reference`"
            ) from None
        self._runtime: Any = onnxruntime
        self._inputs = {one.name: one.type for one in self._session.get_inputs()}
        self.outputs = [one.name for one in self._session.get_outputs()]
        strange = [f"`{name}` ({kind})" for name, kind in self._inputs.items() if kind not in KINDS]
        if strange:
            raise CannotStart(f"the input {strange[0]} cannot be compared: name another model as `reference`")

    def check(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        """Error: `CannotStart` where the two models take or give other tensors."""
        if {spec.name for spec in inputs} != self._inputs.keys() or {spec.name for spec in outputs} != set(
            self.outputs
        ):
            raise CannotStart("the model and its `reference` have inputs or outputs of other names")

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Error: `CannotStart`."""
        fed: dict[str, Tensor] = {
            name: array.astype(KINDS[self._inputs[name]], copy=False) for name, array in inputs.items()
        }
        try:
            with limited(self._runtime, RUN_S) as options:
                given = self._session.run(self.outputs, fed, options)
        except Exception as error:  # see above
            raise CannotStart(
                f"ONNX Runtime on the CPU does not run the model to compare with ({type(error).__name__}): say in "
                "`parity.integers` below which numbers its inputs stay, or name a `reference`"
            ) from None
        return dict(zip(self.outputs, given, strict=True))


def compare(
    run: Run,
    reference: Reference,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    profiles: Sequence[Profile],
    config: ParityConfig,
    *,
    batched: bool,
) -> Parity:
    """Run both; `batched` says that every output has the rows of the inputs.

    Error: `CannotStart` that names the output that is farthest off, in which bucket, and by how much.
    """
    reference.check(inputs, outputs)
    worst = Parity("", 0.0, 0, 0)
    runs = 0
    for number, (profile, shapes) in enumerate(_cases(profiles)):
        runs += 1
        random = np.random.default_rng([config.seed, number])
        drawn = {spec.name: _drawn(spec, shapes[spec.name], random, config) for spec in inputs}
        given = run({spec.name: _bits(drawn[spec.name], spec.datatype) for spec in inputs})
        rows = profile.rows if batched else 0
        picked, wanted = _wanted(reference, drawn, rows, config.rows)
        for spec in outputs:
            found = given[spec.name]
            excess = _excess(spec, found[picked] if rows else found, wanted[spec.name], config)
            if worst.runs == 0 or excess > worst.excess:
                worst = Parity(spec.name, excess, profile.rows, runs)
    if not worst.excess <= 1:
        raise CannotStart(
            f"the output `{worst.worst}` is {_times(worst.excess)} from what ONNX Runtime computes on the CPU "
            f"({worst.rows} rows): the model was not loaded. Mend its precision, or allow more in `parity`"
        )
    return msgspec.structs.replace(worst, runs=runs)


def _cases(profiles: Sequence[Profile]) -> list[tuple[Profile, dict[str, Shape]]]:
    """Every profile as it is usual, and the least and greatest shapes of all."""
    cases = [(profile, {name: one.opt for name, one in profile.inputs.items()}) for profile in profiles]
    if not all(profile.fixed for profile in profiles):
        cases.append((profiles[0], {name: one.min for name, one in profiles[0].inputs.items()}))
        cases.append((profiles[-1], {name: one.max for name, one in profiles[-1].inputs.items()}))
    return cases


def _drawn(spec: TensorSpec, shape: Shape, random: np.random.Generator, config: ParityConfig) -> Tensor:
    """Numbers of a bell curve, of the precision that the input has; whole numbers as policy says."""
    if spec.datatype in TOLERANCES:
        plain = random.standard_normal(shape).astype(np.float32)
        return _plain(_bits(plain, "BF16")) if spec.datatype == "BF16" else plain.astype(DATATYPES[spec.datatype])
    below = config.integers.get(spec.name, INTEGERS_BELOW)
    kind = DATATYPES[spec.datatype]
    highest = below if kind == np.bool_ else min(below, int(np.iinfo(kind).max))
    return random.integers(0, highest, shape).astype(kind)


def _wanted(
    reference: Reference, drawn: Mapping[str, Tensor], rows: int, rows_max: int
) -> tuple[NDArray[np.intp], dict[str, Tensor]]:
    """Which rows are compared, and what the reference says of them; all of it where rows are no batch."""
    if not rows:
        return np.arange(0), reference.run(drawn)
    picked = np.unique(np.linspace(0, rows - 1, min(rows, rows_max)).astype(np.intp))
    parts = [part for part in (picked[::2], picked[1::2]) if len(part)]
    given = [reference.run({name: array[part] for name, array in drawn.items()}) for part in parts]
    order = np.concatenate(parts)
    if any(len(array) != len(part) for one, part in zip(given, parts, strict=True) for array in one.values()):
        raise CannotStart("an output of the model has another number of rows than its inputs")
    return order, {name: np.concatenate([one[name] for one in given]) for name in reference.outputs}


def _excess(spec: TensorSpec, found: Tensor, wanted: Tensor, config: ParityConfig) -> float:
    """By how many tolerances two outputs differ at most; infinite where they cannot be compared."""
    if found.shape != wanted.shape:
        return float("inf")
    if spec.datatype not in TOLERANCES:
        return 0.0 if np.array_equal(found, wanted) else float("inf")
    if not found.size:
        return 0.0
    rtol, atol = TOLERANCES[spec.datatype]
    rtol, atol = rtol if config.rtol is None else config.rtol, atol if config.atol is None else config.atol
    left = (_plain(found) if spec.datatype == "BF16" else found).astype(np.float64)
    right = wanted.astype(np.float64)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(left - right) / (atol + rtol * np.abs(right)))
    # One is a number and the other is none.
    apart[np.isnan(apart) | (~same & ~np.isfinite(right))] = np.inf
    return float(apart.max())


def _times(excess: float) -> str:
    return "of another shape or kind, or simply different," if np.isinf(excess) else f"{excess:.1f} times the tolerance"


def _bits(array: Tensor, datatype: Datatype) -> Tensor:
    """An array as a plan takes it: bfloat16 is the upper half of the bits of float32, rounded to even."""
    if datatype != "BF16":
        return array
    bits = array.astype(np.float32).view(np.uint32)
    rounded: Tensor = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return rounded


def _plain(bits: Tensor) -> NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)
