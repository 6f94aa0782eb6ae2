"""One spelling per request: equal ones share it, and no two others do, whatever somebody writes into them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import Hmac, Manifest, NoConfig, Plugin, Principal
from yumen.canonical import NUMBER_MAX, canonical, options
from yumen.dialects import Dialect
from yumen.dialects.json import Json
from yumen.dialects.kserve import KServe
from yumen.dialects.openai import OpenAI
from yumen.errors import Problem
from yumen.forms import ExchangeState
from yumen.view import View

CHAT = "/v1/chat/completions"
APP = "/apps/shop/order"


def exchange(body: bytes, path: str = CHAT, dialect: Dialect | None = None, **knobs: Any) -> ExchangeState:
    """A request that a masking plugin has looked at and found nothing in."""
    dialect = dialect or OpenAI()
    payload = dialect.decode(path, body, depth_max=64, texts_max=10_000, **knobs)
    state = ExchangeState("0" * 32, time.time(), Principal("t", "a", "k"), payload)
    state.digest_mac, state.spoken, state.masking = Hmac(b"key"), dialect, "enforce"
    for text in state.texts:
        text.masked = text.raw
    return state


def spelled(body: bytes, path: str = CHAT, dialect: Dialect | None = None, **more: Any) -> bytes:
    knobs = {name: more.pop(name) for name in ("json_bytes",) if name in more}
    dialect = dialect or OpenAI()
    return canonical(exchange(body, path, dialect, **knobs), dialect, **more)


def app(body: bytes) -> bytes:
    return spelled(body, APP, Json())


def chat(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "你好"}], **more}).encode()


Draw = Callable[[st.SearchStrategy[Any]], Any]


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, their numbers by how they are written."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


NUMBERS = "0 -0 -0.0 0.0 1 1.0 1.00 1e2 1E2 1e+2 100 10e1 -1 0.1 0.10 1e300 18446744073709551615 18446744073709551616"
LITERALS = st.sampled_from([*NUMBERS.split(), "-9223372036854775809", "123456789012345678901234567890"]).map(Number)
WORDS = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    [
        "a",
        "b",
        "é",
        "e\u0301",
        "ﬁ",
        "fi",
        "Ａ",
        "A",
        "\u200b",
        "\x00",
        '"',
        "\\",
        "null",
        "1",
        "-0",
        "😀",
        "\ufffd",
        "你",
        "a" * 300,
    ]
)
LEAVES = st.none() | st.booleans() | LITERALS | WORDS
VALUES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS, below, max_size=3), max_leaves=6
)


def written(value: Any, draw: Draw) -> str:
    """JSON of a value, with blanks, escapes and an order of members by chance."""
    blank: str = draw(st.sampled_from(["", " ", "\n\t", "\r "]))
    if isinstance(value, dict):
        members = [f"{string(name, draw)}{blank}:{written(below, draw)}" for name, below in value.items()]
        ordered: list[str] = draw(st.permutations(members))
        return "{" + blank + ",".join(ordered) + blank + "}"
    if isinstance(value, list):
        return "[" + blank + f"{blank},".join(written(below, draw) for below in value) + "]"
    if isinstance(value, Number):
        return str(value)
    return string(value, draw) if isinstance(value, str) else json.dumps(value)


def string(value: str, draw: Draw) -> str:
    """A string with or without escapes that need not be."""
    if draw(st.booleans()):
        units = value.encode("utf-16-be").hex()
        return '"' + "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)) + '"'
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


def near(value: Any, draw: Draw) -> Any:
    """A value like another one: the same, or changed somewhere."""
    if draw(st.integers(0, 3)) == 0:
        return draw(VALUES)
    if isinstance(value, dict):
        return {name: near(below, draw) for name, below in value.items()}
    return [near(below, draw) for below in value] if isinstance(value, list) else value


@given(VALUES, st.data())
def test_equal_requests_have_one_spelling_and_no_others(value: Any, data: st.DataObject) -> None:
    """Blanks, escapes and order do not count; any other difference does, be it one digit, accent or kind of value."""
    other = near(value, data.draw)
    one, two = (app(written(each, data.draw).encode()) for each in (value, other))
    assert one != two or same(value, other), "two requests share a spelling"
    if same(value, other) and "-0" not in json.dumps(value):
        assert one == two


def test_digits_of_a_number_count() -> None:
    """No two numbers that are written otherwise are one, be it by a sign that a decoder drops; dates are no numbers."""
    written_so = ["0", "-0", "0.0", "-0.0", "0e0", "1", "1.0", "1e0", "1E0", "9007199254740993", "9007199254740992"]
    assert len({app(f'{{"a":{number}}}'.encode()) for number in written_so}) == len(written_so)
    assert app(b'{"a":"2024-01-0","b":-0.5}') == app(b'{"b":-0.5, "a":"2024-01-0"}')
    assert app(b'{"a":-0,"b":1}') != app(b'{"a":0,"b":1}')


@given(st.lists(VALUES, min_size=2, max_size=2), st.data())
def test_order_of_items_counts(items: list[Any], data: st.DataObject) -> None:
    """Arrays say something by their order."""
    turned = [*reversed(items)]
    one, two = (app(written(each, data.draw).encode()) for each in (items, turned))
    assert one != two or same(items, turned)


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.text(st.characters(codec="utf-8"), max_size=20))
def test_nothing_written_into_a_request_passes_for_another_part(one: str, other: str) -> None:
    """A text that holds the marks between parts, or looks like another member, is one text: no two of them are confused."""
    first, second = (chat(messages=[{"role": "user", "content": text}]) for text in (one, other))
    assert (spelled(first) == spelled(second)) == (one == other)
    split = [chat(messages=[{"role": "user", "content": text}]) for text in (one + other, one)]
    assert (spelled(split[0]) == spelled(split[1])) == (not other)


def test_marks_of_the_form_itself() -> None:
    """Somebody who knows how parts are framed cannot make one request of another's parts."""
    plain = spelled(chat())
    forged = chat(messages=[{"role": "user", "content": plain.decode("latin-1")}])
    assert spelled(forged) != plain
    assert len({spelled(chat(**{"x" * size: "y"})) for size in (1, 31, 32, 255, 256, 65535, 65536)}) == 7


