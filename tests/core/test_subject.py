"""About whom an exchange is: a digest of what the request says where policy looks, and nowhere what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.policy.testing import bench

from yumen import Secret, subject_id
from yumen.exchange import Principal
from yumen.policy.bundle import Bundle
from yumen.policy.load import check_bundle, load_bundle
from yumen.policy.testing.harness import SECRET, Harness
from yumen.policy.testing.outcome import Outcome
from yumen.policy.testing.trial import run_case

NAME = "李娜-0042"
WHO = Principal("t", "a", "k")


def gateway(**source: str) -> str:
    """A gateway file whose only route looks there."""
    made = json.loads(bench.chain())
    made["routes"][0]["subject"] = source
    return json.dumps(made)


def body(**more: Any) -> bytes:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hello 你好"}], **more}
    return json.dumps(asked, ensure_ascii=False).encode()


async def ask(folder: Path, source: dict[str, str], request: bytes, who: Principal = WHO, header: str = "") -> Outcome:
    (folder / "gateway.yaml").write_text(gateway(**source))
    async with Harness(load_bundle(str(folder))) as harness:
        return await harness.send("/v1/chat/completions", request, who, subject=header)


def about(outcome: Outcome) -> str:
    """The subject of an exchange."""
    assert outcome.exchange is not None
    return outcome.exchange.subject


async def test_it_is_the_digest_that_the_public_function_makes(tmp_path: Path) -> None:
    """Who is told a person's name finds what is about that person, in this tenant and in no other."""
    outcome = await ask(tmp_path, {"field": "user"}, body(user=NAME))
    assert about(outcome) == subject_id(Secret(SECRET), "t", NAME)
    other = await ask(tmp_path, {"field": "user"}, body(user=NAME), Principal("u", "a", "k"))
    assert about(other) == subject_id(Secret(SECRET), "u", NAME) != about(outcome)
    app = await ask(tmp_path, {"field": "user"}, body(user=NAME), Principal("t", "b", "k2"))
    assert about(app) == about(outcome)
    assert len(about(outcome)) == 32
    assert set(about(outcome)) <= set("0123456789abcdef")


async def test_the_header_goes_first(tmp_path: Path) -> None:
    """What the application says in the header counts, and the member where there is no header."""
    both = {"header": "x-end-user", "field": "metadata.user_id"}
    request = body(metadata={"user_id": "from the body"})
    secret = Secret(SECRET)
    outcome = await ask(tmp_path, both, request, header="from the header")
    assert about(outcome) == subject_id(secret, "t", "from the header")
    outcome = await ask(tmp_path, both, request)
    assert about(outcome) == subject_id(secret, "t", "from the body")
    outcome = await ask(tmp_path, {"header": "x-end-user"}, request)
    assert about(outcome) == ""


@pytest.mark.parametrize(
    ("said", "name"),
    [({"user": 42}, "42"), ({"user": "x" * 200}, "x" * 200), ({}, ""), ({"user": None}, ""), ({"user": ""}, "")],
)
async def test_what_a_member_may_be(tmp_path: Path, said: dict[str, Any], name: str) -> None:
    """A text or whole number names somebody; nothing, null and the empty text name nobody."""
    outcome = await ask(tmp_path, {"field": "user"}, body(**said))
    assert about(outcome) == (subject_id(Secret(SECRET), "t", name) if name else "")


@pytest.mark.parametrize("wrong", [True, 1.5, ["李娜"], {"id": "李娜"}, "李" * 201, 10**400])
async def test_a_member_of_another_kind_is_refused(tmp_path: Path, wrong: Any) -> None:
    """Nobody is guessed at: the request is refused before any plugin sees it, and the reply does not repeat it."""
    outcome = await ask(tmp_path, {"field": "user"}, body(user=wrong))
    assert (outcome.status, outcome.code) == (400, "bad_request")
    assert "李" not in outcome.body.decode()
    assert outcome.given is None


@pytest.mark.parametrize("wrong", ["x" * 201, "tab\there", "李娜"])
async def test_a_header_that_is_none_is_refused(tmp_path: Path, wrong: str) -> None:
    """A header is at most 200 printable ASCII characters, as for sessions."""
    outcome = await ask(tmp_path, {"header": "x-end-user"}, body(), header=wrong)
    assert (outcome.status, outcome.code) == (400, "bad_request")


async def test_the_name_is_nowhere(tmp_path: Path) -> None:
    """Neither the exchange, nor the reply, nor a log line holds what the header says."""
    with capture_logs() as logs:
        outcome = await ask(tmp_path, {"header": "x-end-user"}, body(), header="person-0042")
    state = [getattr(outcome.exchange, name) for name in dir(outcome.exchange) if not name.startswith("__")]
    assert about(outcome)
    assert "person-0042" not in f"{state} {outcome.headers} {outcome.given} {logs}"


@given(st.text(max_size=200), st.text(max_size=200))
def test_different_names_are_different_subjects(one: str, other: str) -> None:
    """Any text is a name; names and tenants do not run into each other."""
    secret = Secret(bytes(32))
    assert (subject_id(secret, "t", one) == subject_id(secret, "t", other)) == (one == other)
    assert subject_id(secret, "t", one) != subject_id(secret, "u", one)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({}, "policy.value"),
        ({"header": "X-End-User"}, "policy.bounds"),
        ({"field": "a..b"}, "policy.bounds"),
        ({"filed": "user"}, "policy.unknown-key"),
    ],
)
def test_policy_says_it_properly(tmp_path: Path, source: dict[str, str], code: str) -> None:
    """A place that cannot be one is an error with its line."""
    (tmp_path / "gateway.yaml").write_text(gateway(**source))
    bundle, wrong = check_bundle(str(tmp_path))
    assert bundle is None
    assert [one.code for one in wrong] == [code]


class Listening(Harness):
    """Remembers about whom exchanges were."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.subjects: list[str] = []

    async def send(self, *asked: Any, **more: Any) -> Outcome:
        outcome = await super().send(*asked, **more)
        self.subjects.append(about(outcome))
        return outcome


@pytest.mark.parametrize("more", [{}, {"before": [{"text": "你好"}]}, {"repeat": 2, "at_once": True}])
async def test_a_case_names_a_subject(tmp_path: Path, more: dict[str, Any]) -> None:
    """Cases of a policy can be about somebody, in every one of their requests."""
    one = bench.case("hello", caller={"tenant": "t", "subject": "li.na"}, expect={"decision": "allow"}, **more)
    folder = bench.write(tmp_path, one, files={"gateway.yaml": gateway(header="x-end-user")})
    bundle = load_bundle(str(folder))
    harness = Listening(bundle)
    async with harness:
        trial = await run_case(harness, bundle.cases[0])
    assert trial.conditions == []
    assert harness.subjects == [subject_id(Secret(SECRET), "t", "li.na")] * (2 if more else 1)
