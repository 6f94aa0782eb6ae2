"""The Open Inference Protocol: what it says in JSON and in binary is read and sent as one, and nothing hides between."""

from __future__ import annotations

import json
import struct
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen.dialects import Payload
from yumen.dialects.kserve import KServe
from yumen.errors import Problem
from yumen.exchange import Answer

PATH = "/v2/models/classifier/infer"
MARK = "标记MARK-7f3a"
PHONE = 13812345678
KSERVE = KServe()


def decode(body: bytes, path: str = PATH, json_bytes: int = 0, texts_max: int = 10_000, depth_max: int = 64) -> Payload:
    return KSERVE.decode(path, body, depth_max=depth_max, texts_max=texts_max, json_bytes=json_bytes)


def decode_reply(body: bytes, json_bytes: int = 0) -> Payload:
    return KSERVE.decode_reply(body, depth_max=64, texts_max=10_000, json_bytes=json_bytes)


def tensor(data: Any = None, datatype: str = "BYTES", **more: Any) -> dict[str, Any]:
    return {"name": "text", "shape": [1], "datatype": datatype, **({} if data is None else {"data": data}), **more}


def asked(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(tensors), **more}, ensure_ascii=False).encode()


def elements(*values: str | bytes) -> bytes:
    """A binary BYTES tensor, as the protocol describes it."""
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)


def binary(*tensors: tuple[dict[str, Any], bytes | None], member: str = "inputs", **more: Any) -> tuple[bytes, int]:
    """A body with binary tensors, and how much of it is JSON; a tensor without bytes has its data in the JSON."""
    described = [
        one if data is None else {**one, "parameters": {**one.get("parameters", {}), "binary_data_size": len(data)}}
        for one, data in tensors
    ]
    head = json.dumps({member: described, **more}, ensure_ascii=False).encode()
    return head + b"".join(data for _, data in tensors if data is not None), len(head)


def messages(payload: Payload) -> list[str]:
    return [text.raw for text in payload.texts if text.kind == "message"]


def refused(body: bytes, json_bytes: int = 0, **more: Any) -> str:
    with pytest.raises(Problem) as caught:
        decode(body, json_bytes=json_bytes, **more)
    return str(caught.value.code)


PLACES = [
    asked(tensor([MARK])),
    asked(tensor([["a", MARK], ["b", "c"]])),
    asked(tensor([{"deep": [MARK]}])),
    asked(tensor([{MARK: 1}])),
    asked(tensor(["x"]) | {"name": MARK}),
    asked(tensor(["x"], MARK)),
    asked(tensor(["x"], parameters={"note": MARK})),
    asked(tensor(["x"], parameters={MARK: 1})),
    asked(tensor(["x"], shape=[MARK])),
    asked(tensor([0.5], "FP32", note=MARK)),
    asked(tensor([MARK], "FP32")),
    asked(tensor(["x"]), id=MARK),
    asked(tensor(["x"]), parameters={"session": MARK}),
    asked(tensor(["x"]), parameters={"binary_data_output": MARK}),
    asked(tensor(["x"]), outputs=[{"name": MARK}]),
    asked(tensor(["x"]), outputs=[{"name": "y", "parameters": {"note": MARK}}]),
    asked(tensor(["x"]), model_name=MARK),
    asked(tensor(["x"]), unheard_of={"deep": [MARK]}),
    asked(tensor(["x"]), **{MARK: 1}),
]


@pytest.mark.parametrize("body", PLACES)
def test_every_string_is_a_text(body: bytes) -> None:
    """Wherever a string stands that is no declared word, a plugin is shown it and its edit reaches the engine."""
    payload = decode(body)
    (found,) = [text for text in payload.texts if MARK in text.raw]
    found.write("edited")
    rendered = payload.document.render().decode()
    assert MARK not in rendered
    assert "edited" in rendered