def test_where_a_request_goes_counts() -> None:
    """Equal bodies to another path, model, dialect, engine, or in another version of one, are other requests."""
    body = chat(prompt="你好", input="你好")
    base = exchange(body)
    seen = {canonical(base, OpenAI())}
    for path in ("/v1/completions", "/v1/embeddings"):
        seen.add(spelled(body, path))
    seen.add(spelled(body, APP, Json()))
    seen.add(spelled(body, APP + "/2", Json()))
    seen.add(spelled(body.replace(b'"m"', b'"m2"')))

    later = OpenAI()
    later.version = "2"  # of this one object: nothing inherits from a compiled class
    seen.add(spelled(body, dialect=later))
    for member, value in (("engine", "other"), ("engine_version", "2"), ("engine_identity", b"2")):
        state = exchange(body)
        setattr(state, member, value)
        seen.add(canonical(state, OpenAI()))
    assert len(seen) == 10


def tensor(**more: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}, **more}


def test_bytes_behind_the_json_count() -> None:
    """Binary tensors are part of a request, and so are the model and version in its path."""
    head = json.dumps({"inputs": [tensor()]}).encode()
    path = "/v2/models/m/infer"
    seen = {spelled(head + tail, path, KServe(), json_bytes=len(head)) for tail in (b"\0\0\0\0", b"\0\0\0\1", b"1234")}
    for other in ("/v2/models/m/versions/1/infer", "/v2/models/m/versions/2/infer", "/v2/models/n/infer"):
        seen.add(spelled(head + b"1234", other, KServe(), json_bytes=len(head)))
    assert len(seen) == 6


def test_texts_in_binary_are_texts() -> None:
    """Strings in a binary tensor come to the spelling of the same strings in JSON, since engines get them so."""
    words = ["玉门", "关"]
    data = b"".join(len(word.encode()).to_bytes(4, "little") + word.encode() for word in words)
    binary = tensor(datatype="BYTES", parameters={"binary_data_size": len(data)}, shape=[2])
    head = json.dumps({"inputs": [binary]}).encode()
    plain = json.dumps({"inputs": [{**binary, "parameters": {}, "data": words}]}).encode()
    path = "/v2/models/m/infer"
    assert spelled(head + data, path, KServe(), json_bytes=len(head)) == spelled(plain, path, KServe())


