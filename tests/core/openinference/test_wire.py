"""The codec of the Open Inference Protocol: what is read is what was sent, and anything else is refused with a sentence."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes
from tests.core.openinference.bodies import SIGNATURE, binary, body, packed, tensor

from yumen import DATATYPES, Datatype, EngineError, RequestRefused, Tensor, TensorSpec
from yumen.openinference.wire import JSON_NUMBERS_MAX, InferRequest, Input, Wanted, check, read, write

SECRET = "机密SECRET"
TYPES: list[Datatype] = list(DATATYPES)  # type: ignore[arg-type]  # a mapping of theirs
PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Datatype, Tensor]:
    """A datatype, and an array of it whose numbers JSON can hold."""
    datatype = draw(st.sampled_from(TYPES))
    shape = draw(shapes.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    if datatype == "BYTES":
        array = np.empty(int(np.prod(shape)), dtype=object)
        array[:] = draw(st.lists(PLAIN_TEXT, min_size=array.size, max_size=array.size))
        return datatype, array.reshape(shape)
    dtype = DATATYPES[datatype]
    numbers: st.SearchStrategy[Any] = shapes.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    return datatype, draw(shapes.arrays(dtype, shape, elements=numbers))


def same(read_array: Tensor, array: Tensor) -> None:
    assert read_array.dtype == array.dtype
    assert read_array.shape == array.shape
    assert read_array.tolist() == array.tolist()


@given(arrays(), st.booleans())
def test_every_tensor_is_read_from_json(drawn: tuple[Datatype, Tensor], nested: bool) -> None:
    """Flat or nested as its shape, numbers and texts are read as they are; BF16 is not, having no form there."""
    datatype, array = drawn
    data = array.tolist() if nested and array.ndim else array.ravel().tolist()
    sent = body(tensor("x", datatype, array.shape, data))
    if datatype == "BF16":
        with pytest.raises(RequestRefused, match="BF16"):
            read("infer", sent)
    else:
        same(read("infer", sent).inputs["x"].array, array)


@given(st.lists(arrays(), min_size=1, max_size=4))
def test_every_tensor_is_read_from_binary_data(drawn: list[tuple[Datatype, Tensor]]) -> None:
    """Tensors behind one another are each read from its own bytes, wherever those lie."""
    described = [
        (tensor(f"t{index}", datatype, array.shape), packed(array, datatype))
        for index, (datatype, array) in enumerate(drawn)
    ]
    request = read("infer", *binary(*described))
    for index, (datatype, array) in enumerate(drawn):
        given_back = request.inputs[f"t{index}"]
        assert given_back.datatype == datatype
        assert given_back.array.flags.aligned
        same(given_back.array, array)


@given(arrays(), st.booleans())
def test_a_reply_is_read_as_it_was_written(drawn: tuple[Datatype, Tensor], as_bytes: bool) -> None:
    """What the model gave is what a client reads, in JSON and in binary data; texts stand in the JSON always."""
    datatype, array = drawn
    asked = InferRequest(id="7", inputs={}, outputs=(Wanted("y", as_bytes),))
    if datatype == "BF16" and not as_bytes:
        with pytest.raises(EngineError, match="BF16"):
            write(asked, "m", "1", [TensorSpec("y", datatype, array.shape)], {"y": array})
        return
    native = write(asked, "m", "1", [TensorSpec("y", datatype, array.shape)], {"y": array})
    head = native.json_bytes or len(native.body)
    reply = json.loads(native.body[:head])
    assert (reply["model_name"], reply["model_version"], reply["id"]) == ("m", "1", "7")
    assert ("data" in reply["outputs"][0]) is (datatype == "BYTES" or not as_bytes)
    again = read("infer", body(*reply["outputs"]) + native.body[head:], len(body(*reply["outputs"])))
    same(again.inputs["y"].array, array)


def test_binary_data_are_not_copied() -> None:
    """Where they lie so that a model can read them, they are read where they are."""
    array = np.arange(64, dtype=np.uint8)
    sent, head = binary((tensor("x", "UINT8", [64]), array.tobytes()))
    found = read("infer", sent, head).inputs["x"].array
    assert not found.flags.writeable
    assert not found.flags.owndata
    assert found.base is not None


def test_what_is_asked_beside_is_read() -> None:
    """Version, outputs and parameters are read; what the core knows of parameters does not stay among the caller's."""
    outputs = [
        {"name": "a"},
        {"name": "b", "parameters": {"binary_data": False}},
        {"name": "c", "parameters": {"classification": 3}},
    ]
    parameters = {"binary_data_output": True, "priority": 2, "timeout": 5000, "sequence_id": 0, "mode": "快", "n": None}
    sent = body(tensor(data=[1, 2]), id="请求", outputs=outputs, parameters=parameters)
    request = read("versions/12/infer", sent)
    assert (request.id, request.version, request.timeout_us, request.priority) == ("请求", "12", 5000, 2)
    assert request.outputs == (Wanted("a", True), Wanted("b", False), Wanted("c", True, 3))
    assert (request.parameters, request.binary_default) == ({"mode": "快"}, True)
    nothing = read("infer", body(tensor(data=[1, 2]), id=None, outputs=None, parameters=None))
    assert (nothing.id, nothing.version, nothing.outputs, nothing.parameters) == ("", "", (), {})


