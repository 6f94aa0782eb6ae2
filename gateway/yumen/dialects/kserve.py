"""The Open Inference Protocol (KServe v2): tensors over HTTP, in JSON and with the binary extension.

Source: the published OpenAPI description of the protocol, and the binary tensor data extension of its servers: JSON of
`Inference-Header-Content-Length` bytes, then the tensors that say `binary_data_size`, in their order. The elements of a
`BYTES` tensor are each four bytes of length, little-endian, and so many bytes.

Elements of `BYTES` tensors are texts. Those of a binary tensor are brought into the JSON, so that what plugins read is what
the engine gets; other binary tensors stay behind it as they are (`Payload.tail`). Numbers are no texts, but for those of
seven digits or more where they could be a phone's or a card's: in tensors of 64-bit integers, and of no declared type.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from yumen.dialects import Payload
from yumen.dialects.document import Document, encode_json
from yumen.dialects.shape import NUMBER, Shape, Walk, words
from yumen.dialects.streamless import Streamless
from yumen.errors import Problem
from yumen.exchange import Answer
from yumen.forms import TextState

PATH = re.compile(r"/v2/models/([A-Za-z0-9@][A-Za-z0-9._:@+-]{0,199})(?:/versions/([0-9]{1,18}))?/infer")
LENGTH_BYTES = 4
SIZE, BYTES = "binary_data_size", "BYTES"
# Kinds of numbers that cannot hold what a string could, or are measured and not assigned.
NARROW = frozenset({"BOOL", "UINT8", "UINT16", "UINT32", "INT8", "INT16", "INT32", "FP16", "FP32", "FP64", "BF16"})
TYPES = words(*NARROW, "INT64", "UINT64", BYTES)
# Numbers keep their digits where the JSON around them is written anew.
decode_exactly = msgspec.json.Decoder(float_hook=Decimal).decode
encode_exactly = msgspec.json.Encoder(decimal_format="number").encode
IDENTIFIER = Shape("identifier")
PARAMETERS = Shape(fields={SIZE: NUMBER, "binary_data": NUMBER, "binary_data_output": NUMBER, "classification": NUMBER})


def _tensor(data: Shape, narrow: Shape | None = None) -> Shape:
    """The shape of a tensor, `narrow` where its numbers are of a narrow type."""
    fields = {"name": IDENTIFIER, "shape": NUMBER, "datatype": TYPES, "parameters": PARAMETERS, "data": data}
    return Shape(fields=fields, case="datatype", cases=dict.fromkeys(NARROW, narrow) if narrow is not None else {})


DEPTH_MAX = 256
UNREAD = Shape(plain_numbers=True)
UNREAD.extra = UNREAD
TENSOR = _tensor(Shape("message"), _tensor(Shape("message", plain_numbers=True)))
PAYLOAD = Shape(
    fields={
        "id": IDENTIFIER,
        "model_name": IDENTIFIER,
        "model_version": IDENTIFIER,
        "parameters": PARAMETERS,
        "inputs": TENSOR,
        "outputs": TENSOR,
        "error": Shape("message"),
    }
)


class KServe(Streamless):
    """See `yumen.dialects.Dialect`."""

    name = "kserve"

    def decode(self, path: str, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        named = PATH.fullmatch(path)
        if named is None:
            raise Problem("not_found", "There is nothing at this path.")
        payload = self._decode(body, "inputs", depth_max=depth_max, texts_max=texts_max, json_bytes=json_bytes)
        payload.model = named[1]
        payload.model_text = TextState("model", "", "identifier", named[1], -1, None, 0)
        payload.texts.insert(0, payload.model_text)
        payload.path = "infer"
        if named[2]:
            # A version is a number that the caller chose.
            payload.path = f"versions/{named[2]}/infer"
            payload.path_text = TextState("path", "", "identifier", payload.path, -1, None, 0)
            payload.texts.insert(1, payload.path_text)
        return payload

    def decode_reply(self, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        return self._decode(body, "outputs", depth_max=depth_max, texts_max=texts_max, json_bytes=json_bytes)

    def _decode(self, body: bytes, tensors: str, *, depth_max: int, texts_max: int, json_bytes: int) -> Payload:
        document, tail = _joined(body, tensors, json_bytes, texts_max) if json_bytes else (Document.parse(body), b"")
        tree = document.tree
        if type(tree) is not dict:
            raise Problem("bad_request", "The body is not a JSON object.")
        if not _tensors(tree, tensors) and tensors == "inputs":
            raise Problem("bad_request", "`inputs` is missing or empty.", param="inputs")
        payload = Payload(self.name, document, Walk(document, PAYLOAD, depth_max=depth_max, texts_max=texts_max).texts)
        payload.size = len(body)
        payload.tail = tail
        return payload

    def complete(self, body: bytes) -> bool:
        """Whether a reply holds tensors and no error. Error: `Problem` for what is no JSON."""
        tree = Document.parse(body, "reply").tree
        return type(tree) is dict and tree.get("error") is None and bool(tree.get("outputs"))

    def encode_answer(self, answer: Answer, request: Payload, exchange_id: str, created: int) -> bytes:
        output = {"name": "text", "datatype": BYTES, "shape": [len(answer.texts)], "data": answer.texts}
        return encode_json({"id": exchange_id, "model_name": request.model_for_reply, "outputs": [output]})

    def error(self, problem: Problem) -> bytes:
        return encode_json({"error": problem.message, "code": problem.code})


def _tensors(tree: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The tensors of a payload. Error: `Problem` bad_request where they are none."""
    tensors = tree.get(name, [])
    if type(tensors) is not list or not all(type(tensor) is dict for tensor in tensors):
        raise Problem("bad_request", f"`{name}` is not an array of tensors.", param=name)
    return tensors


