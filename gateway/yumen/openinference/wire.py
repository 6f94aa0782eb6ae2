"""Requests of the Open Inference Protocol as arrays, and arrays as its replies.

Source: the protocol's description of `$inference_request` and `$inference_response`, and its servers' extensions: binary
tensor data, classification, parameters, and schedule policy (`priority`, `timeout` in microseconds).

1. `read` takes the bytes apart. It knows no model; its messages name tensors by their places, never by the caller's words.
2. `check` holds the request against what a model takes, and makes of it what a batch is made of.
3. `write` makes the reply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import msgspec

from yumen.engine import EngineError, Native, RequestRefused
from yumen.openinference.classification import CLASSES_MAX, classify, countable
from yumen.openinference.elements import NO_JSON, from_bytes, from_json, to_bytes, to_json
from yumen.tensors.types import DATATYPES, Datatype, Rows, Scalar, Signature, Tensor, Tensors, TensorSpec

PATH = re.compile(r"(?:versions/([0-9]{1,18})/)?infer")
TENSORS_MAX = 256
# numpy has no more in its older versions.
DIMENSIONS_MAX = 32
# Of one tensor, counting an empty dimension as one: so many of any type can be addressed.
ELEMENTS_MAX = 1 << 30
# Of all outputs of a reply: so many take the gateway a quarter of a second to write and to read again, and some 40 MB.
JSON_NUMBERS_MAX = 1 << 20
PARAMETERS_MAX, PARAMETER_CHARS_MAX = 32, 256
PRIORITY_MAX, TIMEOUT_US_MAX = 1 << 31, 1 << 53
SIZE = "binary_data_size"
SEQUENCES = ("sequence_id", "sequence_start", "sequence_end")
SHARED_MEMORY = "shared_memory_region"
NO_LABELS: Mapping[str, Sequence[str]] = {}
NO_DATA, NULL = msgspec.Raw(), msgspec.Raw(b"null")

Parameters = dict[str, str | int | float | bool | None]
Dimension = Annotated[int, msgspec.Meta(ge=0, le=ELEMENTS_MAX)]
encode = msgspec.json.Encoder().encode


class Input(msgspec.Struct, frozen=True):
    """A tensor as it was sent."""

    datatype: Datatype
    array: Tensor


class Wanted(msgspec.Struct, frozen=True):
    """An output that is asked for, as binary data or in JSON; `classification` is how many classes of it, 0 for itself."""

    name: str
    binary: bool = False
    classification: int = 0


class InferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `version` is empty where none is named; `outputs` where all are wanted, as `binary_default` says.

    `timeout_us` is in microseconds, 0 for none; `priority` 0 for the usual one, otherwise the higher the smaller;
    `parameters` what else the caller says.
    """

    id: str = ""
    version: str = ""
    inputs: Mapping[str, Input]
    outputs: tuple[Wanted, ...] = ()
    parameters: Mapping[str, Scalar] = {}
    timeout_us: int = 0
    priority: int = 0
    binary_default: bool = False


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: Annotated[list[Dimension], msgspec.Meta(max_length=DIMENSIONS_MAX)]
    parameters: Parameters | None = None
    data: msgspec.Raw = NO_DATA


class _Output(msgspec.Struct):
    name: str
    parameters: Parameters | None = None


class _Request(msgspec.Struct):
    inputs: Annotated[list[_Tensor], msgspec.Meta(min_length=1, max_length=TENSORS_MAX)]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: Annotated[list[_Output], msgspec.Meta(max_length=TENSORS_MAX)] | None = None


decode = msgspec.json.Decoder(_Request).decode


def read(path: str, body: bytes, json_bytes: int = 0) -> InferRequest:
    """A request of which the first `json_bytes` are JSON, 0 for all; `path` as in `yumen.EngineRequest`.

    Its arrays may be views of `body`. Error: `RequestRefused`.
    """
    named = PATH.fullmatch(path)
    if named is None:
        raise RequestRefused("There is nothing at this path.", code="not_found")
    head = json_bytes or len(body)
    if not 0 < head <= len(body):
        raise _refused("The body is shorter than Inference-Header-Content-Length says.")
    view = memoryview(body)
    try:
        request = decode(view[:head])
    except msgspec.ValidationError as error:
        # It names types and places, and of objects only the members that are ours.
        raise _refused(f"The body is no inference request: {error}.") from None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _refused("The body is not valid JSON in UTF-8.") from None
    parameters = _parameters(request.parameters, "parameters")
    if any(parameters.pop(name, None) for name in SEQUENCES):
        raise RequestRefused("Sequences of requests are not served.", param="parameters", code="unsupported_payload")
    binary_default = _flag(parameters, "binary_data_output", "parameters", default=False)
    return InferRequest(
        id=request.id or "",
        version=named[1] or "",
        inputs=_inputs(request.inputs, view[head:]),
        outputs=_outputs(request.outputs or [], binary_default),
        timeout_us=_number(parameters, "timeout", "parameters", TIMEOUT_US_MAX),
        priority=_number(parameters, "priority", "parameters", PRIORITY_MAX),
        parameters=parameters,
        binary_default=binary_default,
    )