WRONG_DATA: list[tuple[str, Any, Any]] = [
    ("INT8", [1], [128]), ("INT8", [1], [-129]), ("UINT8", [1], [-1]), ("UINT64", [1], [1 << 64]), ("UINT64", [1], [-1]),
    ("INT64", [1], [1 << 63]), ("INT64", [1], [-(1 << 63) - 1]), ("INT32", [1], [1.0]), ("INT32", [1], [1.5]),
    ("INT32", [1], [True]), ("INT32", [1], ["1"]), ("INT32", [1], [None]), ("BOOL", [1], [1]), ("BOOL", [1], ["true"]),
    ("FP32", [1], ["1.0"]), ("FP32", [1], [False]), ("FP32", [1], [1e39]), ("FP16", [1], [65520]), ("FP64", [1], [[1]]),
    ("BYTES", [1], [1]), ("BYTES", [1], [None]), ("BYTES", [2], ["a"]), ("FP32", [2], [1, 2, 3]), ("FP32", [2, 2], [1, 2]),
    ("FP32", [2, 2], [[1, 2], [3]]), ("FP32", [2, 2], [[1], [2], [3], [4]]), ("FP32", [2, 2], [[1, 2, 3, 4]]),
    ("FP32", [2, 2], [1, 2, [3, 4]]), ("FP32", [1], 1.0), ("FP32", [1], {"a": 1}), ("FP32", [], [1, 2]), ("FP32", [0], [1]),
    ("BYTES", [2, 1], [["a"], ["b", "c"]]), ("BYTES", [1, 1, 1], [["a"]]), ("FP32", [2, 1], [[[1]], [[2]]]),
]  # fmt: skip


@pytest.mark.parametrize(("datatype", "shape", "data"), WRONG_DATA)
def test_elements_that_are_not_what_they_should_be_are_refused(datatype: str, shape: Any, data: Any) -> None:
    """Nothing is rounded, cut, wrapped round or taken for another type, and rows are of one length."""
    with pytest.raises(RequestRefused):
        read("infer", body(tensor("x", datatype, shape, data)))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "nan", "0x1", "01", "1_0"])
def test_numbers_that_json_has_not_are_refused(literal: str) -> None:
    """No way of writing what is no finite number is a number."""
    with pytest.raises(RequestRefused):
        read("infer", body(tensor(data=[7.5, 1])).replace(b"7.5", literal.encode()))