def _joined(body: bytes, tensors: str, json_bytes: int, texts_max: int) -> tuple[Document, bytes]:
    """The JSON with its binary `BYTES` tensors put in as strings, and the other tensors' bytes."""
    if json_bytes > len(body):
        raise Problem("bad_request", "The body is shorter than Inference-Header-Content-Length says.")
    source = Document.parse(body[:json_bytes])
    if type(source.tree) is not dict:
        raise Problem("bad_request", "The body is not a JSON object.")
    # What is written anew must not hide a member that stood there twice.
    Walk(source, UNREAD, depth_max=DEPTH_MAX, texts_max=len(body))
    tree = decode_exactly(source.source)
    texts_left, joined = texts_max, False
    tails: list[bytes] = []
    position = json_bytes
    for tensor in _tensors(tree, tensors):
        parameters = tensor.get("parameters")
        size = parameters.get(SIZE) if type(parameters) is dict else None
        if type(parameters) is not dict or size is None:
            continue
        if type(size) is not int or not 0 <= size <= len(body) - position:
            raise Problem("bad_request", f"`{SIZE}` is more than there is.", param=SIZE)
        data = body[position : position + size]
        position += size
        datatype = tensor.get("datatype")
        if datatype != BYTES:
            if type(datatype) is not str or datatype not in TYPES.words:
                raise Problem("unsupported_payload", "A binary tensor is of no declared type, and cannot be read.")
            tails.append(data)
            continue
        tensor["data"] = _elements(data, texts_left)
        texts_left -= len(tensor["data"])
        del parameters[SIZE]
        joined = True
    if position != len(body):
        raise Problem("bad_request", "The body is longer than its tensors say.")
    return (Document.parse(encode_exactly(tree)) if joined else source), b"".join(tails)


def _elements(data: bytes, texts_max: int) -> list[str]:
    """The elements of a binary `BYTES` tensor.

    Errors: `Problem` for a length that is wrong, what is no text, or more than `texts_max` elements.
    """
    elements: list[str] = []
    position = 0
    while position < len(data):
        if len(elements) >= texts_max:
            raise Problem("payload_too_large", "The body holds more texts than are taken.")
        start = position + LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        if start > len(data) or position > len(data):
            raise Problem("bad_request", "A BYTES tensor is shorter than its elements say.")
        try:
            elements.append(data[start:position].decode())
        except UnicodeDecodeError:
            raise Problem(
                "unsupported_payload", "A BYTES tensor holds what is not UTF-8, and cannot be read."
            ) from None
    return elements
