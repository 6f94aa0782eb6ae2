"""What is on record, and what a caller is told, where one engine answers in the place of another."""

from __future__ import annotations

import json
import urllib.request

import pytest
from tests import ledgers
from tests.kit import exchange, request, saying
from tests.serving import Gateway

from yumen import EngineError
from yumen.engine import RequestRefused
from yumen.target import Target

QUESTION = "我的快递到哪了？电话13812345678, mail li.na@example.com"


def chat(gateway: Gateway, *, stream: bool) -> str:
    """The body of the reply."""
    body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": QUESTION}]}
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    asked = urllib.request.Request(gateway.url + "/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked, timeout=30) as reply:
        text: str = reply.read().decode()
    return text


@pytest.mark.server
def test_a_ledger_with_a_local_answer_to_what_was_meant_for_a_remote_engine_holds(falling: Gateway) -> None:
    """What was about to leave has a record of what came of it, which says that it left, and verifying finds nothing."""
    assert "choices" in chat(falling, stream=False)
    assert chat(falling, stream=True).endswith("data: [DONE]\n\n")
    records = ledgers.records(falling.data_dir)
    sent = [(one["engine"], one["egress"], one["sent_form"]) for one in records if one["kind"] == "exchange"]
    assert sent == [("here", "remote", "masked")] * 2
    verified = falling.yumen("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_only_the_first_engine_has_is_unavailable_and_not_unknown(stream: bool) -> None:
    """A fallback that does not have the model says nothing about the request: the caller is told of the first failure."""
    spare = Target.of("spare", saying(RequestRefused("There is no such model here.", code="not_found")), "local")
    down = saying(EngineError("busy", retry_after_s=3))
    outcome = await exchange([], down, request(stream=stream), fallback=spare)
    assert (outcome.status, outcome.code) == (503, "engine_unavailable")


async def test_a_failure_of_the_other_engine_is_told_as_its_own() -> None:
    """Where both fail, the caller is told what became of the second."""
    spare = Target.of("spare", saying(EngineError("late", timeout=True)), "local")
    outcome = await exchange([], saying(EngineError("down")), request(), fallback=spare)
    assert (outcome.status, outcome.code) == (504, "engine_timeout")
