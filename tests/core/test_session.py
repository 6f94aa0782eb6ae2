"""The session that a request names: a digest within tenant and app, and nowhere the name itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.policy.testing import bench

from yumen.exchange import Principal
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import Harness

NAME = "chat-of-li-na"
BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'


async def sessions(tmp_path: Path, *asked: tuple[Principal, str]) -> list[Any]:
    """What came of requests by somebody in a session."""
    (tmp_path / "gateway.yaml").write_text(bench.chain())
    async with Harness(load_bundle(str(tmp_path))) as harness:
        return [await harness.send("/v1/chat/completions", BODY, who, named) for who, named in asked]


async def test_a_session_is_a_digest_within_tenant_and_app(tmp_path: Path) -> None:
    """The same name is one session for one tenant and app, and another for any other; without a name there is none."""
    one, app, tenant = Principal("t", "a", "k"), Principal("t", "b", "k"), Principal("u", "a", "k")
    asked = [(one, NAME), (Principal("t", "a", "other key"), NAME), (app, NAME), (tenant, NAME), (one, "x"), (one, "")]
    found = [outcome.exchange.session for outcome in await sessions(tmp_path, *asked)]
    assert found[0] == found[1]
    assert len(set(found)) == 5
    assert found[5] == ""
    assert all(len(one) == 32 and set(one) <= set("0123456789abcdef") for one in found[:5])


async def test_the_name_of_a_session_is_nowhere(tmp_path: Path) -> None:
    """Neither the exchange, nor the reply, nor what the engine gets, nor a log line holds it."""
    with capture_logs() as logs:
        (outcome,) = await sessions(tmp_path, (Principal("t", "a", "k"), NAME))
    exchange = outcome.exchange
    state = [getattr(exchange, name) for name in dir(exchange) if not name.startswith("__")]
    assert NAME not in f"{state} {outcome.headers} {outcome.given} {logs}"


@pytest.mark.parametrize("name", ["x" * 201, "tab\there", "名字", "\x7f"])
async def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    """A name is at most 200 printable ASCII characters; the error does not repeat it."""
    (outcome,) = await sessions(tmp_path, (Principal("t", "a", "k"), name))
    assert (outcome.status, outcome.code) == (400, "bad_request")
    assert outcome.exchange is None
    (good,) = await sessions(tmp_path, (Principal("t", "a", "k"), "~ " * 100))
    assert good.status == 200