def test_declared_structure_is_no_text() -> None:
    """Of an ordinary request only names and data are shown, each under its path."""
    payload = decode(asked(tensor(["hi", "你好"], parameters={"content_type": "str"}), id="7"))
    assert [(text.path, text.kind, text.raw) for text in payload.texts] == [
        ("model", "identifier", "classifier"),
        ("inputs[0].name", "identifier", "text"),
        ("inputs[0].data[0]", "message", "hi"),
        ("inputs[0].data[1]", "message", "你好"),
        ("inputs[0].parameters{0}", "key", "content_type"),
        ("inputs[0].parameters{0}", "extra", "str"),
        ("id", "identifier", "7"),
    ]


@pytest.mark.parametrize("datatype", ["INT64", "UINT64", "BYTES", "STRING"])
def test_a_long_number_that_could_be_a_phone_s_is_a_text(datatype: str) -> None:
    """Among 64-bit integers, and where no type of numbers is declared, seven digits are looked at; fewer are not."""
    payload = decode(asked(tensor([PHONE, 123456, [PHONE]], datatype)))
    found = [text for text in payload.texts if text.kind == "number"]
    assert [text.raw for text in found] == [str(PHONE)] * 2
    found[0].write("<PHONE>")
    assert json.loads(payload.document.render())["inputs"][0]["data"] == ["<PHONE>", 123456, [PHONE]]


@pytest.mark.parametrize("datatype", [None, 7, ["INT64"], {"a": 1}])
def test_a_type_that_is_none_hides_no_number(datatype: Any) -> None:
    """What is no name of a type is read as if anything could stand there."""
    payload = decode(asked(tensor([PHONE]) | {"datatype": datatype}))
    assert str(PHONE) in [text.raw for text in payload.texts]


def test_measured_numbers_are_no_texts_beside_others() -> None:
    """A tensor of floats stays a tensor of floats, whatever stands beside it."""
    payload = decode(asked(tensor([1.2345678, 13812345678.5], "FP32"), tensor([PHONE], "INT64")))
    assert [(text.path, text.raw) for text in payload.texts if text.kind == "number"] == [
        ("inputs[1].data[0]", str(PHONE))
    ]


def test_measured_numbers_beside_a_text_are_as_many_as_they_like() -> None:
    """A picture in JSON, with a question about it, is not refused for holding more numbers than texts are taken."""
    picture = tensor([0.1234567 + number for number in range(300)], "FP32")
    payload = decode(asked(tensor(["图里有什么？"]), picture), texts_max=10)
    assert messages(payload) == ["图里有什么？"]


