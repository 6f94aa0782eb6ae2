"""Requests as clients send them, in every dialect: what `Harness.send` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from yumen.exchange import Principal

CALLER = Principal(tenant="test", app="test", key_id="test")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request: `path` and `body` as on the wire, `caller` whose key it comes with.

    `session` and `subject` are what the headers say that name them; `leaves_after` has the client leave when so many pieces
    of the reply's body have come, 0 for none.
    """

    path: str
    body: bytes
    caller: Principal = CALLER
    session: str = ""
    subject: str = ""
    headers: Mapping[str, str] = {}
    leaves_after: int | None = None

    def by(self, tenant: str, app: str = "test", key: str = "test", *, trusted: bool = False) -> Call:
        """The same, of somebody else."""
        return msgspec.structs.replace(self, caller=Principal(tenant, app, key, trusted))

    def of(self, *, session: str = "", subject: str = "") -> Call:
        """The same, in a session or about somebody."""
        return msgspec.structs.replace(self, session=session, subject=subject)

    def saying(self, **headers: str) -> Call:
        """The same with headers; `_` in a name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return msgspec.structs.replace(self, headers={**self.headers, **named})

    def leaving(self, after: int) -> Call:
        """The same, of a client that leaves."""
        return msgspec.structs.replace(self, leaves_after=after)


def chat(*messages: str | Mapping[str, Any], stream: bool = False, model: str = "test", **members: Any) -> Call:
    """`/v1/chat/completions`. A message is a user's text, or a whole message; `members` are further ones of the body."""
    told = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    body = {"model": model, "messages": told, **({"stream": True} if stream else {}), **members}
    return Call(path="/v1/chat/completions", body=encoded(body))


def complete(prompt: str | Sequence[str], *, stream: bool = False, model: str = "test", **members: Any) -> Call:
    """`/v1/completions`."""
    body = {"model": model, "prompt": prompt, **({"stream": True} if stream else {}), **members}
    return Call(path="/v1/completions", body=encoded(body))


def embed(*texts: str, model: str = "test", **members: Any) -> Call:
    """`/v1/embeddings`."""
    return Call(path="/v1/embeddings", body=encoded({"model": model, "input": list(texts), **members}))


def infer(model: str = "test", **inputs: Sequence[str]) -> Call:
    """`/v2/models/<model>/infer`, the Open Inference Protocol: `BYTES` tensors of texts, by name."""
    tensors = [
        {"name": name, "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
        for name, texts in inputs.items()
    ]
    return Call(path=f"/v2/models/{model}/infer", body=encoded({"inputs": tensors}))


def app(route: str, body: Any) -> Call:
    """`/apps/<route>`: any JSON."""
    return Call(path=f"/apps/{route}", body=encoded(body))


def encoded(body: Any) -> bytes:
    """A body as JSON; bytes stay as they are, so that a test can send what is none."""
    return body if isinstance(body, bytes) else msgspec.json.encode(body)
