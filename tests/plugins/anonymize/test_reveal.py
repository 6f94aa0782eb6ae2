"""Operators who may are told what a pseudonym stands for, and not before it is on record that they asked."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.admin.desk import call, key_with_rights, notes, served
from tests.serving import ADMIN_KEY, APP_KEY, Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server

GATEWAY = """version: 1
engines: {llm: {adapter: openai, egress: remote, base_url: "%s"}}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: llm
    chain: [notes, anonymize]
    subject: {header: x-end-user}
"""
PHONE, MAIL = "13987650123", "li.na@example.org"
SESSION, PERSON = "chat-of-li-na", "person-0042"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    gateway = served(
        tmp_path_factory.mktemp("reveal"),
        gateway=GATEWAY % upstream.url,
        notes="version: 1\nplugin: notes\n",
        anonymize="version: 1\nplugin: anonymize\nconfig: {detect: [cn.mobile, email], restore: {email: never}}\n",
    )
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def key(running: Gateway) -> str:
    return key_with_rights(running)


@pytest.fixture
def tokens(running: Gateway, upstream: Upstream) -> list[str]:
    """The pseudonyms of a phone and an e-mail address, as the engine has just been given them."""
    upstream.clear()
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    asked = {"model": "echo", "messages": [{"role": "user", "content": f"电话{PHONE} mail {MAIL}"}]}
    headers = {"authorization": f"Bearer {APP_KEY}", "x-session-id": SESSION, "x-end-user": PERSON}
    connection.request("POST", "/v1/chat/completions", json.dumps(asked).encode(), headers)
    assert connection.getresponse().status == 200
    connection.close()
    given = upstream.last.json["messages"][0]["content"]
    return [given.removeprefix("电话").split(" mail ")[0], given.split(" mail ")[1]]


def reveal(gateway: Gateway, key: str, **arguments: Any) -> tuple[int, Any, str]:
    """Status, body, and what the reply says about storing it."""
    asked = {"tenant": "default", "app": "default", "session": SESSION, "subject": PERSON, **arguments}
    said = {name: value for name, value in asked.items() if value is not None}
    reply, body = call(gateway, "POST", "/admin/anonymize/reveal", key, **said)
    return reply.status, json.loads(body), reply.headers["cache-control"]


def on_record(gateway: Gateway) -> list[dict[str, Any]]:
    return [one for one in notes(gateway) if one["kind"] == "reveal"]


def test_who_may_is_told_and_it_is_on_record(running: Gateway, key: str, tokens: list[str]) -> None:
    """The value comes in a reply that nobody may store; the record names the pseudonym, the key and digests, no value."""
    before = len(on_record(running))
    assert reveal(running, key, token=tokens[0]) == (200, {"value": PHONE}, "no-store")
    (noted,) = on_record(running)[before:]
    label, _, code = tokens[0].strip("<>").rpartition("_")
    details = noted["details"]
    assert (details["tenant"], details["label"], details["code"], details["found"]) == ("default", label, code, "yes")
    assert noted["actor"].startswith("admin:k")
    assert len(details["session"]) == len(details["subject"]) == 32
    everything = json.dumps(notes(running), ensure_ascii=False) + running.log
    for raw in (PHONE, SESSION, PERSON):
        assert raw not in everything


def test_without_the_right_nobody_is_told(running: Gateway, tokens: list[str]) -> None:
    """An admin key has not the right by itself: 403, whether the pseudonym is known or not, and nothing on record."""
    before = len(on_record(running))
    for token in (tokens[0], "<CN_MOBILE_0000000000>", ""):
        status, body, stored = reveal(running, ADMIN_KEY, token=token)
        assert (status, body["error"]["code"], stored) == (403, "forbidden", "no-store")
        assert PHONE not in json.dumps(body)
    assert reveal(running, APP_KEY, token=tokens[0])[0] == 401
    assert len(on_record(running)) == before


@pytest.mark.parametrize(
    "other",
    [{"tenant": "other"}, {"app": "other"}, {"session": "another"}, {"subject": "another"}, {"subject": None},
     {"token": "<CN_MOBILE_0000000000>"}, {"session": None, "app": None}],
)  # fmt: skip
def test_what_is_not_known_there_is_not_found(
    running: Gateway, key: str, tokens: list[str], other: dict[str, Any]
) -> None:
    """Another tenant, app, session or person, or none, has no such pseudonym: 404, and the attempt is on record."""
    before = len(on_record(running))
    status, body, _ = reveal(running, key, **{"token": tokens[0], **other})
    assert status == 404
    assert PHONE not in json.dumps(body)
    (noted,) = on_record(running)[before:]
    assert noted["details"]["found"] == "no"


def test_what_is_never_restored_is_not_revealed(running: Gateway, key: str, tokens: list[str]) -> None:
    """Where policy keeps nothing of a rule, or has another label for it, there is nothing to reveal."""
    assert tokens[1].startswith("<EMAIL_")
    assert reveal(running, key, token=tokens[1])[0] == 404
    assert reveal(running, key, token=tokens[0].replace("CN_MOBILE", "EMAIL"))[0] == 404


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"token": "13987650123"}, "token"),
        ({"tenant": None}, "tenant"),
        ({"app": None}, "app"),
        ({"why": "我想知道"}, "`why` is not asked for"),
    ],
)
def test_a_question_that_is_none_is_refused(
    running: Gateway, key: str, tokens: list[str], wrong: dict[str, Any], says: str
) -> None:
    """400 with what is wrong, and nothing on record, since nothing was looked for."""
    before = len(on_record(running))
    status, body, _ = reveal(running, key, **{"token": tokens[0], **wrong})
    assert status == 400
    assert says in body["error"]["message"]
    assert PHONE not in json.dumps(body)
    assert len(on_record(running)) == before


def test_nothing_else_can_be_done(running: Gateway, key: str) -> None:
    """Another action is refused."""
    reply, _ = call(running, "POST", "/admin/anonymize/forget", key)
    assert reply.status == 400
