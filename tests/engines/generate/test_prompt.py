"""Prompts: the model's template around the texts, and no text that becomes a control token."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny_decoder import FOLDER

from yumen import RequestRefused
from yumen_engines.generate.prompt import Prompter

DESCRIPTION: dict[str, Any] = json.loads((FOLDER / "tokenizer.json").read_text())
WHOLE: Any = tokenizers.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
PROMPTER = Prompter(DESCRIPTION, 1024)
CONTROLS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>"]
IDS = {WHOLE.token_to_id(name) for name in CONTROLS}


def template(messages: str) -> str:
    """What the tiny decoder's chat template writes."""
    turns = json.loads(messages)
    return "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in turns) + (
        "<|im_start|>assistant\n"
    )


def prompt(*turns: tuple[str, str], prompter: Prompter = PROMPTER) -> list[int]:
    return prompter.chat(turns, template(prompter.messages([role for role, _ in turns])))


PARTS = st.lists(st.sampled_from([*"ab 好\n🙂<|>", *CONTROLS]), max_size=12).map("".join)


@given(PARTS | st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_texts_are_text(text: str) -> None:
    """Whatever a user writes, the control tokens of the prompt are those of the template, and the text can be read back."""
    ids = prompt(("system", text), ("user", text))
    assert [one for one in ids if one in IDS] == [one for one in prompt(("system", "x"), ("user", "x")) if one in IDS]
    assert WHOLE.decode(ids, skip_special_tokens=False) == template(
        json.dumps([{"role": "system", "content": text}, {"role": "user", "content": text}])
    )


@pytest.mark.parametrize("text", ["Where is my order?", "我的订单在哪里？", "a  b\n"])
def test_an_innocent_prompt_is_what_the_tokenizer_makes(text: str) -> None:
    """For text without control tokens the prompt is the one that the model was trained with."""
    assert prompt(("user", text)) == WHOLE.encode(f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n").ids


@pytest.mark.parametrize("control", CONTROLS)
def test_plain_prompts_are_text(control: str) -> None:
    """In a text to be continued no control token is read either."""
    ids = PROMPTER.plain(f"one {control} 二")
    assert IDS.isdisjoint(ids)
    assert PROMPTER.decode(ids) == f"one {control} 二"


def test_a_control_token_that_the_model_knows_as_a_word_is_refused() -> None:
    """Where the vocabulary itself makes a control token of a text, the request is refused."""
    model = {"type": "WordLevel", "vocab": {"[UNK]": 0, "hello": 1, "</s>": 2}, "unk_token": "[UNK]"}
    added = [{"id": 2, "content": "</s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True}]  # fmt: skip
    split = {"type": "WhitespaceSplit"}
    words = Prompter({**DESCRIPTION, "model": model, "added_tokens": added, "pre_tokenizer": split}, 64)
    assert words.plain("hello there") == [1, 0]
    with pytest.raises(RequestRefused, match="control token"):
        words.plain("hello </s>")


def test_blanks_around_control_tokens_belong_to_them_where_they_say_so() -> None:
    """A control token that takes the blanks behind it takes those of the template."""
    added = [{**one, "rstrip": one["content"] == "<|im_start|>"} for one in DESCRIPTION["added_tokens"]]
    stripping = Prompter({**DESCRIPTION, "added_tokens": added}, 1024)
    written = (
        stripping.messages(["user"]).replace('[{"role": "user", "content": "', "<|im_start|> \n").replace('"}]', "")
    )
    assert stripping.chat([("user", "Hello")], written) == [
        WHOLE.token_to_id("<|im_start|>"),
        *WHOLE.encode("Hello").ids,
    ]


@pytest.mark.parametrize("written", [None, "<|im_start|>user\nsomething else"])
def test_a_template_that_says_no_or_leaves_a_message_out_is_refused(written: str | None) -> None:
    """A message is never silently left unread."""
    with pytest.raises(RequestRefused) as refused:
        PROMPTER.chat([("user", "secret 13812345678")], written)
    assert "13812345678" not in str(refused.value)


@pytest.mark.parametrize("text", ["word " * 1024, "好" * (1024 * 32 + 1)])
def test_too_long_a_prompt_is_refused(text: str) -> None:
    """A prompt that leaves no room for an answer is the caller's error; a huge one is not even encoded."""
    with pytest.raises(RequestRefused, match="1024 tokens") as refused:
        prompt(("user", text))
    assert refused.value.code == "bad_request"


def test_a_lone_surrogate_is_no_reason_to_fail() -> None:
    """What is no character is read as U+FFFD, as by the other engines."""
    assert prompt(("user", "a\ud800b")) == prompt(("user", "a\ufffdb"))
