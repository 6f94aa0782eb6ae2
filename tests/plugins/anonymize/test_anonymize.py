"""The plugin on real exchanges: masking, restoring, streams cut anywhere, and the bugs that others had."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presidio_anonymizer import AnonymizerEngine, OperatorConfig, RecognizerResult
from tests.plugins.anonymize.running import INTERPRETED, MAIL, OTHER, PHONE, anonymize, spoken

from yumen import Hmac, Secret
from yumen.parts import Parts
from yumen.testing import Call, Harness, Outcome, Piece, ToolArguments, UnitHost, Used, chat
from yumen_plugins.anonymize import Anonymize
from yumen_plugins.anonymize import pseudonym as pseudonym_module
from yumen_plugins.anonymize.config import AnonymizeConfig
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.operators import Hash, Mask, Pseudonym, Redact
from yumen_plugins.anonymize.prefilter import automata
from yumen_plugins.anonymize.pseudonym import TOKEN, Pseudonyms
from yumen_plugins.anonymize.replies import ReplyFilter
from yumen_plugins.anonymize.restore import escaped
from yumen_plugins.anonymize.scan import Scanner

SCANNER = Scanner(CATALOGUE)


async def run(asked: str | Call, *says: Piece, **config: Any) -> Outcome:
    """One exchange with a remote engine that says this."""
    async with Harness.of_chain(Used(Anonymize, config), egress="remote") as harness:
        harness.engine.says(*says)
        return await harness.ask(chat(asked) if isinstance(asked, str) else asked)


def tokens(text: str) -> list[str]:
    return [match[0] for match in TOKEN.finditer(text)]


def token_of(value: str) -> str:
    """The pseudonym that the tenant of the kit's exchanges has for a value."""
    names = Pseudonyms(Hmac(UnitHost().secret("anonymize", "test")))
    (hit,) = SCANNER.scan([value])[0]
    return names.token(hit, value)


async def test_masked_for_the_engine_restored_for_the_client() -> None:
    """The engine gets pseudonyms, the client its values, the ledger neither value."""
    echoed = f"noted {token_of(PHONE)} and {token_of(MAIL)}"
    outcome = await run(f"电话{PHONE}，邮箱{MAIL}谢谢", echoed)
    outcome.assert_answered(f"noted {PHONE} and {MAIL}")
    outcome.assert_engine_did_not_get(PHONE, MAIL)
    assert not any(value in str(outcome.record) for value in (PHONE, MAIL))
    assert sorted(outcome.findings) == ["cn.mobile", "email"]