SHAPES: list[Any] = [
    [-1], [1 << 31], [1 << 63], [1 << 64], [1 << 30, 2], [1 << 30, 0, 1 << 30], [3] * 33, [1.0], ["1"], [True], None, "1",
    {"a": 1}, [[1]], [10**400],
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_shapes_that_are_none_are_refused(shape: Any, as_bytes: bool) -> None:
    """A dimension is a whole number that a machine can count to, and so is their product, also where it is nothing."""
    one = tensor("x", "FP32", shape)
    sent, head = binary((one, b"")) if as_bytes else (body({**one, "data": []}), 0)
    with pytest.raises(RequestRefused):
        read("infer", sent, head)


TEN = struct.pack("<2f", 1, 2)
WRONG_BINARY: list[tuple[str, list[int], bytes]] = [
    ("FP32", [2], TEN[:-1]), ("FP32", [2], TEN + b"\0"), ("FP32", [3], TEN), ("FP32", [0], TEN), ("FP16", [2], TEN),
    ("BOOL", [2], b"\x00\x02"), ("BYTES", [1], b""), ("BYTES", [1], b"\1\0\0"), ("BYTES", [1], b"\2\0\0\0a"),
    ("BYTES", [1], b"\xff\xff\xff\xffa"), ("BYTES", [2], b"\1\0\0\0a"), ("BYTES", [1], b"\1\0\0\0a\1\0\0\0b"),
    ("BYTES", [1], b"\1\0\0\0\xff"), ("BYTES", [1], b"\3\0\0\0\xed\xa0\x80"), ("BYTES", [1 << 30], b"\0\0\0\0"),
]  # fmt: skip


@pytest.mark.parametrize(("datatype", "shape", "data"), WRONG_BINARY)
def test_binary_data_that_are_not_what_they_should_be_are_refused(datatype: str, shape: list[int], data: bytes) -> None:
    """They are exactly as long as shape and type say, and every element is one of its type."""
    with pytest.raises(RequestRefused):
        read("infer", *binary((tensor("x", datatype, shape), data)))


SOUND, HEAD = binary((tensor("x", "FP32", [1, 2]), TEN))
WRONG_BODIES: list[tuple[bytes, int]] = [
    (SOUND, HEAD - 1), (SOUND, HEAD + 1), (SOUND, len(SOUND) + 1), (SOUND, -1), (SOUND[:-1], HEAD), (SOUND + b"x", HEAD),
    (SOUND, 0), (b"", 0), (b"[]", 0), (b"{}", 0), (b'{"inputs":[]}', 0), (b'{"inputs":{}}', 0), (b"\xff", 0),
    (body({"datatype": "FP32", "shape": [1], "data": [1]}), 0), (body(tensor(data=[1, 2], parameters=[1])), 0),
    (body(tensor(data=[1, 2]), tensor(data=[1, 2])), 0), (body(tensor()), 0), (body(tensor(data=None)), 0),
    (body(tensor("x", "FP32", [0], [], parameters={"binary_data_size": 0})), 0), (body(tensor("x", "FP31", [1], [1])), 0),
    (body(tensor(data=[1, 2], parameters={"shared_memory_region": "r"})), 0), (body(*[tensor(data=[1, 2])] * 257), 0),
    (body(tensor(data=[1, 2]), outputs=[{"name": "y"}, {"name": "y"}]), 0), (body(tensor(data=[1, 2]), outputs=[{}]), 0),
    (body(tensor(data=[1, 2]), outputs=[{"name": "y", "parameters": {"binary_data": 1}}]), 0),
    (body(tensor(data=[1, 2]), outputs=[{"name": "y", "parameters": {"classification": -1}}]), 0),
    (body(tensor(data=[1, 2]), outputs=[{"name": "y", "parameters": {"classification": True}}]), 0),
    (body(tensor(data=[1, 2]), outputs=[{"name": "y", "parameters": {"shared_memory_region": "r"}}]), 0),
    *((body(tensor(data=[1, 2]), parameters=one), 0) for one in (
        {"priority": -1}, {"priority": 1.5}, {"timeout": "1"}, {"timeout": 1 << 60}, {"binary_data_output": 1},
        {"sequence_id": 7}, {"sequence_id": "s"}, {"a": [1]}, {"a": {"b": 1}}, {"a": "x" * 1001}, {"x" * 1001: 1},
        {str(number): 1 for number in range(65)},
    )),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "head"), WRONG_BODIES)
def test_bodies_that_are_no_requests_are_refused(sent: bytes, head: int) -> None:
    """Every part of a request is what it should be, is there once, and belongs to a tensor."""
    with pytest.raises(RequestRefused):
        read("infer", sent, head)


@pytest.mark.parametrize(
    "path", ["", "infer/", "versions/x/infer", "versions//infer", "versions/<PHONE_1>/infer", "ready"]
)
def test_other_paths_are_not_found(path: str) -> None:
    """A version is a number, also where policy has put something into its place."""
    with pytest.raises(RequestRefused) as caught:
        read(path, body(tensor(data=[1, 2])))
    assert caught.value.code == "not_found"


def request(**inputs: Input) -> InferRequest:
    x, text = np.zeros((2, 2), np.float32), np.array([["a"], ["你"]], dtype=object)
    return InferRequest(inputs={"x": Input("FP32", x), "text": Input("BYTES", text), **inputs}, outputs=(Wanted("y"),))


def test_what_fits_becomes_rows() -> None:
    """A batch is made of the inputs as they are, of the outputs that are wanted, and of the caller's parameters."""
    asked = request()
    rows = check(asked, SIGNATURE)
    assert rows.inputs["x"] is asked.inputs["x"].array
    assert rows.outputs == ("y",)


