"""What a model takes and gives, read from its session, and whether its rows are rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yumen import CannotStart, Datatype, Signature, TensorSpec

DATATYPES: dict[str, Datatype] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(bfloat16)": "BF16",
    "tensor(string)": "BYTES",
}
TENSORS_MAX, DIMENSIONS_MAX, NAME_CHARS_MAX = 256, 16, 256


def signature(session: Any, batch_max: int) -> Signature:
    """The signature of a loaded model. Error: `CannotStart` where a tensor is of a type that the protocol does not know."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if not inputs or not outputs or max(len(inputs), len(outputs)) > TENSORS_MAX:
        raise CannotStart(f"the model has no inputs or no outputs, or more than {TENSORS_MAX}; export it again")
    if any(len({one.name for one in some}) < len(some) for some in (inputs, outputs)):
        raise CannotStart("the model has two inputs or two outputs of one name; export it again")
    return Signature(
        tuple(map(_spec, inputs)), tuple(map(_spec, outputs)), batch_max if _has_rows(inputs, outputs) else 0
    )


def _spec(one: Any) -> TensorSpec:
    # Names are shown to callers and operators, and are what they write.
    if len(one.name) > NAME_CHARS_MAX or not one.name.isprintable():
        raise CannotStart("an input or output has a name that is too long, or cannot be printed; export it again")
    datatype = DATATYPES.get(one.type)
    if datatype is None or len(one.shape) > DIMENSIONS_MAX:
        raise CannotStart(
            "the model has an input or output that the Open Inference Protocol has no type for, such as a list of maps "
            "(models of scikit-learn: export them with `zipmap=False`); export it again"
        )
    return TensorSpec(one.name, datatype, tuple(size if _is_fixed(size) else -1 for size in one.shape))


def _has_rows(inputs: Sequence[Any], outputs: Sequence[Any]) -> bool:
    """Whether every tensor begins with one and the same size, which may be any, as far as the names of sizes tell."""
    every = [*inputs, *outputs]
    if any(not one.shape or _is_fixed(one.shape[0]) for one in every):
        return False
    names = {one.shape[0] for one in inputs if one.shape[0]}
    # A size that an input has elsewhere is no number of rows, though an output begins with it.
    others = {size for one in inputs for size in one.shape[1:] if isinstance(size, str)}
    return len(names) <= 1 and not others & {one.shape[0] for one in every}


def _is_fixed(size: Any) -> bool:
    return isinstance(size, int) and size >= 0