async def test_one_value_has_one_pseudonym_and_two_have_two() -> None:
    """The same value twice, also spelt otherwise, is one pseudonym; two people in two messages are two."""
    messages = [
        {"role": "user", "content": f"{PHONE} or {PHONE}"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": f"+86 138-1234-5678 is not {OTHER}"},
    ]
    outcome = await run(chat(*messages), f"{token_of(OTHER)} then {token_of(PHONE)} then {token_of(PHONE)}")
    assert tokens(spoken(outcome)) == [token_of(PHONE)] * 3 + [token_of(OTHER)]
    outcome.assert_answered(f"{OTHER} then {PHONE} then {PHONE}")


def test_pseudonyms_are_stable_closed_and_of_the_tenant() -> None:
    """A pseudonym depends on tenant and value alone, and none is the beginning of another."""
    values = [f"138{number:08d}" for number in range(300)]

    def named(tenant: str) -> list[str]:
        names = Pseudonyms(Hmac(UnitHost().secret("anonymize", tenant)))
        return [names.token(SCANNER.scan([value])[0][0], value) for value in values]

    first = named("a")
    assert named("a") == first
    assert not set(named("b")) & set(first)
    assert len(set(first)) == len(values)
    assert not any(one != other and other.startswith(one) for one in first for other in first)


@INTERPRETED
def test_a_collision_never_restores_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two values would share a pseudonym, the second gets another one."""
    monkeypatch.setattr(pseudonym_module, "code", lambda mac, kind, value, attempt=0: f"000000000{attempt}")
    names = Pseudonyms(Hmac(b"k"))
    made = [names.token(SCANNER.scan([value])[0][0], value) for value in (PHONE, OTHER, PHONE)]
    assert made == ["<CN_MOBILE_0000000000>", "<CN_MOBILE_0000000001>", "<CN_MOBILE_0000000000>"]
    restored = [names.value(match) for match in TOKEN.finditer("".join(made))]
    assert restored == [PHONE, OTHER, PHONE]


async def test_only_ones_own_pseudonyms_are_restored() -> None:
    """A pseudonym that is not of this exchange stays as it is: nobody is given what he did not send."""
    foreign = token_of(OTHER)
    outcome = await run(f"what is {foreign}? I am {PHONE}", f"{foreign} {token_of(PHONE)}")
    outcome.assert_engine_got(foreign)
    outcome.assert_answered(f"{foreign} {PHONE}")


@pytest.mark.parametrize("text", ["<P_1> and <P_10>", "a.b*c(d)[e]\\1 $0 {x}", "<EMAIL_>", "<", "<<EMAIL_0123456789>"])
async def test_other_text_is_never_touched(text: str) -> None:
    """Text that looks like somebody's placeholder or like a pattern passes byte for byte, both ways."""
    outcome = await run(f"{text} {PHONE}", f"{text} {token_of(PHONE)}")
    assert spoken(outcome) == f"{text} {token_of(PHONE)}"
    outcome.assert_answered(f"{text} {PHONE}")


async def test_labels_may_change_case() -> None:
    """A model that changes the case of a label is still understood; its code must be right."""
    token = token_of(PHONE)
    lower = token.replace("CN_MOBILE", "cn_mobile")
    wrong = token[:-2] + ("0" if token[-2] != "0" else "1") + ">"
    outcome = await run(PHONE, f"{lower} {wrong}")
    outcome.assert_answered(f"{PHONE} {wrong}")


async def test_tool_arguments_stay_json() -> None:
    """In tool arguments of requests and replies values are exchanged inside the JSON."""
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"p": PHONE, "n": int(PHONE)})},
    }
    asked = chat("x", {"role": "assistant", "tool_calls": [call]})
    outcome = await run(asked, ToolArguments((json.dumps({"to": token_of(PHONE), "q": 'say "hi"'}),)))
    assert outcome.given is not None
    sent = json.loads(json.loads(outcome.given.body)["messages"][1]["tool_calls"][0]["function"]["arguments"])
    assert sent == {"p": token_of(PHONE), "n": token_of(PHONE)}
    assert json.loads(outcome.text) == {"to": PHONE, "q": 'say "hi"'}


async def test_media_is_refused() -> None:
    """What cannot be inspected does not pass, unless policy says otherwise."""
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    outcome = await run(chat({"role": "user", "content": content}), "x")
    outcome.assert_failed("unsupported_payload")
    outcome.assert_engine_not_asked()


@pytest.mark.parametrize("stream", [False, True])
async def test_new_personal_data_in_a_reply(stream: bool) -> None:
    """What the engine makes up reaches the client as written, is found, and is masked in what is stored."""
    outcome = await run(chat("hi", stream=stream), "call 139", "12345678 now")
    outcome.assert_answered(f"call {OTHER} now")
    assert OTHER not in str(outcome.record)
    assert outcome.record is not None
    assert [(finding.rule, finding.direction) for finding in outcome.record.findings] == [("cn.mobile", "reply")]


@pytest.mark.parametrize("stream", [False, True])
async def test_shadow_keeps_the_stores_clean(stream: bool) -> None:
    """In shadow the engine gets raw text and so may write it; the stores still hold none."""
    async with anonymize(mode="shadow") as harness:
        harness.engine.says(f"your {PHONE}")
        outcome = await harness.ask(chat(PHONE, stream=stream))
        harness.assert_no_trace_of(PHONE)
    outcome.assert_engine_got(PHONE)
    outcome.assert_answered(f"your {PHONE}")
    assert PHONE not in str(outcome.record)


@pytest.mark.parametrize(
    ("action", "masked"),
    [
        ({"default": "redact"}, "[CN_MOBILE] [EMAIL]"),
        ({"cn.*": "mask", "email": "redact"}, "*******5678 [EMAIL]"),
        ({"cn.mobile": "mask", "cn.*": "redact", "default": "mask"}, "*******5678 *************.com"),
    ],
)
async def test_actions_by_detector(action: dict[str, Any], masked: str) -> None:
    """An exact id beats a glob, a glob beats the default; these actions have no way back."""
    outcome = await run(f"{PHONE} {MAIL}", masked, action=action)
    assert spoken(outcome) == masked
    outcome.assert_answered(masked)


class Elsewhere(Harness):
    """A gateway with a secret of its own."""

    def make_parts(self, secret: Secret) -> Parts:
        return super().make_parts(Secret(b"s" * 32))