@pytest.mark.parametrize(
    "inputs",
    [
        {"x": Input("FP64", np.zeros((2, 2)))},
        {"x": Input("FP32", np.zeros((2, 3), np.float32))},
        {"x": Input("FP32", np.zeros(2, np.float32))},
        {"x": Input("FP32", np.zeros((3, 2), np.float32))},
        {"x": Input("FP32", np.zeros((0, 2), np.float32)), "text": Input("BYTES", np.empty((0, 1), dtype=object))},
        {SECRET: Input("FP32", np.zeros((2, 2), np.float32))},
    ],
)
def test_what_the_model_does_not_take_is_refused(inputs: dict[str, Input]) -> None:
    """Types, shapes, names and numbers of rows are the model's, and the sentence names only what is the model's."""
    with pytest.raises(RequestRefused) as caught:
        check(request(**inputs), SIGNATURE)
    assert SECRET not in str(caught.value)


def test_a_missing_input_and_an_unknown_output_are_refused() -> None:
    """So is a number without a form in JSON, and the highest of what has no order, before anything runs."""
    whole = request().inputs
    for inputs, outputs in (
        ({"x": whole["x"]}, ()),
        (whole, (Wanted(SECRET),)),
        (whole, (Wanted("b"),)),
        (whole, ()),
    ):
        with pytest.raises(RequestRefused) as caught:
            check(InferRequest(inputs=inputs, outputs=outputs), SIGNATURE)
        assert SECRET not in str(caught.value)
    assert check(InferRequest(inputs=whole, outputs=(Wanted("b", True),)), SIGNATURE).outputs == ("b",)


FUZZED, FUZZED_HEAD = binary(
    (tensor("x", "FP32", [2, 2]), struct.pack("<4f", 1, 2, 3, 4)),
    (tensor("text", "BYTES", [2, 1]), b"\6\0\0\0" + "你好".encode() + b"\2\0\0\0ok"),
    id="7", outputs=[{"name": "y", "parameters": {"binary_data": True}}], parameters={"priority": 1},
)  # fmt: skip
FUZZED_JSON = body(tensor("x", "FP32", [2, 2], [[1, 2], [3, 4.5]]), tensor("text", "BYTES", [2, 1], ["你好", "ok"]))
CHANGE = st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(min_size=1, max_size=3))


@given(st.booleans(), st.lists(CHANGE, min_size=1, max_size=4), st.integers(-3, 3))
def test_broken_requests_are_refused_and_nothing_else(as_bytes: bool, changes: list[Any], shift: int) -> None:
    """Whatever bytes are changed, put in or left out, there is a request, or a refusal with a sentence."""
    sent, head = (FUZZED, FUZZED_HEAD) if as_bytes else (FUZZED_JSON, 0)
    for place, length, new in changes:
        place %= len(sent) + 1
        sent = sent[:place] + new + sent[place + length :]
    try:
        check(read("infer", sent, head + shift if as_bytes else 0), SIGNATURE)
    except RequestRefused as refused:
        assert str(refused)


WORDS: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 1.5, 1 << 70, SECRET, [], [[]], {}, {SECRET: SECRET}, [1, "a"], "BYTES", "BF16"]
)


@given(st.dictionaries(st.sampled_from(["name", "datatype", "shape", "data", "parameters"]), WORDS), WORDS, WORDS)
def test_the_caller_s_words_are_in_no_message(members: dict[str, Any], outputs: Any, parameters: Any) -> None:
    """Whatever stands where it does not belong, the sentence does not repeat it."""
    sent = body({**tensor(data=[1, 2]), **members}, outputs=outputs, parameters=parameters)
    try:
        check(read("infer", sent), SIGNATURE)
    except RequestRefused as refused:
        assert "SECRET" not in str(refused)
        assert "SECRET" not in (refused.param or "")


@pytest.mark.parametrize(
    ("datatype", "array"),
    [
        ("FP32", np.array([1.0])),
        ("BYTES", np.array([b"bytes"], dtype=object)),
        ("BYTES", np.array(["a"])),
        ("BYTES", np.array(["a\ud83d"], dtype=object)),
        ("BF16", np.array([1], np.uint16)),
    ],
)
def test_a_reply_that_cannot_be_written_is_the_engine_s_failure(datatype: Datatype, array: Tensor) -> None:
    """A model gives what it says it gives."""
    with pytest.raises(EngineError) as caught:
        write(InferRequest(inputs={}), "m", "", [TensorSpec("y", datatype, (-1,))], {"y": array})
    assert not isinstance(caught.value, RequestRefused)