def test_how_a_reply_is_sent_does_not_count() -> None:
    """Streamed or not, the same is asked; what does count among the options are those that change an answer."""
    plain = spelled(chat())
    assert spelled(chat(stream=True, stream_options={"include_usage": True})) == plain
    assert spelled(chat(temperature=0)) != plain


def test_members_may_be_left_out_at_the_top_only() -> None:
    """What policy leaves out is a member of the request, and not one of the same name further down."""
    plain = spelled(chat())
    assert spelled(chat(user="张三"), leave_out=("user",)) == plain
    assert spelled(chat(user="张三")) != plain
    deep = [chat(metadata={"user": name}) for name in ("张三", "李四")]
    assert spelled(deep[0], leave_out=("user",)) != spelled(deep[1], leave_out=("user",))
    assert spelled(b"[1]", APP, Json(), leave_out=("user",)) == app(b"[1]")


def ask(*texts: str) -> bytes:
    return chat(messages=[{"role": "user", "content": text} for text in texts])


def test_one_text_may_count_as_empty() -> None:
    """Two requests that differ in one text share the spelling without it, and in any other they do not."""
    path = "messages[1].content"
    without = spelled(ask("a", "天气"), without=path)
    assert spelled(ask("a", "weather"), without=path) == without == spelled(ask("a", ""))
    assert spelled(ask("b", "天气"), without=path) != without
    assert spelled(ask("a", "天气"), without="messages[2].content") == spelled(ask("a", "天气"))


@pytest.mark.parametrize("masked", ["玉[S_1]", None])
def test_what_counts_as_empty_still_leaves(masked: str | None) -> None:
    """The text is blanked in the spelling only: what the engine gets stays as the masking plugin has made it."""
    state = exchange(ask("a", "玉 SECRET"))
    state.texts[-1].masked = masked or state.texts[-1].raw
    before = state.to_engine()
    with_it = canonical(state, OpenAI())
    edits = dict(state.payload.document.edits)
    assert canonical(state, OpenAI(), (), "messages[1].content") != with_it
    assert state.payload.document.edits == edits
    assert state.to_engine() == before
    assert canonical(state, OpenAI()) == with_it
    assert (masked or "玉 SECRET").encode() in json.dumps(json.loads(before), ensure_ascii=False).encode()


def test_names_and_nested_json_are_not_blanked() -> None:
    """A name that were blank could be another's, and so could arguments inside a string: they count all the same."""
    first, second = (b'{"a":1,"x":"q"}', b'{"b":1,"x":"q"}')
    assert spelled(first, APP, Json(), without="{0}") != spelled(second, APP, Json(), without="{0}")
    named = [json.dumps({"a": word, "": 1}).encode() for word in ("q", "r")]
    assert spelled(named[0], APP, Json(), without="{0}") == spelled(named[1], APP, Json(), without="{0}")
    calls = [
        chat(messages=[{"role": "assistant", "tool_calls": [{"function": {"arguments": json.dumps({"c": city})}}]}])
        for city in ("敦煌", "嘉峪关")
    ]
    path = next(text.path for text in exchange(calls[0]).texts if text.raw == "敦煌")
    assert spelled(calls[0], without=path) != spelled(calls[1], without=path)


def masked(body: bytes, words: dict[str, str], path: str = APP, dialect: Dialect | None = None) -> bytes:
    dialect = dialect or Json()
    state = exchange(body, path, dialect)
    for text in state.texts:
        text.masked = words.get(text.raw, text.raw)
    return canonical(state, dialect)


def test_it_is_the_masked_form() -> None:
    """Requests that an engine cannot tell apart have one spelling, and nothing raw stands in it."""
    words = {"13812345678": "[PHONE]", "13987654321": "[PHONE]"}
    one, other = (json.dumps({"say": number}).encode() for number in words)
    assert masked(one, words) == masked(other, words) == app(b'{"say":"[PHONE]"}')
    assert b"138" not in masked(one, words)