def _refused(message: str, param: str | None = None) -> RequestRefused:
    return RequestRefused(message, param=param)


def _parameters(given: Parameters | None, place: str) -> dict[str, Scalar]:
    """The parameters at a place, without those that are null. Error: `RequestRefused`."""
    parameters = {name: value for name, value in (given or {}).items() if value is not None}
    long = any(len(part) > PARAMETER_CHARS_MAX for pair in parameters.items() for part in pair if isinstance(part, str))
    if len(parameters) > PARAMETERS_MAX or long:
        limit = f"{PARAMETERS_MAX} of at most {PARAMETER_CHARS_MAX} characters"
        raise _refused(f"`{place}` has more or longer parameters than are taken: at most {limit}.", place)
    return parameters


def _flag(parameters: dict[str, Scalar], name: str, place: str, *, default: bool) -> bool:
    """Take a truth out of parameters. Error: `RequestRefused`."""
    value = parameters.pop(name, default)
    if type(value) is not bool:
        raise _refused(f"`{name}` in `{place}` is neither true nor false.", place)
    return value


def _number(parameters: dict[str, Scalar], name: str, place: str, highest: int) -> int:
    """Take a whole number out of parameters; 0 where it is not there. Error: `RequestRefused`."""
    value = parameters.pop(name, 0)
    if type(value) is not int or not 0 <= value <= highest:
        raise _refused(f"`{name}` in `{place}` is no whole number from 0 to {highest}.", place)
    return value


def _inputs(tensors: list[_Tensor], tail: memoryview) -> dict[str, Input]:
    """The input tensors; `tail` are the binary data of all of them. Error: `RequestRefused`."""
    inputs: dict[str, Input] = {}
    position = 0
    for index, tensor in enumerate(tensors):
        place = f"inputs[{index}]"
        if tensor.name in inputs:
            raise _refused(f"`{place}` has the name of an input before it.", f"{place}.name")
        if tensor.datatype not in DATATYPES:
            raise _refused(f"`{place}.datatype` is no type of the protocol.", f"{place}.datatype")
        datatype = cast(Datatype, tensor.datatype)
        shape = tuple(tensor.shape)
        if math.prod(max(size, 1) for size in shape) > ELEMENTS_MAX:
            raise _refused(f"`{place}.shape` has more than {ELEMENTS_MAX} elements.", f"{place}.shape")
        parameters = _parameters(tensor.parameters, f"{place}.parameters")
        _check_memory(parameters, place)
        binary = SIZE in parameters
        size = _number(parameters, SIZE, f"{place}.parameters", len(tail) - position)
        if binary is (tensor.data not in (NO_DATA, NULL)):
            raise _refused(f"`{place}` needs either `data` or `{SIZE}`.", place)
        try:
            if binary:
                array = from_bytes(tail[position : position + size], datatype, shape)
            else:
                array = from_json(tensor.data, datatype, shape)
        except ValueError as error:
            raise _refused(f"`{place}`: {error}.", place) from None
        position += size
        inputs[tensor.name] = Input(datatype, array)
    if position != len(tail):
        raise _refused("The body is longer than its tensors say.")
    return inputs


def _check_memory(parameters: Mapping[str, Scalar], place: str) -> None:
    if SHARED_MEMORY in parameters:
        raise RequestRefused("Tensors in shared memory are not served.", param=place, code="unsupported_payload")


def _outputs(outputs: list[_Output], binary_default: bool) -> tuple[Wanted, ...]:
    """The outputs that are asked for. Error: `RequestRefused`."""
    wanted: dict[str, Wanted] = {}
    for index, output in enumerate(outputs):
        place = f"outputs[{index}]"
        if output.name in wanted:
            raise _refused(f"`{place}` has the name of an output before it.", f"{place}.name")
        parameters = _parameters(output.parameters, f"{place}.parameters")
        _check_memory(parameters, place)
        binary = _flag(parameters, "binary_data", f"{place}.parameters", default=binary_default)
        classes = _number(parameters, "classification", f"{place}.parameters", CLASSES_MAX)
        wanted[output.name] = Wanted(output.name, binary, classes)
    return tuple(wanted.values())