@pytest.mark.parametrize(
    ("datatype", "array"),
    [
        ("FP32", np.array([1, np.nan], np.float32)),
        ("FP16", np.array([np.inf], np.float16)),
        ("FP64", np.array([-np.inf])),
    ],
)
def test_what_has_no_form_in_json_can_be_had_as_binary_data(datatype: Datatype, array: Tensor) -> None:
    """What the caller's own numbers come to is no failure of the engine, which would keep others from it."""
    specs = [TensorSpec("y", datatype, (-1,))]
    with pytest.raises(RequestRefused, match="binary_data"):
        write(InferRequest(inputs={}), "m", "", specs, {"y": array})
    reply = write(InferRequest(inputs={}, binary_default=True), "m", "", specs, {"y": array})
    assert reply.body[reply.json_bytes :] == array.tobytes()


@pytest.mark.parametrize(
    ("datatype", "array"),
    [
        ("FP32", np.array([[1, np.nan]], np.float32)),
        ("FP16", np.array([[np.nan, 1]], np.float16)),
        ("BF16", np.array([[0x3F80, 0x7FC0]], np.uint16)),
    ],
)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_what_has_no_order_can_be_had_as_binary_data(datatype: Datatype, array: Tensor, as_bytes: bool) -> None:
    """A caller whose numbers come to none must not count against the engine, whichever form of them was asked for."""
    specs = [TensorSpec("y", datatype, (-1, 2))]
    asked = InferRequest(inputs={}, outputs=(Wanted("y", as_bytes, classification=1),))
    with pytest.raises(RequestRefused, match=r"`y`.*`binary_data`, without `classification`"):
        write(asked, "m", "", specs, {"y": array})
    reply = write(InferRequest(inputs={}, outputs=(Wanted("y", True),)), "m", "", specs, {"y": array})
    assert reply.body[reply.json_bytes :] == array.tobytes()


def test_many_numbers_can_be_had_as_binary_data() -> None:
    """A short request may come to a reply of any size, which the gateway would write and read as JSON."""
    half = np.ones(JSON_NUMBERS_MAX // 2, np.int8)
    specs = [TensorSpec("y", "INT8", (-1,)), TensorSpec("z", "INT8", (-1,))]
    write(InferRequest(inputs={}), "m", "", specs, {"y": half, "z": half})
    more = {"y": half, "z": np.ones(JSON_NUMBERS_MAX // 2 + 1, np.int8)}
    with pytest.raises(RequestRefused, match="binary_data"):
        write(InferRequest(inputs={}), "m", "", specs, more)
    assert write(InferRequest(inputs={}, binary_default=True), "m", "", specs, more).json_bytes


def test_a_missing_output_is_the_engine_s_failure() -> None:
    """No reply leaves an output out that was asked for."""
    with pytest.raises(EngineError):
        write(InferRequest(inputs={}), "m", "", [TensorSpec("y", "FP32", (-1,))], {})


def classes(array: Tensor, datatype: Datatype, count: int, **more: Any) -> Any:
    asked = InferRequest(inputs={}, outputs=(Wanted("y", True, count),))
    reply = json.loads(write(asked, "m", "", [TensorSpec("y", datatype, array.shape)], {"y": array}, **more).body)
    (output,) = reply["outputs"]
    assert output["datatype"] == "BYTES"
    return output["shape"], output["data"]


def test_the_highest_are_named_row_by_row() -> None:
    """The first of equals comes first, there are no more than there are, and labels are put behind."""
    array = np.array([[0.1, 3.3, 0.5, 3.3], [-1, -2, -3, -1.5]], np.float32)
    assert classes(array, "FP32", 2) == ([2, 2], ["3.3:1", "3.3:3", "-1.0:0", "-1.5:3"])
    assert classes(array[:1], "FP32", 9)[0] == [1, 4]
    assert classes(array, "FP32", 1, batched=False) == ([1], ["3.3:1"])
    labels = {"y": ["苹果", "pickle"]}
    assert classes(array, "FP32", 1, labels=labels)[1] == ["3.3:1:pickle", "-1.0:0:苹果"]
    assert classes(np.array([[0, 255, 3]], np.uint8), "UINT8", 2)[1] == ["255:1", "3:2"]
    assert classes(np.array([[0x3F80, 0xC000, 0x4000]], np.uint16), "BF16", 3)[1] == ["2.0:2", "1.0:0", "-2.0:1"]
    assert classes(np.empty((0, 3), np.float32), "FP32", 2) == ([0, 2], [])
    with pytest.raises(EngineError):
        classes(np.array([[1, np.nan]]), "FP64", 1)
