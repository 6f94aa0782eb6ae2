"""The actions, as operators of presidio-anonymizer.

They work in a stock `AnonymizerEngine` (the tests do it), and `Anonymize` calls `operate` of the same objects itself: the
engine takes many times as long for one short text, mostly to build and sort result objects (docs/why.md has the figures).
"""

from __future__ import annotations

from typing import Any, cast

from presidio_anonymizer.operators import Operator, OperatorType

from yumen import Hmac
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.pseudonym import Pseudonyms

HASH_BYTES = 8


class _Anonymizer(Operator):
    """What all of them share: `params` holds `hit`, the value found, and what the operator itself needs."""

    def validate(self, params: dict[str, Any] | None = None) -> None:
        if not params or not isinstance(params.get("hit"), Hit):
            raise ValueError("the parameter `hit` is missing")

    def operator_type(self) -> OperatorType:
        return OperatorType.Anonymize

    def operator_name(self) -> str:
        return f"yumen_{type(self).__name__.lower()}"


class Pseudonym(_Anonymizer):
    """Replaces a value by its pseudonym; `pseudonyms` are those of the exchange."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        given = params or {}
        return cast(Pseudonyms, given["pseudonyms"]).token(given["hit"], text)


class Redact(_Anonymizer):
    """Replaces a value by its kind."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        hit: Hit = (params or {})["hit"]
        return f"[{hit.detector.label}]"


class Mask(_Anonymizer):
    """Replaces all but the last `keep_last` characters by stars; a value no longer than twice that keeps nothing."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        keep_last: int = (params or {})["keep_last"]
        keep = keep_last if len(text) > 2 * keep_last else 0
        return "*" * (len(text) - keep) + text[len(text) - keep :]


class Hash(_Anonymizer):
    """Replaces a value by its keyed digest: the same for the same value, and no way back, not even here."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        given = params or {}
        hit: Hit = given["hit"]
        message = f"{hit.detector.id}\x00{hit.detector.canonical(hit.value)}".encode("utf-8", "surrogatepass")
        digest = cast(Hmac, given["mac"])(message)[:HASH_BYTES].hex()
        return f"[{hit.detector.label}#{digest}]"