async def test_hashes_are_keyed_and_stable() -> None:
    """The action `hash` gives one code for one value under one secret, and another under another."""
    seen = []
    for gateway in (Harness, Harness, Elsewhere):
        async with gateway.of(Anonymize, {"action": {"default": "hash"}}) as harness:
            seen.append(spoken(await harness.ask(chat(PHONE))))
    assert seen[0] == seen[1] != seen[2]
    assert seen[0].startswith("[CN_MOBILE#")


def test_the_operators_work_in_a_stock_engine() -> None:
    """Whoever knows presidio-anonymizer can use our operators in its engine, with the same results."""
    names = Pseudonyms(Hmac(b"k"))
    (hit,) = SCANNER.scan([PHONE])[0]
    params = {"hit": hit, "pseudonyms": names, "mac": Hmac(b"k"), "keep_last": 4}
    text = f"call {PHONE} now"
    results = [RecognizerResult("PHONE", 5, 16, 1.0)]
    for operator in (Pseudonym, Redact, Mask, Hash):
        engine = AnonymizerEngine()  # type: ignore[no-untyped-call]  # its constructor has no annotations
        engine.add_anonymizer(operator)
        config = {"PHONE": OperatorConfig(operator().operator_name(), params)}
        out = engine.anonymize(text, results, config, merge_entities_with_spaces=False)
        assert out.text == f"call {operator().operate(PHONE, params)} now"


def pseudonyms() -> Pseudonyms:
    names = Pseudonyms(Hmac(UnitHost().secret("anonymize", "test")))
    for value in (PHONE, MAIL):
        names.token(SCANNER.scan([value])[0][0], value)
    return names


def mask(text: str) -> str:
    return text.replace(OTHER, "[X]")


def stream(pieces: list[str], *, source: bool) -> tuple[list[str], str]:
    """What a filter lets go after each piece, and the masked form."""
    filter_ = ReplyFilter(pseudonyms(), mask, None, source=source)
    out, masked, held = [], "", 0
    for piece in pieces:
        out.append(filter_.feed(piece))
        masked += filter_.masked()
        held = 0 if out[-1] else held + len(piece)
        assert held <= filter_.hold_max + len(piece)
    out.append(filter_.finish())
    return out, masked + filter_.masked()


T1, T2 = token_of(PHONE), token_of(MAIL)
PLAIN = f"你好 {T1}，mail {T2}{T1} <b> a<b <EMAIL_000 {OTHER} end <EMAIL_"
SOURCE = (
    json.dumps({"a": f"{T1} \\ {T2}", "b": "x\n\u003c"}).replace(f"<{T2[1:-1]}>", rf"\u003c{T2[1:-1]}\u003E")
    + "\\u003cEM"
)


@pytest.mark.parametrize(("whole", "source"), [(PLAIN, False), (SOURCE, True)], ids=["plain", "source"])
def test_every_split_point(whole: str, source: bool) -> None:
    """Cut in two at every place, the parts together are the whole restored, and no part of a pseudonym is let out."""
    expected, expected_masked = stream([whole], source=source)
    assert PHONE in "".join(expected)
    assert MAIL in "".join(expected)
    for place in range(len(whole) + 1):
        out, masked = stream([whole[:place], whole[place:]], source=source)
        assert "".join(out) == "".join(expected), place
        assert masked == expected_masked
        assert not any(T1[:6] in one or T2[:6] in one for one in out[:1]) or source or "<EMAIL_000" in out[0]


@settings(max_examples=200)
@given(st.lists(st.integers(0, 200), max_size=10), st.sampled_from([(PLAIN, False), (SOURCE, True)]))
def test_any_cutting(places: list[int], case: tuple[str, bool]) -> None:
    """Cut anywhere any number of times, the result is the same."""
    whole, source = case
    edges = sorted({0, len(whole), *(place % len(whole) for place in places)})
    pieces = [whole[edges[index] : edges[index + 1]] for index in range(len(edges) - 1)]
    assert "".join(stream(pieces, source=source)[0]) == "".join(stream([whole], source=source)[0])


def test_values_are_escaped_in_json_source() -> None:
    """What is put into JSON source is written as JSON writes it."""
    assert escaped('a"b\\c\n') == 'a\\"b\\\\c\\n'


async def test_other_exchanges_go_on_while_patterns_are_compiled() -> None:
    """A reload that builds a scanner leaves the event loop free: a ledger that waits too long is a fault."""
    automata.cache_clear()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    beating = asyncio.create_task(beat())
    await Anonymize(AnonymizeConfig(detect=["secret.*", "net.*"])).start(UnitHost())
    beating.cancel()
    assert beats > 5
