"""From a conversation to the tokens of a prompt, so that no text of a caller can become a control token of the model.

The model's own chat template is rendered with placeholders where texts are to stand. Control tokens are looked for in what
the template wrote; texts are put in afterwards, and encoded by a tokenizer that knows no control tokens. So
`<|im_end|>` that a user typed is several tokens of text, and ends nobody's turn.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from yumen import CannotStart, RequestRefused, plain_content

# Of `tokenizer.json`; those of the largest vocabularies have some 30 MB.
FILE_BYTES_MAX = 256 << 20
# No tokenizer takes what is no character; what takes its place has the same length.
SURROGATE = re.compile("[\ud800-\udfff]")
# A longer text has more tokens than any context: a token of text stands for fewer characters than this on the average.
CHARS_PER_TOKEN = 32
Turns = Sequence[tuple[str, str]]


class Control(NamedTuple):
    """A token that is no text: its id, and whether blanks before and behind it belong to it."""

    id: int
    before: bool
    behind: bool


class Prompter:
    """Makes prompts of at most `tokens_max` tokens from `description`, the content of a `tokenizer.json`."""

    def __init__(self, description: dict[str, Any], tokens_max: int) -> None:
        import tokenizers  # an extra: only who uses the engine pays for it

        self._tokens_max = tokens_max
        self._whole = tokenizers.Tokenizer.from_str(json.dumps(description))
        kept, self._controls = _sorted_out(description)
        plain = {**description, "added_tokens": kept, "padding": None, "truncation": None}
        self._text = tokenizers.Tokenizer.from_str(json.dumps(plain))
        self._inner = tokenizers.Tokenizer.from_str(json.dumps(_within(plain)))
        unknown = self._whole.token_to_id(str(description["model"].get("unk_token")))
        self._forbidden = frozenset(control.id for control in self._controls.values()) - {unknown}
        names = sorted(self._controls, key=len, reverse=True)
        self._cut = re.compile("(" + "|".join(map(re.escape, names)) + ")") if names else re.compile("(?!)")
        self._mark = secrets.token_hex(16)
        self._marked = re.compile(f"x{self._mark}x([0-9]+)x")

    @classmethod
    def open(cls, folder: Path, tokens_max: int) -> Prompter:
        """Read `tokenizer.json`. Error: `CannotStart` where it is missing or not a tokenizer."""
        path = folder / "tokenizer.json"
        try:
            return cls(json.loads(plain_content(path, FILE_BYTES_MAX)), tokens_max)
        except ImportError as error:
            raise CannotStart("the generate engine needs tokenizers; run: pip install 'yumen[generate]'") from error
        except Exception as error:  # the library raises bare exceptions, with the reason as text
            raise CannotStart(f"cannot read {path}; export the model again") from error

    def decode(self, ids: list[int]) -> str:
        """The text of tokens, without control tokens that are declared special."""
        text: str = self._whole.decode(ids, skip_special_tokens=True)
        return text

    def plain(self, text: str) -> list[int]:
        """The tokens of a text that is to be continued, with what the model wants before every text."""
        encoded = self._text.encode(SURROGATE.sub("\ufffd", text), add_special_tokens=False)
        framed = self._text.post_process(encoded, None, True)
        self._check(encoded.ids)
        return self._counted(list(framed.ids), "prompt")

    def messages(self, roles: Sequence[str]) -> str:
        """Messages of these roles in JSON, with placeholders for their texts: what the template is to write."""
        return json.dumps([{"role": role, "content": f"x{self._mark}x{place}x"} for place, role in enumerate(roles)])

    def chat(self, turns: Turns, written: str | None) -> list[int]:
        """The tokens of a conversation of roles and texts, up to where the model's answer begins.

        `written` is what the template made of `messages`. Error: `RequestRefused` where it took
        them not, or they are too long.
        """
        self._check_written(written, len(turns))
        texts = [SURROGATE.sub("\ufffd", text) for _, text in turns]
        pieces = self._cut.split(written or "")
        ids: list[int] = []
        for place, piece in enumerate(pieces):
            if place % 2:
                ids.append(self._controls[piece].id)
                continue
            if place and self._controls[pieces[place - 1]].behind:
                piece = piece.lstrip()
            if place + 1 < len(pieces) and self._controls[pieces[place + 1]].before:
                piece = piece.rstrip()
            text = self._marked.sub(lambda found: texts[int(found[1])], piece)
            if text:
                encoder = self._inner if place else self._text
                encoded = encoder.encode(text, add_special_tokens=False).ids
                self._check(encoded)
                ids += encoded
        return self._counted(ids, "messages")

    def _check_written(self, written: str | None, turns: int) -> None:
        if written is None:
            raise RequestRefused(
                "The model has no chat template, or it does not take these roles in this order.", param="messages"
            )
        # A template may leave messages out, of the system among them; nobody would notice that it was never read.
        if {int(found) for found in self._marked.findall(written)} != set(range(turns)):
            raise RequestRefused("The model's chat template leaves one of the messages out.", param="messages")

    def _check(self, ids: Sequence[int]) -> None:
        if not self._forbidden.isdisjoint(ids):
            raise RequestRefused("A text holds a control token of the model.", code="unsupported_payload")

    def check_size(self, texts: Sequence[str]) -> None:
        """Error: `RequestRefused` for texts that cannot fit, without reading them; call it before anything else."""
        # Every message takes a token at least, for whose turn it is.
        if len(texts) > self._tokens_max or sum(map(len, texts)) > self._tokens_max * CHARS_PER_TOKEN:
            raise self._too_long("messages" if len(texts) > 1 else None)

    def _counted(self, ids: list[int], param: str) -> list[int]:
        if not ids:
            raise RequestRefused("There is nothing to read.", param=param)
        if len(ids) >= self._tokens_max:
            raise self._too_long(param)
        return ids

    def _too_long(self, param: str | None) -> RequestRefused:
        return RequestRefused(
            f"The model of this route reads and writes {self._tokens_max} tokens together; this is more.", param=param
        )


def _sorted_out(description: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Control]]:
    """The added tokens that are text, which are blanks, and those that are not."""
    vocabulary = description["model"].get("vocab")
    known = vocabulary if isinstance(vocabulary, dict) else {}
    kept, controls = [], {}
    for token in description.get("added_tokens") or ():
        name = token["content"]
        if name.isspace() and known.get(name) == token["id"] and not token["special"]:
            kept.append(token)
        elif name:
            controls[name] = Control(token["id"], bool(token["lstrip"]), bool(token["rstrip"]))
    return kept, controls


def _within(description: dict[str, Any]) -> dict[str, Any]:
    """The same tokenizer for text behind a control token, where no blank is put before it (`prepend_scheme: first`)."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            first = value.get("type") == "Metaspace" and value.get("prepend_scheme") == "first"
            inner = {name: changed(one) for name, one in value.items()}
            return {**inner, "prepend_scheme": "never"} if first else inner
        return [changed(one) for one in value] if isinstance(value, list) else value

    return {**description, "pre_tokenizer": changed(description.get("pre_tokenizer"))}
