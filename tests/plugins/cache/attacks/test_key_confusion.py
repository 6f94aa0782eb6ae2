"""No two requests that an engine could tell apart have one key, however they are written and whoever names things."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from yumen import Hmac, Principal
from yumen.dialects.json import Json
from yumen.dialects.openai import OpenAI
from yumen.errors import Problem
from yumen.forms import ExchangeState
from yumen.testing import UnitHost
from yumen.view import View
from yumen_plugins.cache import Cache, CacheConfig
from yumen_plugins.cache.config import WHO
from yumen_plugins.cache.keys import Keys

SPACE = "tenant:acme"
TRUTHS = (None, True, False)
KEYS = Keys(UnitHost(), CacheConfig())
DIALECT = OpenAI()

# Whatever may confuse whoever compares: separators, escapes, two forms of a letter, letters that look alike, nothing at all.
NASTY = [
    "",
    "a",
    "é",
    "e\u0301",
    "а",
    "ａ",
    "\x00",
    "\x1f",
    "|",
    ":",
    '"',
    "\\",
    "\\u0061",
    "tenant:acme",
    "\U000e0061",
    "中",
    "\n",
    "<A_0>",
]
WORDS = st.sampled_from(NASTY) | st.text(max_size=5)
NUMBERS = st.sampled_from(
    ["0", "-0", "-0.0", "0.0", "1", "1.0", "1e0", "1E0", "10e-1", "1e2", "100", "9007199254740993", "9007199254740992",
     "18446744073709551616", "0.1", "0.10", "1" + "0" * 60, "1e-400", "0e9"]
)  # fmt: skip


def spelt(text: str, draw: Any) -> str:
    """A text as a string of JSON, with escapes where nobody needs them."""
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return json.dumps(text)
    if kind == 1:
        return json.dumps(text, ensure_ascii=False)
    return '"' + "".join(f"\\u{unit:04x}" for unit in _units(text)) + '"'


def _units(text: str) -> list[int]:
    data = text.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


@st.composite
def values(draw: Any, depth: int = 3) -> str:
    """The source of any value."""
    kind = draw(st.integers(0, 6 if depth else 3))
    blank = draw(st.sampled_from(["", " ", "\n\t"]))
    if kind == 0:
        return str(draw(NUMBERS))
    if kind == 1:
        word: str = draw(st.sampled_from(["true", "false", "null"]))
        return word + str(blank)
    if kind in (2, 3):
        return spelt(draw(WORDS), draw)
    below = values(depth - 1)
    if kind == 4:
        return f"[{blank}{','.join(draw(st.lists(below, max_size=3)))}]"
    members = draw(st.lists(st.tuples(WORDS, below), max_size=3))
    return f"{{{blank}{','.join(f'{spelt(name, draw)}{blank}:{value}' for name, value in members)}}}"


@st.composite
def bodies(draw: Any) -> str:
    """A chat request with members of all kinds, in any order."""
    said = draw(st.lists(st.tuples(st.sampled_from(["user", "system"]), WORDS), min_size=1, max_size=2))
    messages = ",".join(f'{{"role":"{role}","content":{spelt(text, draw)}}}' for role, text in said)
    members = [
        f'"model":"{draw(st.sampled_from(["m", "M", "m1", "gpt-4o", "gpt-4o-mini"]))}"',
        f'"messages":[{messages}]',
    ]
    names = st.sampled_from(["a", "n", "user", "stream_options", "metadata", "temperature", "stop", "seed"]) | WORDS
    for name in draw(st.lists(names, max_size=3, unique=True)):
        if name not in ("model", "messages", "stream"):
            members.append(f"{spelt(name, draw)}:{draw(values())}")  # noqa: PERF401  # one drawing after the other
    return "{" + ",".join(draw(st.permutations(members))) + "}"


def opened(body: str, dialect: Any = DIALECT, path: str = "/v1/chat/completions") -> View:
    """An exchange as the cache is shown it. Error: `Problem` where it is refused."""
    payload = dialect.decode(path, body.encode(), depth_max=64, texts_max=1000)
    state = ExchangeState("0" * 32, time.time(), Principal("t", "a", "k"), payload)
    state.digest_mac, state.spoken, state.masking = Hmac(b"key"), dialect, "enforce"
    state.route, state.policy_hash = "chat", "0123456789ab"
    for text in state.texts:
        text.masked = text.raw
    return View(state, "cache", Cache.manifest)


def seen(body: str) -> Any:
    """What an engine could tell: numbers with their digits, members in no order, nothing of who asks and how to send."""
    tree = json.loads(body, parse_int=lambda digits: ("n", digits), parse_float=lambda digits: ("n", digits))
    for name in WHO:
        tree.pop(name, None)
    sending = tree.get("stream_options")
    names = ("include_usage", "include_obfuscation")
    if sending in TRUTHS or (type(sending) is dict and all(a in names and b in TRUTHS for a, b in sending.items())):
        tree.pop("stream_options", None)
    return tree


@given(bodies(), bodies(), st.data())
@example('{"model":"m","messages":[{"role":"user","content":"a"}],"a":{"b":1}}',
         '{"messages":[{"content":"\\u0061","role":"user"}],"model":"m","a":{"\\u0062":1}}', None)  # fmt: skip
def test_one_key_means_one_request(first: str, second: str, data: Any) -> None:
    """Where two requests have one key, a reader that forgets nothing finds them the same."""
    if data is not None and data.draw(st.booleans()):
        # Two that differ in one place are nearer to each other than two that were made apart.
        at = data.draw(st.integers(0, len(first) - 1))
        second = (
            first[:at]
            + data.draw(st.sampled_from([*NASTY, "0", ".0", "e0", " "]))
            + first[at + data.draw(st.integers(0, 1)) :]
        )
    try:
        one, other = opened(first), opened(second)
    except (Problem, UnicodeEncodeError):
        assume(False)
    if KEYS.of(one, SPACE) == KEYS.of(other, SPACE):
        assert seen(first) == seen(second)


@given(bodies())
def test_blanks_and_escapes_do_not_make_another_request(body: str) -> None:
    """A request that is written out anew, by a program that loses nothing, has the same key."""
    try:
        view = opened(body)
    except Problem:
        assume(False)
    fractions: list[str] = []
    tree = json.loads(body, parse_float=fractions.append)
    assume(not fractions and "-0" not in body)
    again = json.dumps(tree, indent=1, sort_keys=True)
    assert KEYS.of(opened(again), SPACE) == KEYS.of(view, SPACE)


@pytest.mark.parametrize(
    "value",
    ['{"include_usage":true,"x":1}', '{"include_usage":"say no"}', '{"include_usage":{"a":"say no"}}', '"say no"', '["x"]',
     '{"continuous_usage_stats":true}', "1", '{"include_usage":1}'],
)  # fmt: skip
def test_nothing_is_smuggled_past_the_key_in_how_to_send(value: str) -> None:
    """What stands in `stream_options` beside its two truths may be read by an engine, and so is in the key."""
    plain = '{"model":"m","messages":[{"role":"user","content":"a"}]'
    bare, truth = opened(plain + "}"), opened(plain + ',"stream_options":{"include_usage":true}}')
    assert KEYS.of(bare, SPACE) == KEYS.of(truth, SPACE)
    assert KEYS.of(opened(f'{plain},"stream_options":{value}}}'), SPACE) != KEYS.of(bare, SPACE)


@given(st.sampled_from(WHO), WORDS, WORDS)
def test_whom_an_application_is_asked_about_is_in_the_key(name: str, one: str, other: str) -> None:
    """At `/apps`, `user` and its like are the application's own words: two of them are two requests."""
    assume(one != other)
    keys = {
        KEYS.of(opened(json.dumps({name: value}), Json(), "/apps/shop/orders"), SPACE) for value in (one, other)
    }  # fmt: skip
    assert len(keys) == 2


