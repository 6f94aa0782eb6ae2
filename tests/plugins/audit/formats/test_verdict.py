"""How grave records are: the scale that alerts rest on."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from tests.plugins.audit.formats.samples import BLOCKED, EXCHANGE, FAILED_RELOAD, LEDGER, MASK, OPERATION, PHONE

from yumen.errors import Code
from yumen_plugins.audit.formats.ocsf import KINDS as OCSF_KINDS
from yumen_plugins.audit.formats.verdict import KINDS, OUTCOMES, Severity, action, rule, severity


def test_every_outcome_and_kind_is_graded() -> None:
    """A code that is added to the gateway must be given a severity, and both formats know the same kinds."""
    assert set(OUTCOMES) == {"ok", "client_disconnect", "engine_rejected", *get_args(Code)}
    assert {*KINDS, "exchange"} == set(OCSF_KINDS)


@pytest.mark.parametrize(
    ("changes", "graded"),
    [
        ({"findings": []}, Severity.INFORMATIONAL),
        ({"findings": [PHONE]}, Severity.LOW),
        ({"findings": [PHONE | {"shadow": True}]}, Severity.INFORMATIONAL),
        ({"findings": [PHONE | {"category": "anomaly"}]}, Severity.MEDIUM),
        ({"findings": [PHONE | {"category": "allowed"}]}, Severity.INFORMATIONAL),
        ({"findings": [], "trace": [MASK | {"decision": "unsupported"}]}, Severity.LOW),
        ({"findings": [PHONE | {"category": "anomaly", "shadow": True}]}, Severity.INFORMATIONAL),
        ({"findings": [PHONE | {"shadow": True}], "egress": "remote", "sent_form": "partly masked"}, Severity.MEDIUM),
        ({"findings": [PHONE], "egress": "remote", "sent_form": "raw"}, Severity.MEDIUM),
        ({"findings": [PHONE], "egress": "remote", "sent_form": "masked"}, Severity.LOW),
        ({"findings": [PHONE], "outcome": "ledger_unavailable"}, Severity.CRITICAL),
        ({"findings": [], "outcome": "将来"}, Severity.MEDIUM),
        ({"findings": [], "trace": [MASK | {"decision": "fault"}]}, Severity.MEDIUM),
        ({"findings": [], "trace": [MASK | {"decision": "fault", "shadow": True}]}, Severity.INFORMATIONAL),
    ],
)
def test_exchanges(changes: dict[str, Any], graded: Severity) -> None:
    """Findings that policy acts on, and raw text that left, weigh more than an exchange that only went well."""
    assert severity(EXCHANGE | changes) == graded


def test_other_records() -> None:
    """A failed operation is worse than one that succeeded, and a ledger found broken is the worst there is."""
    assert (severity(OPERATION), severity(FAILED_RELOAD)) == (Severity.INFORMATIONAL, Severity.MEDIUM)
    assert [severity(one) for one in LEDGER if "broken" in one] == [Severity.CRITICAL]


@pytest.mark.parametrize(
    ("changes", "did"),
    [
        ({}, "modified"),
        ({"trace": []}, "allowed"),
        ({"trace": [MASK | {"shadow": True}]}, "allowed"),
        ({"outcome": "rate_limited"}, "blocked"),
        ({"outcome": "plugin_fault"}, "failed"),
        ({"outcome": "engine_timeout", "trace": []}, "allowed"),
        ({"outcome": "将来"}, "blocked"),
    ],
)
def test_what_was_done(changes: dict[str, Any], did: str) -> None:
    """What a plugin in shadow would have done is not what was done."""
    assert action(EXCHANGE | changes) == did


def test_the_rule_that_ended_it() -> None:
    """The last call that blocked or failed, and none that only would have."""
    assert rule(BLOCKED) == ("anomaly", "burst")
    assert rule(EXCHANGE | {"trace": [MASK | {"decision": "fault"}]}) == ("", ""), "it went on: on_error is open"
    would = MASK | {"decision": "block", "reason": "would", "shadow": True}
    assert rule(BLOCKED | {"trace": [*BLOCKED["trace"], would]}) == ("anomaly", "burst")
