"""What a request may ask for: read where it is implemented, refused where not, and never passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.engines.generate.asking import chat

from yumen import RequestRefused
from yumen_engines.generate import options
from yumen_engines.generate.options import Chat, Completion

SECRET = "王小明 13812345678"


def read(path: str = "chat/completions", **more: Any) -> Chat | Completion:
    body = chat("hello", **more) if path.startswith("chat") else {"model": "m", "prompt": "hello", **more}
    return options.read(path, json.dumps(body).encode())


def turns(asked: Chat | Completion) -> list[tuple[str, str]]:
    assert isinstance(asked, Chat)
    return asked.turns()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": SECRET}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_k": 0}, "top_k"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -5}, "max_tokens"),
    ({"max_tokens": True}, "max_tokens"),
    ({"temperature": 2.5}, "temperature"),
    ({"top_k": 1 << 40}, "top_k"),
    ({"n": 17}, "n"),
    ({"n": 0}, "n"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"seed": "7"}, "seed"),
    ({"stop": [SECRET, ""]}, "stop"),
    ({"stop": ["a"] * 5}, "stop"),
    ({"stop": "字" * 257}, "stop"),
    ({"stop": [1]}, "stop"),
    ({"messages": [{"role": "user", "content": {"a": SECRET}}]}, "messages"),
]
UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"logprobs": True}, "logprobs"),
    ({"logit_bias": {"5": 1}}, "logit_bias"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"frequency_penalty": -1}, "frequency_penalty"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"reasoning_effort": "high"}, "reasoning_effort"),
    ({"min_p": 0.1}, "min_p"),
    ({"repetition_penalty": 1.2}, "repetition_penalty"),
    ({"ignore_eos": True}, "ignore_eos"),
    ({"messages": [{"role": "tool", "content": SECRET}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{}]}]}, "messages[1]"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": SECRET}}]}]}, "messages[0]"),
]


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [*((*one, "bad_request") for one in REFUSED), *((*one, "unsupported_payload") for one in UNSUPPORTED)],
)
def test_what_is_wrong_or_not_implemented_is_refused(more: dict[str, Any], param: str, code: str) -> None:
    """The caller is told which member it is about, and nothing of its content is repeated."""
    with pytest.raises(RequestRefused) as refused:
        turns(read(**more))
    assert (refused.value.param, refused.value.code) == (param, code)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-0.1", '"0"', "[]", "true"])
@pytest.mark.parametrize("name", ["temperature", "top_p"])
def test_what_is_no_number_is_refused(name: str, number: str) -> None:
    """Nothing reaches the library that a comparison lets slip through."""
    with pytest.raises(RequestRefused):
        options.read("completions", f'{{"model":"m","prompt":"x","{name}":{number}}}'.encode())


def test_a_member_that_nobody_knows_is_refused() -> None:
    """It might change the answer; its name is the caller's own words, so it is not repeated. Without a value it is none."""
    with pytest.raises(RequestRefused) as refused:
        options.read("chat/completions", json.dumps({**chat("hello"), SECRET: 1}).encode())
    assert (refused.value.param, refused.value.code) == (None, "unsupported_payload")
    assert SECRET not in str(refused.value)
    options.read("chat/completions", json.dumps({**chat("hello"), SECRET: None}).encode())


def test_what_changes_nothing_is_passed_over() -> None:
    """What clients send beside the question without asking for another answer is no reason to refuse."""
    read(
        stream=True,
        stream_options={"include_usage": True},
        user="u",
        metadata={"a": "b"},
        store=True,
        tool_choice="auto",
    )


def test_a_choice_among_more_than_all_tokens_is_among_all() -> None:
    """The library fails for a `top_k` above the vocabulary, and three failures in a row would make the engine ill."""
    assert read(top_k=1 << 20).search(641) == {"top_k": 641}


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1]], []])
def test_prompts_of_tokens_are_refused(prompt: Any) -> None:
    """No plugin has read what comes as tokens, so no model does."""
    asked = read("completions", prompt=prompt)
    assert isinstance(asked, Completion)
    with pytest.raises(RequestRefused):
        asked.text()


@pytest.mark.parametrize("more", [{"echo": True}, {"best_of": 2}, {"suffix": "x"}, {"logprobs": 0}])
def test_options_of_completions_that_are_not_implemented(more: dict[str, Any]) -> None:
    """What `/v1/completions` could do beside continuing a text is refused."""
    with pytest.raises(RequestRefused):
        read("completions", **more)


def test_other_paths_are_refused() -> None:
    """A decoder makes no embeddings."""
    with pytest.raises(RequestRefused):
        options.read("embeddings", b'{"model":"m","input":"x"}')


def test_what_is_implemented_is_read() -> None:
    """Each option has its place in the search; what the request leaves out is left to the model."""
    # As a float of 32 bits it would be 0, which the library takes for no limit at all.
    assert read(top_p=1e-46).search(641) == {"top_p": 1e-6}
    asked = read(temperature=0.7, top_p=0.9, top_k=5, max_tokens=9, max_completion_tokens=4, seed=1 << 70, stop="。")
    assert asked.search(641) == {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 5}
    assert (asked.tokens_max, asked.stops) == (4, ("。",))
    assert read(tools=[], logprobs=False, presence_penalty=0, response_format={"type": "text"}).search(641) == {}


@pytest.mark.parametrize("temperature", [0, 1e-9])
def test_a_temperature_of_about_nothing_is_greedy(temperature: float) -> None:
    """A number by which nothing can be divided means the best token."""
    assert read(temperature=temperature).search(641) == {"do_sample": False}


def test_parts_of_text_are_one_text() -> None:
    """Text parts are joined, and `developer` speaks as the system does."""
    content = [{"type": "text", "text": "你"}, {"type": "text", "text": "好"}]
    asked = read(messages=[{"role": "developer", "content": content}])
    assert turns(asked) == [("system", "你好")]