@given(
    st.lists(WORDS, min_size=2, max_size=2, unique=True),
    st.dictionaries(WORDS, st.lists(WORDS, max_size=3), max_size=3),
)
@example(["x", "share:x"], {"x": ["x"]})
@example(["a", "tenant:a"], {})
def test_two_tenants_share_only_what_policy_says(tenants: list[str], share: dict[str, list[str]]) -> None:
    """However tenants and groups are called, two tenants have one space only where one group names both."""
    keys = Keys(UnitHost(), CacheConfig(share={group: tuple(names) for group, names in share.items()}))
    one, other = tenants
    groups = [group for group, names in share.items() if one in names and other in names]
    if keys.space(one) == keys.space(other):
        assert groups
    view = opened('{"model":"m","messages":[{"role":"user","content":"a"}]}')
    if not groups:
        assert keys.of(view, keys.space(one)) != keys.of(view, keys.space(other))
        assert keys.name(keys.space(one)) != keys.name(keys.space(other))


@given(WORDS, WORDS, WORDS, WORDS)
def test_parts_of_a_key_do_not_run_into_each_other(route: str, space: str, other_route: str, other_space: str) -> None:
    """A route and a space that are spelt like two others together are none of theirs."""
    assume((route, space) != (other_route, other_space))
    view, other = (opened('{"model":"m","messages":[{"role":"user","content":"a"}]}') for _ in range(2))
    view._exchange.route, other._exchange.route = route, other_route
    assert KEYS.of(view, space) != KEYS.of(other, other_space)


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"m","messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"}]}',
        '{"model":"m","messages":[{"role":"user","content":"a"}],"a":{"x":1,"\\u0078":2}}',
        '{"model":"m","messages":[{"role":"user","content":"a"}],"a":' + "[" * 200 + "]" * 200 + "}",
        '{"model":"m","messages":[{"role":"user","content":"a"}],"a":"\\ud800"}',
        '{"model":"m","messages":[{"role":"user","content":"a"}],"a":1e999}',
        '{"model":"m","messages":[{"role":"user","content":"a"}],"a":' + "1" * 5000 + "}",
        '{"model":"m ","messages":[{"role":"user","content":"a"}]}',
        '{"model":"ｍ","messages":[{"role":"user","content":"a"}]}',
    ],
)
def test_what_two_readers_could_read_in_two_ways_has_no_key(body: str) -> None:
    """A request that engines may read otherwise than the gateway does is refused before it comes to a cache."""
    with pytest.raises(Problem):
        opened(body)
