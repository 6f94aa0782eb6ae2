"""The JSON dialect: any application that speaks JSON, below `/apps/<route>/`. Every leaf is a text."""

from __future__ import annotations

import re
from urllib.parse import unquote

from yumen.dialects import Payload
from yumen.dialects.document import Document, encode_json
from yumen.dialects.shape import EXTRA, Walk
from yumen.dialects.streamless import Streamless
from yumen.errors import Problem
from yumen.exchange import Answer
from yumen.forms import TextState

# What a path may be written with (RFC 3986, section 3.3). An encoded slash or backslash would be one more segment to some
# servers and none to others, and a control character is part of no name.
PATH = re.compile(r"/apps/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%(?!2[Ff]|5[Cc]|[01][0-9A-Fa-f]|7[Ff])[0-9A-Fa-f]{2})+")
DOTS = frozenset({".", ".."})


class Json(Streamless):
    """See `yumen.dialects.Dialect`."""

    name = "json"

    def decode(self, path: str, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        document = Document.parse(body)
        payload = Payload(self.name, document, Walk(document, EXTRA, depth_max=depth_max, texts_max=texts_max).texts)
        payload.path = path.removeprefix("/apps/")
        # What stands in a path is as much the caller's own words as what stands in a body.
        payload.path_text = TextState("path", "", "identifier", _written(path), -1, None, 0)
        payload.texts.insert(0, payload.path_text)
        return payload

    def decode_reply(self, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        # An application that has nothing to say sends nothing (204).
        document = Document.parse(body, "reply") if body else Document(b"", None)
        return Payload(self.name, document, Walk(document, EXTRA, depth_max=depth_max, texts_max=texts_max).texts)

    def encode_answer(self, answer: Answer, request: Payload, exchange_id: str, created: int) -> bytes:
        return encode_json({"id": exchange_id, "created": created, "texts": answer.texts})

    def error(self, problem: Problem) -> bytes:
        return encode_json({"error": {"message": problem.message, "code": problem.code, "param": problem.param}})


def _written(path: str) -> str:
    """What a path says below `/apps/`. Error: `Problem` for one that cannot be read, or leads somewhere else."""
    if not PATH.fullmatch(path):
        raise Problem("bad_request", "The path holds a character that no path has, or an encoded slash.")
    try:
        written = unquote(path.removeprefix("/apps/"), errors="strict")
    except UnicodeDecodeError:
        raise Problem("bad_request", "The path is not UTF-8.") from None
    if not DOTS.isdisjoint(written.split("/")):
        raise Problem("not_found", "There is nothing at this path.")
    return written
