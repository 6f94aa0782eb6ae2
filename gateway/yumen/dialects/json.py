"""The JSON dialect: any application that speaks JSON, below `/apps/<route>/`. Every leaf is a text."""

from __future__ import annotations

from yumen.dialects import Event, Payload
from yumen.dialects.document import Document, encode_json
from yumen.dialects.shape import EXTRA, Walk
from yumen.engine import Delta
from yumen.errors import Problem
from yumen.exchange import Answer


class Json:
    """See `yumen.dialects.Dialect`. It has no stream format: a streamed reply is refused."""

    name = "json"

    def decode(self, path: str, body: bytes, *, depth_max: int, texts_max: int) -> Payload:
        document = Document.parse(body)
        payload = Payload(self.name, document, Walk(document, EXTRA, depth_max=depth_max, texts_max=texts_max).texts)
        payload.path = path.removeprefix("/apps/")
        return payload

    def decode_reply(self, body: bytes, *, depth_max: int, texts_max: int) -> Payload:
        document = Document.parse(body, "reply")
        return Payload(self.name, document, Walk(document, EXTRA, depth_max=depth_max, texts_max=texts_max).texts)

    def decode_event(self, data: bytes) -> Event:
        raise Problem("engine_unavailable", "The engine streams, and this dialect has no streams.")

    def encode_answer(self, answer: Answer, request: Payload, exchange_id: str, created: int) -> bytes:
        return encode_json({"id": exchange_id, "created": created, "texts": answer.texts})

    def encode_delta(self, delta: Delta, request: Payload, exchange_id: str, created: int) -> list[bytes]:
        raise Problem("engine_unavailable", "The engine streams, and this dialect has no streams.")

    def error(self, problem: Problem) -> bytes:
        return encode_json({"error": {"message": problem.message, "code": problem.code, "param": problem.param}})
