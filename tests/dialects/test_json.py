"""The JSON dialect: every leaf, every name of a member and the path are texts, and nothing else is served."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen.dialects import Payload
from yumen.dialects.json import Json
from yumen.errors import Problem
from yumen.exchange import Answer

JSON = Json()
MARK = "标记MARK-7f3a"


def decode(body: Any, path: str = "/apps/crm/tickets") -> Payload:
    source = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return JSON.decode(path, source, depth_max=64, texts_max=10_000)


@pytest.mark.parametrize("body", [MARK, [MARK], {"a": {"b": [{"c": MARK}]}}, {MARK: None}, [[{"a": {MARK: 1}}]]])
def test_every_string_and_name_is_a_text(body: Any) -> None:
    """Wherever a string stands, a plugin is shown it and its edit reaches the engine."""
    payload = decode(body)
    (found,) = [text for text in payload.texts if MARK in text.raw]
    found.write("edited")
    assert MARK not in payload.document.render().decode()


def test_long_numbers_are_texts() -> None:
    """A number of seven digits or more is shown, a shorter one is not; what has a name is shown from three on."""
    assert [text.raw for text in decode([123456, 1234567, -1.5]).texts[1:]] == ["1234567"]
    assert [text.raw for text in decode({"cvv": 123, "age": 35}).texts[1:]] == ["cvv", "123", "age"]


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/apps/crm", "crm"),
        ("/apps/crm/tickets/7", "crm/tickets/7"),
        ("/apps/crm/%E5%BC%A0%E4%BC%9F/13812345678", "crm/张伟/13812345678"),
        ("/apps/crm/%31%33%38", "crm/138"),
        ("/apps/crm/a%2531b/~x;y=1@z", "crm/a%31b/~x;y=1@z"),
        ("/apps/crm/...", "crm/..."),
    ],
)
def test_the_path_is_a_text(path: str, written: str) -> None:
    """What the caller writes into the path is shown as the application reads it, and sent on as it was spelt."""
    payload = decode({}, path)
    assert payload.path_text is payload.texts[0]
    assert (payload.texts[0].path, payload.texts[0].raw) == ("path", written)
    assert payload.path == path.removeprefix("/apps/")


@pytest.mark.parametrize(
    "path",
    ["/apps/crm/../admin", "/apps/crm/%2e%2E/admin", "/apps/crm/.", "/apps/../v1/models", "/apps/crm/x/.%2e"],
)
def test_a_path_that_leads_elsewhere_is_not_found(path: str) -> None:
    """A segment that a server would resolve is refused: the route was chosen by the path as it is spelt."""
    with pytest.raises(Problem) as caught:
        decode({}, path)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    "path",
    ["/apps/", "/apps/crm/a%2fb", "/apps/crm/a%2Fb", "/apps/crm/a%5cb", "/apps/crm/a\\b", "/apps/crm/%00",
     "/apps/crm/%0d%0a", "/apps/crm/%7f", "/apps/crm/%ff", "/apps/crm/%C0%AE", "/apps/crm/%", "/apps/crm/%4",
     "/apps/crm/%zz", "/apps/crm/a b", "/apps/crm/a#b", "/apps/crm/a?b", "/apps/crm/\xe5"],
)  # fmt: skip
def test_a_path_that_can_be_read_in_two_ways_is_refused(path: str) -> None:
    """What is inspected and what a server makes of it must be the same."""
    with pytest.raises(Problem) as caught:
        decode({}, path)
    assert caught.value.code == "bad_request"


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30))
def test_no_path_is_more_than_a_problem(path: str) -> None:
    """Whatever the path, it is read or refused with a code."""
    try:
        payload = decode({}, "/apps/" + path)
    except Problem as problem:
        assert problem.code in ("bad_request", "not_found")
    else:
        assert payload.path == path


def test_a_reply_without_a_body_is_one() -> None:
    """An application that has nothing to say says it, and its reply goes on empty."""
    payload = JSON.decode_reply(b"", depth_max=64, texts_max=10)
    assert (payload.texts, payload.document.render()) == ([], b"")


@pytest.mark.parametrize("body", [b"<html>", b" ", b"a,b\n1,2", b'"\xff"', b'{"a":1,"a":2}', b"data: {}\n\n"])
def test_a_reply_that_is_no_json_is_a_problem(body: bytes) -> None:
    """The core turns it into `engine_unavailable`: what cannot be read does not pass."""
    with pytest.raises(Problem):
        JSON.decode_reply(body, depth_max=64, texts_max=10)


def test_an_empty_request_is_refused() -> None:
    """A request says something."""
    with pytest.raises(Problem):
        decode(b"")


def test_an_answer_and_an_error_are_json() -> None:
    """What a plugin answers, and what goes wrong, has one form for every application."""
    assert json.loads(JSON.encode_answer(Answer(["你好"]), decode({}), "e1", 5)) == {
        "id": "e1",
        "created": 5,
        "texts": ["你好"],
    }
    error = json.loads(JSON.error(Problem("not_found", "There is nothing at this path.")))
    assert error["error"]["code"] == "not_found"