@pytest.mark.parametrize(("number", "datatype"), [(0.1234567, "FP32"), (-99_999, "INT64"), (999_999, "UINT64")])
def test_numbers_that_are_no_texts_are_passed_over_together(number: float, datatype: str) -> None:
    """A look at every number of a large tensor would hold everybody up."""
    calls = 0

    def called(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event == "call"

    body = asked(tensor([[number] * 10] * 1_000, datatype))
    sys.setprofile(called)
    try:
        payload = decode(body)
    finally:
        sys.setprofile(None)
    assert calls < 200
    assert [text.path for text in payload.texts] == ["model", "inputs[0].name"]


def test_nested_arrays_are_looked_through_once() -> None:
    """A text below twenty arrays does not have each of them look through all that is below it."""
    looks = 0

    def called(_: Any, event: str, what: Any) -> None:
        nonlocal looks
        looks += event == "c_call" and what.__name__ == "from_iterable"

    nested: Any = [1, 2, "图里有什么？"]
    for _ in range(20):
        nested = [nested]
    body = asked(tensor(nested, "INT64"))
    sys.setprofile(called)
    try:
        payload = decode(body)
    finally:
        sys.setprofile(None)
    assert looks <= 21
    assert messages(payload) == ["图里有什么？"]


@given(
    st.recursive(
        st.integers(-2_000_000, 2_000_000)
        | st.sampled_from([0, -99_999, -100_000, 999_999, 1_000_000, 0.12345, PHONE]),
        lambda inner: st.lists(inner, max_size=4),
    ),
    st.sampled_from(["INT64", "FP32", "BYTES"]),
)
def test_every_long_number_is_found_at_its_place(data: Any, datatype: str) -> None:
    """However numbers are nested, those with seven characters or more are texts where a string could stand."""

    def long(value: Any, path: str) -> list[tuple[str, str]]:
        if isinstance(value, list):
            return [one for index, item in enumerate(value) for one in long(item, f"{path}[{index}]")]
        return [(path, str(value))] if len(str(value)) >= 7 else []

    payload = decode(asked(tensor(data, datatype), tensor([PHONE], "INT64")))
    wanted = [] if datatype == "FP32" else long(data, "inputs[0].data")
    found = [text for text in payload.texts if text.kind == "number"]
    assert [(text.path, text.raw) for text in found] == [*wanted, ("inputs[1].data[0]", str(PHONE))]
    found[-1].write("<PHONE>")
    assert json.loads(payload.document.render())["inputs"][1]["data"] == ["<PHONE>"]


def test_model_and_version_are_texts() -> None:
    """What the caller writes into the path is shown too; the version's place is the path that the engine gets."""
    payload = decode(asked(tensor(["x"])), f"/v2/models/m-{PHONE}/versions/{PHONE}/infer")
    assert (payload.model, payload.path) == (f"m-{PHONE}", f"versions/{PHONE}/infer")
    assert [text.raw for text in payload.texts[:2]] == [f"m-{PHONE}", f"versions/{PHONE}/infer"]
    assert payload.texts[0] is payload.model_text
    assert payload.texts[1] is payload.path_text


@pytest.mark.parametrize(
    "path",
    ["/v2/models//infer", "/v2/models/a/b/infer", "/v2/models/a%20b/infer", "/v2/models/a", "/v2/models/a/versions/x/infer",
     "/v2/models/a/versions//infer", "/v2/models/a/infer/", "/v2/models/../infer", "/v2/repository/index"],
)  # fmt: skip
def test_other_paths_are_not_found(path: str) -> None:
    """Only the inference paths of the protocol are served."""
    with pytest.raises(Problem) as caught:
        decode(asked(tensor(["x"])), path)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"inputs":[]}', b'{"inputs":{}}', b'{"inputs":[1]}', b'{"inputs"']
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """A body without tensors is refused, in JSON and with a header that says how much of it is JSON."""
    assert refused(body) == "bad_request"
    assert refused(body, json_bytes=len(body)) == "bad_request"


def test_a_binary_tensor_of_texts_is_read_and_sent_as_json() -> None:
    """What a plugin is shown is what the engine gets: the elements stand in the JSON, and their size no more."""
    body, length = binary((tensor(parameters={"note": "n"}), elements("电话 13812345678", "", "second")), id="7")
    payload = decode(body, json_bytes=length)
    assert messages(payload) == ["电话 13812345678", "", "second"]
    sent = json.loads(payload.document.render())
    assert sent == {
        "inputs": [tensor(["电话 13812345678", "", "second"], parameters={"note": "n"})],
        "id": "7",
    }
    assert payload.tail == b""
    assert payload.size == len(body)


def test_other_binary_tensors_stay_behind_in_their_order() -> None:
    """Bytes of numbers are kept as they are; taken out of between them is only what has become JSON."""
    first, second = struct.pack("<3f", 1.5, -2.0, 3e38), struct.pack("<2q", PHONE, -1)
    body, length = binary(
        (tensor(None, "FP32"), first), (tensor(), elements("你好")), (tensor([1, 2], "INT32"), None),
        (tensor(None, "INT64"), second),
    )  # fmt: skip
    payload = decode(body, json_bytes=length)
    assert payload.tail == first + second
    sizes = [one.get("parameters", {}) for one in json.loads(payload.document.render())["inputs"]]
    assert sizes == [{"binary_data_size": 12}, {}, {}, {"binary_data_size": 16}]


def test_numbers_keep_their_digits_where_the_json_is_written_anew() -> None:
    """Joining a binary tensor changes no number that stands beside it."""
    numbers = b"[1.10,1E+400,12345678901234567890123,0.30000000000000000001,-0.0]"
    data = elements("x")
    head = b'{"parameters":{"n":%s},"inputs":[{"name":"t","shape":[1],"datatype":"BYTES",' % numbers
    head += b'"parameters":{"binary_data_size":%d}}]}' % len(data)
    assert refused(head + data, len(head)) == "bad_request"  # 1E+400 is a number to nobody
    head = head.replace(b"1E+400,", b"")
    payload = decode(head + data, json_bytes=len(head))
    assert numbers.replace(b"1E+400,", b"") in payload.document.render()


def test_without_binary_texts_the_json_stays_byte_for_byte() -> None:
    """The header alone changes nothing."""
    body = b'{ "inputs" : [ {"name":"t","shape":[1],"datatype":"BYTES","data":["\\u4f60"]} ] , "a": 1.10 }'
    assert decode(body, json_bytes=len(body)).document.render() == body


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]))), min_size=1, max_size=4), st.data())
def test_every_binary_tensor_comes_through(tensors: list[list[str]], data: st.DataObject) -> None:
    """Whatever the elements are, they are read as they were written, and numeric tensors between them too."""
    parts: list[tuple[dict[str, Any], bytes]] = []
    tail = b""
    for one in tensors:
        parts.append((tensor(), elements(*one)))
        if data.draw(st.booleans()):
            raw = data.draw(st.binary(max_size=12))
            parts.append((tensor(None, "UINT8"), raw))
            tail += raw
    body, length = binary(*parts)
    payload = decode(body, json_bytes=length)
    assert messages(payload) == [element for one in tensors for element in one]
    assert payload.tail == tail
    again = decode(payload.document.render())
    assert messages(again) == messages(payload)


