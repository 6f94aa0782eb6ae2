"""About whom an exchange is: keyed digests of what requests say, so that a person can be found without being named.

All are HMAC-SHA256 (RFC 2104), cut to 128 bits, under keys that the gateway's secret gives for one purpose and tenant: the
same name is another digest in every other tenant, and nobody without the secret can try names out.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from yumen.dialects import Payload
from yumen.digest import Hmac
from yumen.errors import Problem
from yumen.forms import DIGEST_BYTES
from yumen.policy.bundle import SubjectSource
from yumen.wire import Headers, header

CHARS_MAX = 200
# A whole number of more has more digits than that, and takes long to write down.
NUMBER_BITS_MAX = 640
# What a header may say: at most 200 printable ASCII characters.
NAMED = re.compile(rb"[\x20-\x7e]{1,200}")


class Deriving(Protocol):
    """Where keys come from; `yumen.Secret` is such a thing."""

    def derive(self, purpose: str, *context: str) -> bytes:
        """32 bytes for one purpose and context."""
        ...


def subject_id(secret: Deriving, tenant: str, value: str) -> str:
    """`Exchange.subject` for what requests of a tenant call somebody: 32 hexadecimal digits."""
    return _digest(secret.derive("subject", tenant), value)


def session_id(secret: Deriving, tenant: str, app: str, value: str) -> str:
    """`Exchange.session` for what requests of an app of a tenant call a session: 32 hexadecimal digits."""
    return _digest(secret.derive("session", tenant, app), value)


def header_value(headers: Headers, name: str) -> str:
    """What a header calls somebody, or empty. Error: `Problem` bad_request."""
    named = header(headers, name.encode("ascii"))
    if named and not NAMED.fullmatch(named):
        raise Problem("bad_request", f"The header {name} is at most {CHARS_MAX} printable ASCII characters.")
    return named.decode("ascii")


def subject_named(source: SubjectSource, headers: Headers, payload: Payload) -> str:
    """What a request calls whom it is about, or empty. Error: `Problem` bad_request."""
    named = header_value(headers, source.header) if source.header else ""
    return named or (_member(source.field, payload.document.tree) if source.field else "")


def _member(path: str, tree: Any) -> str:
    """The text or whole number at a path of names of members; empty where there is none."""
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    if tree is None:
        return ""
    if isinstance(tree, int) and not isinstance(tree, bool) and tree.bit_length() <= NUMBER_BITS_MAX:
        tree = str(tree)
    if not isinstance(tree, str) or len(tree) > CHARS_MAX:
        what = f"The member {path} is a text of at most {CHARS_MAX} characters or a whole number."
        raise Problem("bad_request", what, param=path)
    return tree


def _digest(key: bytes, value: str) -> str:
    return Hmac(key)(value.encode("utf-8", "surrogatepass"))[:DIGEST_BYTES].hex()
