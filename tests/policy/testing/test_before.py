"""Cases about several turns: what the caller sent before, and the session that he names."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.policy.testing import bench

from yumen.policy.bundle import PlacedCase
from yumen.policy.cases import Caller, Case, Expect, Request
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import Harness
from yumen.policy.testing.trial import run_case


@pytest.mark.parametrize(("turns", "decision"), [(2, "allow"), (3, "block")])
async def test_what_was_sent_before_counts(tmp_path: Path, turns: int, decision: str) -> None:
    """Requests under `before` are sent by the same caller in the same session, and are no part of what is expected."""
    (tmp_path / "gateway.yaml").write_text(bench.chain("limits"))
    (tmp_path / "limits.yaml").write_text(bench.plugin("limits", config={"requests_per_minute": 3}))
    case = Case(
        name="turns",
        request=Request(text="最后一句"),
        caller=Caller(session="s-1"),
        before=[Request(text=f"turn {number}") for number in range(turns)],
        expect=msgspec.convert({"decision": decision}, Expect),
    )
    async with Harness(load_bundle(str(tmp_path))) as harness:
        trial = await run_case(harness, PlacedCase(case, "", "limits.yaml", 1))
    assert trial.conditions == []
    assert trial.exchanges == 1


@pytest.mark.parametrize("session", ["x" * 201, "会话"])
def test_a_session_is_what_a_header_can_hold(session: str) -> None:
    """A case cannot name a session that the gateway would refuse."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"session": session}, Caller)