SOUND, SOUND_LENGTH = binary((tensor(), elements("hello")))


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (SOUND, SOUND_LENGTH - 1),
        (SOUND, SOUND_LENGTH + 1),
        (SOUND, len(SOUND) + 1),
        (SOUND[:-1], SOUND_LENGTH),
        (SOUND + b"x", SOUND_LENGTH),
        binary((tensor(), elements("hello")[:-1])),
        binary((tensor(), elements("hello") + b"\x00")),
        binary((tensor(), elements("hello") + b"\xff\xff\xff\xff")),
        binary((tensor(), b"\x01\x00\x00")),
        binary((tensor(parameters={"a": 1}), elements("x")), (tensor(), elements("y") + b"\x09\x00\x00\x00")),
    ],
)
def test_sizes_that_are_wrong_are_refused(body: bytes, length: int) -> None:
    """Bytes that belong to no tensor, and tensors whose bytes are not there, are no request."""
    assert refused(body, length) == "bad_request"


@pytest.mark.parametrize("size", [-1, 1 << 40, 1.0, "9", True, [9]])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    """`binary_data_size` is a whole number of bytes that are there."""
    body = asked(tensor(parameters={"binary_data_size": size})) + elements("hello")
    assert refused(body, len(body) - 9) == "bad_request"


def test_bytes_that_are_no_text_are_refused() -> None:
    """An element that nobody can read does not pass unread."""
    for data in (elements(b"\xff\xfe"), elements("好".encode("gbk")), elements(b"\xed\xa0\x80")):
        assert refused(*binary((tensor(), data))) == "unsupported_payload"


@pytest.mark.parametrize(
    "head",
    [
        b'{"inputs":[{"name":"t","datatype":"BYTES","parameters":{"binary_data_size":%d}}],"id":"MARK","id":"x"}',
        b'{"inputs":[{"name":"t","datatype":"FP32","datatype":"BYTES","parameters":{"binary_data_size":%d}}]}',
        b'{"inputs":[{"name":"t","datatype":"BYTES","parameters":{"binary_data_size":1,"binary_data_size":%d}}]}',
        b'{"inputs":[],"inputs":[{"name":"t","datatype":"BYTES","parameters":{"binary_data_size":%d}}]}',
        b'{"inputs":[{"name":"t","datatype":"BYTES","parameters":{"binary_data_size":%d,"a":{"b":"M","b":1}}}]}',
    ],
)
def test_writing_the_json_anew_hides_no_member(head: bytes) -> None:
    """A member that stands twice is refused here as everywhere, though only one would be sent on."""
    data = elements("hello")
    head %= len(data)
    assert refused(head + data, len(head)) == "bad_request"