def check(request: InferRequest, signature: Signature) -> Rows:
    """What a batch is made of, if the request is what the model takes. Error: `RequestRefused`."""
    specs = {spec.name: spec for spec in signature.inputs}
    for index, name in enumerate(request.inputs):
        if name not in specs:
            raise _refused(f"`inputs[{index}]` is no input of this model.", f"inputs[{index}].name")
    rows: set[int] = set()
    for spec in signature.inputs:
        given = request.inputs.get(spec.name)
        if given is None:
            raise _refused(f"The input `{spec.name}` is missing.", "inputs")
        if given.datatype != spec.datatype:
            raise _refused(f"The input `{spec.name}` is of type {spec.datatype}.", "inputs")
        if not _fits(given.array.shape, spec.shape):
            raise _refused(f"The input `{spec.name}` is of shape {list(spec.shape)}.", "inputs")
        rows.update(given.array.shape[:1])
    if signature.batch_max and (len(rows) > 1 or 0 in rows):
        raise _refused("The inputs have not all the same number of rows, at least one.", "inputs")
    _check_outputs(request, {spec.name: spec for spec in signature.outputs})
    return Rows(
        {name: given.array for name, given in request.inputs.items()},
        tuple(wanted.name for wanted in request.outputs),
        request.parameters,
    )


def _fits(shape: tuple[int, ...], taken: tuple[int, ...]) -> bool:
    return len(shape) == len(taken) and all(any_size in (-1, size) for size, any_size in zip(shape, taken, strict=True))


def _check_outputs(request: InferRequest, specs: Mapping[str, TensorSpec]) -> None:
    for index, wanted in enumerate(request.outputs):
        if wanted.name not in specs:
            raise _refused(f"`outputs[{index}]` is no output of this model.", f"outputs[{index}].name")
    for wanted in request.outputs or _all(request, specs.values()):
        spec = specs[wanted.name]
        if wanted.classification and not countable(spec.datatype):
            raise _refused(f"The output `{spec.name}` is of type {spec.datatype}, which has no classes.", "outputs")
        if spec.datatype == "BF16" and not wanted.binary and not wanted.classification:
            raise _refused(f"The output `{spec.name}`: {NO_JSON}; ask for it with `binary_data`.", "outputs")


def _all(request: InferRequest, specs: Any) -> list[Wanted]:
    return [Wanted(spec.name, request.binary_default) for spec in specs]


def write(
    request: InferRequest,
    model: str,
    version: str,
    specs: Sequence[TensorSpec],
    outputs: Tensors,
    *,
    batched: bool = True,
    labels: Mapping[str, Sequence[str]] = NO_LABELS,
) -> Native:
    """The reply with the outputs that are wanted, in their order.

    `batched`: the first dimension of outputs are rows, each of which has classes of its own; `labels` are the names of the
    classes of an output. Texts stand in the JSON, also where binary data are asked for: the gateway would bring them there.
    Errors: `EngineError` for what is not as `specs` say, or cannot be written; `RequestRefused` where JSON cannot hold it.
    """
    by_name = {spec.name: spec for spec in specs}
    described: list[dict[str, Any]] = []
    tail: list[bytes] = []
    numbers = 0
    for wanted in request.outputs or _all(request, specs):
        spec, array = by_name.get(wanted.name), outputs.get(wanted.name)
        if spec is None or array is None:
            raise EngineError("the model has not given an output that it has")
        datatype = spec.datatype
        if array.dtype != DATATYPES[datatype]:
            raise EngineError(f"the output `{spec.name}` is not of type {datatype}")
        try:
            if wanted.classification:
                array = classify(array, datatype, wanted.classification, labels.get(spec.name, ()), batched=batched)
                datatype = "BYTES"
            one: dict[str, Any] = {"name": spec.name, "datatype": datatype, "shape": array.shape}
            if wanted.binary and datatype != "BYTES":
                tail.append(to_bytes(array, datatype))
                one["parameters"] = {SIZE: len(tail[-1])}
            else:
                numbers += array.size if datatype != "BYTES" else 0
                if numbers > JSON_NUMBERS_MAX:
                    what = f"The outputs have more than {JSON_NUMBERS_MAX:,} numbers in JSON"
                    raise _refused(f"{what}; ask for them with `binary_data`.", "outputs")
                one["data"] = to_json(array, datatype)
        except ValueError as error:
            if wanted.classification or (array.dtype.kind == "f" and not wanted.binary):
                # It is mostly what the caller's own numbers come to, and has a form that he can ask for.
                how = "with `binary_data`" + (", without `classification`" if wanted.classification else "")
                raise _refused(f"The output `{spec.name}`: {error}; ask for it {how}.", "outputs") from None
            raise EngineError(f"the output `{spec.name}`: {error}") from None
        described.append(one)
    reply: dict[str, Any] = {"model_name": model, **({"model_version": version} if version else {})}
    if request.id:
        reply["id"] = request.id
    try:
        head = encode({**reply, "outputs": described})
    except UnicodeEncodeError:
        raise EngineError("the model has given a text with half a character in it") from None
    joined = b"".join(tail)
    return Native(200, head + joined, json_bytes=len(head) if joined else 0)
