"""The actions, as operators of presidio-anonymizer.

They work in a stock `AnonymizerEngine` (the tests do it; pass `merge_entities_with_spaces=False`), and `Anonymize` calls
`operate` of the same objects itself: the engine takes many times as long for one short text, mostly to build and sort result
objects (docs/why.md has the figures).

Every operator gets the parameter `hit`; the others are `pseudonyms` (of the exchange), `mac` (the HMAC of the tenant),
`tenant`, `seal` (32 bytes, the key of `encrypt`) and `keep_last` (characters that `mask` leaves readable).
"""

from __future__ import annotations

from typing import Any, cast

from presidio_anonymizer.operators import Operator, OperatorType

from yumen import Hmac
from yumen_plugins.anonymize.generalise import generalised
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.pseudonym import Pseudonyms
from yumen_plugins.anonymize.seal import sealed
from yumen_plugins.anonymize.surrogate import surrogate

HASH_BYTES = 8


class _Anonymizer(Operator):
    """What all of them share: `params` holds `hit`, the value found, and what the operator itself needs."""

    needs: tuple[str, ...] = ()

    def validate(self, params: dict[str, Any] | None = None) -> None:
        if not params or not isinstance(params.get("hit"), Hit):
            raise ValueError("the parameter `hit` is missing")
        for name in self.needs:
            if name not in params:
                raise ValueError(f"the parameter `{name}` is missing")

    def operator_type(self) -> OperatorType:
        return OperatorType.Anonymize

    def operator_name(self) -> str:
        return f"yumen_{type(self).__name__.lower()}"


class Pseudonym(_Anonymizer):
    """Replaces a value by its pseudonym; `pseudonyms` are those of the exchange."""

    needs = ("pseudonyms",)

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

    needs = ("keep_last",)

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        keep_last: int = (params or {})["keep_last"]
        keep = keep_last if len(text) > 2 * keep_last else 0
        return "*" * (len(text) - keep) + text[len(text) - keep :]


class Hash(_Anonymizer):
    """Replaces a value by its keyed digest: the same for the same value, and no way back, not even here."""

    needs = ("mac",)

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        given = params or {}
        hit: Hit = given["hit"]
        message = f"{hit.detector.id}\x00{hit.detector.canonical(hit.value)}".encode("utf-8", "surrogatepass")
        digest = cast(Hmac, given["mac"])(message)[:HASH_BYTES].hex()
        return f"[{hit.detector.label}#{digest}]"


class Generalise(_Anonymizer):
    """Replaces a value by less of it: an address by its city, a date by its month."""

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        return generalised((params or {})["hit"])


class Surrogate(_Anonymizer):
    """Replaces a value by another one of the same form, which is nobody's as far as that can be."""

    needs = ("mac",)

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        given = params or {}
        return surrogate(given["hit"], given["mac"])


class Encrypt(_Anonymizer):
    """Replaces a value, as it was written, by its ciphertext; `seal.opened` is the way back."""

    needs = ("seal", "tenant")

    def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
        given = params or {}
        hit: Hit = given["hit"]
        return sealed(text, hit.detector.label, given["seal"], given["tenant"])


# By action. What ends an exchange is written down as its kind alone.
OPERATORS: dict[str, Operator] = {
    "pseudonym": Pseudonym(), "redact": Redact(), "mask": Mask(), "hash": Hash(), "generalise": Generalise(),
    "surrogate": Surrogate(), "encrypt": Encrypt(), "block": Redact(),
}  # fmt: skip