@pytest.mark.timeout(20)
def test_millions_of_empty_elements_are_refused_at_once() -> None:
    """No more elements are taken than a payload may hold texts, however small they are."""
    body, length = binary((tensor(), bytes(64 << 20)))
    started = time.process_time()
    assert refused(body, length, texts_max=20_000) == "payload_too_large"
    many = [(tensor(), elements(*[""] * 15_000))] * 2
    assert refused(*binary(*many), texts_max=20_000) == "payload_too_large"
    assert time.process_time() - started < 10


@pytest.mark.parametrize("depth", [65, 300, 100_000])
def test_depth_is_limited(depth: int) -> None:
    """Nested arrays end at the limit, in JSON and beside binary tensors."""
    nested = b"[" * depth + b"]" * depth
    data = elements("x")
    head = b'{"inputs":[{"name":"t","datatype":"BYTES","parameters":{"binary_data_size":%d}}],"a":%s}' % (
        len(data),
        nested,
    )
    assert refused(head + data, len(head)) == "bad_request"
    assert refused(b'{"inputs":[{"name":"t","datatype":"BYTES","data":%s}]}' % nested) == "bad_request"


def test_a_reply_is_read_in_json_and_in_binary() -> None:
    """What the engine writes into tensors is shown; the caller gets texts as JSON and numbers as they came."""
    plain = json.dumps({"model_name": "m", "outputs": [tensor([MARK]), tensor([PHONE], "INT64")]}).encode()
    assert {MARK, str(PHONE)} <= {text.raw for text in decode_reply(plain).texts}
    assert decode_reply(plain).document.render() == plain
    body, length = binary(
        (tensor(), elements(MARK)), (tensor(None, "FP32"), b"\x00\x00\xc0\x3f"), member="outputs", model_name="m"
    )
    reply = decode_reply(body, length)
    assert messages(reply) == [MARK]
    assert (json.loads(reply.document.render())["outputs"][0]["data"], reply.tail) == ([MARK], b"\x00\x00\xc0\x3f")


def test_an_error_of_the_engine_is_a_text() -> None:
    """The engine's own error message may repeat what it was given."""
    assert messages(decode_reply(json.dumps({"error": MARK}).encode())) == [MARK]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"outputs":[{"a":1,"a":2}]}', b'{"outputs":[1]}'])
def test_a_reply_that_cannot_be_read_is_a_problem(body: bytes) -> None:
    """The core turns it into `engine_unavailable`."""
    with pytest.raises(Problem):
        decode_reply(body)


def test_a_neutral_answer_becomes_a_tensor() -> None:
    """The answer of a plugin or of an engine without a wire format has the form of the protocol."""
    payload = decode(asked(tensor(["x"])))
    reply = json.loads(KSERVE.encode_answer(Answer(["你好", "b"]), payload, "e1", 0))
    output = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["你好", "b"]}
    assert reply == {"id": "e1", "model_name": "classifier", "outputs": [output]}


def test_an_error_has_the_protocol_s_form() -> None:
    """`error` is a string, as the protocol has it."""
    error = json.loads(KSERVE.error(Problem("not_found", "There is nothing at this path.")))
    assert error == {"error": "There is nothing at this path.", "code": "not_found"}


@given(st.binary(max_size=200), st.integers(0, 220))
def test_no_bytes_are_more_than_a_problem(tail: bytes, length: int) -> None:
    """Whatever arrives, it is a payload or a problem with a code."""
    head = asked(tensor(parameters={"binary_data_size": max(0, len(tail) - 1)}))
    for body, size in ((head + tail, len(head)), (head + tail, length), (tail, length)):
        try:
            decode(body, json_bytes=size)
        except Problem as problem:
            assert problem.code in ("bad_request", "unsupported_payload", "payload_too_large")