def test_names_that_become_alike_are_not_lost() -> None:
    """Where masking makes two names of an object one, an engine still gets both members, and both count."""
    words = {"张三": "[NAME]", "李四": "[NAME]"}
    seen = {masked(json.dumps({"张三": n, "李四": 2}).encode(), words) for n in (1, 9)}
    assert len({*seen, app(b'{"[NAME]":2}')}) == 3


def test_only_a_masked_form_has_a_spelling() -> None:
    """Where no masking plugin has enforced there is nothing to compare by, for the function and for any plugin."""
    for masking in ("none", "shadow", "partly"):
        state = exchange(chat())
        state.masking = masking
        with pytest.raises(PermissionError):
            canonical(state, OpenAI())
        for sees in ("masked", "raw"):
            with pytest.raises(PermissionError):
                View(state, "x", Manifest(name="x", version="1", sees=sees)).canonical()


@given(st.binary(max_size=30))
def test_what_is_no_json_has_no_spelling(body: bytes) -> None:
    """Half a surrogate, bad UTF-8, a name that stands twice: what could be read in two ways never gets so far."""
    for bad in (b'{"a":"\\ud800"}', b'{"a":1,"a":2}', b'{"a":"\xed\xa0\x80"}', b'{"a":NaN}', b'{"a":1', b"1" * 5000):
        with pytest.raises(Problem):
            exchange(bad, APP, Json())
    try:
        state = exchange(body, APP, Json())
    except Problem:
        return
    assert canonical(state, Json())


def opted(**more: Any) -> dict[str, Any]:
    return dict(options(exchange(chat(**more)), OpenAI()))


def test_options_say_what_is_asked_for_beside_text() -> None:
    """Numbers and truths as they are, of lists and objects their length, of a string only that there is one."""
    asked = opted(temperature=0.7, n=2, seed=7, logprobs=False, tools=[{}, {}], logit_bias={"50256": -100}, store="yes")
    expected = {"temperature": 0.7, "n": 2, "seed": 7, "logprobs": False, "tools": 2, "logit_bias": 1, "store": True}
    assert asked == expected
    assert type(asked["logprobs"]) is bool
    assert opted(temperature=None, tools=[]) == {"tools": 0}
    assert options(exchange(b"[1]", APP, Json()), Json()) == {}


@given(
    st.sampled_from(sorted(OpenAI().options)),
    VALUES.map(str) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_no_option_can_be_somebody_s(name: str, value: Any) -> None:
    """An option shows six digits at most, and of a string nothing: neither a phone nor an identity number fits in."""
    try:
        shown = opted(**{name: value})[name]
    except Problem:
        assert name == "n"
        return
    assert type(shown) in (int, float, bool)
    assert abs(shown) <= NUMBER_MAX
    digits = f"{shown:.17g}" if type(shown) is int else f"{shown!r}".partition("e")[0]
    assert len(digits.strip("-").replace(".", "").strip("0")) <= 6


def test_undeclared_members_are_no_options() -> None:
    """Only declared names are looked for, so that no name of the caller's own shows."""
    assert opted(手机=13812345678, phone=1, stream=True, user="u") == {}
    huge = opted(seed=13812345678, temperature=0.13812345678, top_p=138.12345678)
    assert huge == {"seed": NUMBER_MAX, "temperature": 0.138123, "top_p": 138.123}


class Reader(Plugin[NoConfig]):
    """Sees what it may."""

    manifest = Manifest(name="reader", version="1", sees="masked")


def test_a_plugin_gets_the_same() -> None:
    """What a plugin is given by its view is this spelling, of the dialect that the exchange speaks."""
    state = exchange(chat(user="张三", temperature=0.5))
    view = View(state, "reader", Reader.manifest)
    leave_out: Collection[str] = ("user",)
    assert view.canonical(leave_out=leave_out) == canonical(state, OpenAI(), leave_out)
    assert view.canonical(without="messages[0].content") == canonical(state, OpenAI(), (), "messages[0].content")
    assert view.options == {"temperature": 0.5}
