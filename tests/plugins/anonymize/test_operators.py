"""The actions as operators of presidio-anonymizer, and the encrypted values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presidio_anonymizer import AnonymizerEngine, OperatorConfig, RecognizerResult

from yumen import Hmac
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.operators import OPERATORS
from yumen_plugins.anonymize.pseudonym import Pseudonyms
from yumen_plugins.anonymize.seal import opened, sealed

PHONE = "13812345678"
KEY = bytes(range(32))
MOBILE = next(detector for detector in CATALOGUE if detector.id == "cn.mobile")


def params() -> dict[str, Any]:
    """All that an operator may need."""
    mac = Hmac(b"k" * 32)
    return {"hit": Hit(MOBILE, 0, len(PHONE), PHONE, True), "mac": mac, "tenant": "acme", "seal": KEY, "keep_last": 4,
            "pseudonyms": Pseudonyms(mac)}  # fmt: skip


@pytest.mark.parametrize("action", sorted(OPERATORS))
def test_every_action_works_in_a_stock_engine(action: str) -> None:
    """Whoever knows presidio-anonymizer can use our operators in its engine; nothing of the value is left."""
    operator, given_params = OPERATORS[action], params()
    engine = AnonymizerEngine()  # type: ignore[no-untyped-call]  # its constructor has no annotations
    engine.add_anonymizer(type(operator))
    config = {"PHONE": OperatorConfig(operator.operator_name(), given_params)}
    found = [RecognizerResult("PHONE", 5, 5 + len(PHONE), 1.0)]
    out = engine.anonymize(f"call {PHONE} now", found, config, merge_entities_with_spaces=False)
    assert out.text.startswith("call ")
    assert out.text.endswith(" now")
    assert PHONE not in out.text
    if action != "encrypt":  # no two ciphertexts are alike
        assert out.text == f"call {operator.operate(PHONE, given_params)} now"


@pytest.mark.parametrize("action", sorted(OPERATORS))
def test_a_missing_parameter_is_named(action: str) -> None:
    """An operator that lacks what it needs says so before it runs."""
    operator = OPERATORS[action]
    with pytest.raises(ValueError, match="`hit`"):
        operator.validate({})
    lacking = {"hit": params()["hit"]}
    needs = {"pseudonym": "pseudonyms", "mask": "keep_last", "hash": "mac", "surrogate": "mac", "encrypt": "seal"}
    if action in needs:
        with pytest.raises(ValueError, match=f"`{needs[action]}`"):
            operator.validate(lacking)
    else:
        operator.validate(lacking)


def test_encrypt_holds_the_value_as_it_was_written() -> None:
    """What stood in the text comes back, not its plain spelling."""
    token = OPERATORS["encrypt"].operate("１３８-1234-5678", params())
    assert token.startswith("[CN_MOBILE~")
    assert opened(token, KEY, "acme") == "１３８-1234-5678"


@given(st.text(st.characters(exclude_categories=())), st.text())
def test_what_is_sealed_opens_for_its_tenant(value: str, tenant: str) -> None:
    """Any value comes back, lone surrogates included, and two ciphertexts of one value differ."""
    token = sealed(value, "EMAIL", KEY, tenant)
    assert opened(token, KEY, tenant) == value
    assert token != sealed(value, "EMAIL", KEY, tenant)


@given(st.data())
def test_a_changed_character_is_noticed(data: st.DataObject) -> None:
    """No character of a token can be another one."""
    token = sealed(PHONE, "CN_MOBILE", KEY, "acme")
    place = data.draw(st.integers(0, len(token) - 1))
    # Two, of which one is another than what stands there: what is drawn may not depend on the token, which is by chance.
    first, second = data.draw(st.permutations("ABab01_-~[]"))[:2]
    char = second if token[place] == first else first
    with pytest.raises(ValueError, match="no value"):
        opened(token[:place] + char + token[place + 1 :], KEY, "acme")


@pytest.mark.parametrize(
    ("label", "key", "tenant"),
    [("EMAIL", KEY, "acme"), ("CN_MOBILE", b"o" * 32, "acme"), ("CN_MOBILE", KEY, "other")],
)
def test_another_label_key_or_tenant_opens_nothing(label: str, key: bytes, tenant: str) -> None:
    """A token is bound to its rule and its tenant."""
    token = sealed(PHONE, "CN_MOBILE", KEY, "acme").replace("CN_MOBILE", label)
    with pytest.raises(ValueError, match="no value"):
        opened(token, key, tenant)


@pytest.mark.parametrize("token", ["", "[EMAIL~]", "[EMAIL~AAAA]", "[EMAIL#0123]", "EMAIL", "[EMAIL~" + "A" * 40 + "]"])
def test_what_is_no_token_is_refused(token: str) -> None:
    """One error for all that does not open, so that nobody learns why."""
    with pytest.raises(ValueError, match="no value"):
        opened(token, KEY, "acme")
