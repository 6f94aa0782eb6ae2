"""The engine behind the whole data plane: paths, methods and replies as a client and an application see them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest
from tests.engines.http.asking import Application

from yumen.policy.testing.harness import Caller
from yumen.testing import Call, Harness, Outcome, Used
from yumen_engines.http import Http
from yumen_plugins.anonymize import Anonymize

PHONE = "13812345678"
TOKEN = re.compile("<CN_MOBILE_[0-9a-z]{10}>")


@pytest.fixture
async def gateway(application: Application) -> AsyncIterator[Harness]:
    """A route to the application, with masking before it."""
    config = {"base_url": application.url + "/api", "retry_backoff_ms": 5}
    masking = Used(Anonymize, {"detect": ["cn.mobile", "email"]})
    async with Harness.of_engine(Http, config, masking, egress="remote") as harness:
        yield harness


async def send(gateway: Harness, path: str = "/apps/crm/notes", body: str = "{}") -> Outcome:
    return await gateway.ask(Call(path=path, body=body.encode()))


async def test_a_value_in_path_and_body_is_masked_and_restored(gateway: Harness, application: Application) -> None:
    """The application gets the pseudonym in both, percent-encoded in its path; the client gets his value back."""
    application.body = b'"x"'
    await send(gateway, f"/apps/crm/customers/{PHONE}/notes", f'{{"phone": {PHONE}}}')
    (request,) = application.asked
    (token,) = TOKEN.findall(application.bodies[0].decode())
    assert unquote(request.raw_path) == f"/api/customers/{token}/notes"
    assert "<" not in request.raw_path
    application.body = json.dumps({"call": token, "again": {token: 1}}).encode()
    outcome = await send(gateway, body=f'{{"phone": "{PHONE}"}}')
    assert json.loads(outcome.body) == {"call": PHONE, "again": {PHONE: 1}}


@pytest.mark.parametrize("status", [200, 204, 404])
async def test_an_empty_reply_stays_empty(gateway: Harness, application: Application, status: int) -> None:
    """Where the application says nothing, nothing is put into its mouth."""
    application.status, application.body = status, b""
    outcome = await send(gateway)
    assert (outcome.status, outcome.body) == (status, b"")


@pytest.mark.parametrize("body", [b"<html>li.na@example.com</html>", b"\xff", b'{"a":1', b"data: {}\n\n"])
async def test_a_reply_that_is_no_json_does_not_pass(gateway: Harness, application: Application, body: bytes) -> None:
    """What cannot be looked at ends with an error, whatever status it came with."""
    for status in (200, 400):
        application.status, application.body = status, body
        outcome = await send(gateway)
        assert (outcome.status, outcome.code) == (502, "engine_unavailable")


@pytest.mark.parametrize("path", ["/apps/crm/../admin", "/apps/crm/%2e%2e/admin", "/apps/crm/a%2Fb", "/apps/crm/a#b"])
async def test_a_path_that_leads_elsewhere_reaches_nobody(
    gateway: Harness, application: Application, path: str
) -> None:
    """It is refused before any plugin or engine sees it."""
    outcome = await send(gateway, path)
    assert outcome.status in (400, 404)
    assert not application.asked


async def test_only_post_is_served(gateway: Harness, application: Application) -> None:
    """Other methods get 405, and say which one is taken."""
    caller = Caller(b"")
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/apps/crm/notes",
        "client": None,
        "headers": [],
    }
    await gateway._plane(scope, caller.receive, caller.send)
    assert (caller.status, dict(caller.headers)[b"allow"]) == (405, b"POST")
    assert not application.asked
