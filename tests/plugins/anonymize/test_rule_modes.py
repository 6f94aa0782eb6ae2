"""Single rules in shadow or off: they never change what the rules that enforce do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lengths import times
from tests.plugins.anonymize.running import ADDRESS, CARD, MAIL, OTHER, PHONE, anonymize, pattern, send

from yumen import Mode
from yumen.testing import Harness, UnitHost, chat, seen_by
from yumen_plugins.anonymize import Anonymize
from yumen_plugins.anonymize.config import Action, AnonymizeConfig
from yumen_plugins.anonymize.detectors import CATALOGUE

IDENTITY, DOUBTFUL = "110101199003077213", "证件号 110101199003077219"
OWN = [
    pattern("acme.order", "DD[0-9 ]{4,}[0-9]"),
    pattern("acme.number", "[0-9]{6,}"),
    pattern("acme.staff", r"工号[:：]?\s*E[0-9]{4}", action="redact"),
    pattern("acme.mail", "[a-z.]+@example"),
]
RULES = [detector.id for detector in CATALOGUE] + [one.id for one in OWN]
# The detectors that read anything in the texts below: subsets of them make a difference far more often than those of all.
READERS = ["cn.mobile", "email", "cn.id_card", "bank_card", "person.id_number", "ip", "cn.vin"]
MEETING = [*READERS, *(one.id for one in OWN)]
PIECES = st.sampled_from(
    [PHONE, OTHER, MAIL, CARD, ADDRESS, IDENTITY, DOUBTFUL, f"DD{PHONE}", f"DD 12{CARD}", f"{PHONE}@example.com",
     "工号：E1234", "工号Ｅ１２３４", " ", "，", "和", "DD", "12", "卡号", "\u200b", "　", "a.b"]
)  # fmt: skip
TEXTS = st.lists(PIECES, min_size=1, max_size=6).map("".join)


async def forwarded(harness: Harness, texts: list[str]) -> list[tuple[str, str]]:
    """The engine's form and the ledger's form of texts."""
    async with harness:
        sent = [await send(harness, text) for text in texts]
    return [(one.forwarded, one.stored) for one in sent]


async def compare(texts: list[str], detect: list[str], shadow: set[str], keeps: set[str], mixed: bool) -> None:
    """What the engine gets is the same whether rules are in shadow, or some of them off, or not there at all."""
    action: dict[str, Action] = {rule: "keep" for rule in keeps if rule != "acme.staff"}
    quiet: dict[str, Mode] = {
        rule: "off" if mixed and index % 2 else "shadow" for index, rule in enumerate(sorted(shadow))
    }
    config: dict[str, Any] = {"detect": detect, "patterns": OWN, "action": action}
    some_quiet = await forwarded(anonymize(quiet, **config), texts)
    absent = [(text, text) for text in texts]
    # No route takes a plugin of which no rule is left.
    if not shadow.issuperset([*detect, *(one.id for one in OWN)]):
        absent = await forwarded(anonymize(dict.fromkeys(shadow, "off"), **config), texts)
    for (engine_form, _), (expected, enforced_alone) in zip(some_quiet, absent, strict=True):
        assert engine_form == expected == enforced_alone


# To compile a scanner takes far longer than to ask it: what is drawn for one is tried on several texts.
SEVERAL = st.lists(TEXTS, min_size=5, max_size=5)


@pytest.mark.long
@settings(max_examples=times(16, long=200), deadline=None)
@given(SEVERAL, st.sets(st.sampled_from(MEETING)), st.sets(st.sampled_from(MEETING)), st.booleans())
def test_any_subset_in_shadow_leaves_exactly_the_enforced_edits(
    texts: list[str], shadow: set[str], keeps: set[str], mixed: bool
) -> None:
    """The engine gets what it would get if the rules in shadow were not there at all; so do rules that are off."""
    asyncio.run(compare(texts, READERS, shadow, keeps, mixed))


@pytest.mark.long
@settings(max_examples=times(2, long=100), deadline=None)
@given(SEVERAL, st.sets(st.sampled_from(RULES)), st.sets(st.sampled_from(RULES)), st.booleans())
def test_so_it_is_beside_all_other_rules(texts: list[str], shadow: set[str], keeps: set[str], mixed: bool) -> None:
    """The same, with every detector of the catalogue and any of them in shadow."""
    asyncio.run(compare(texts, [detector.id for detector in CATALOGUE], shadow, keeps, mixed))


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.sets(st.sampled_from(RULES)))
def test_stores_get_at_least_what_is_enforced(text: str, shadow: set[str]) -> None:
    """In the form for stores every character that the enforced rules take is taken, and rules in shadow take more."""

    async def compare() -> None:
        quiet: dict[str, Mode] = dict.fromkeys(shadow, "shadow")
        harness = anonymize(quiet, patterns=OWN, action={"default": "mask"}, mask_keep_last=0)
        ((engine_form, stored),) = await forwarded(harness, [text])
        if "工号" not in text:  # its rule has an action that changes the length
            assert len(stored) == len(engine_form) == len(text)
            assert all(kept == "*" for masked, kept in zip(engine_form, stored, strict=True) if masked == "*")
            assert all(kept in ("*", raw) for raw, kept in zip(text, stored, strict=True))

    asyncio.run(compare())


async def test_a_rule_in_shadow_wins_no_overlap() -> None:
    """A better reading in shadow does not take the place of the one that enforces, and is not reported there."""
    async with anonymize({"email": "shadow"}) as harness:
        sent = await send(harness, f"{PHONE}@example.com 与 {MAIL}")
    assert PHONE not in sent.forwarded
    assert sent.forwarded.endswith(f"@example.com 与 {MAIL}")
    assert MAIL not in sent.stored
    assert sent.findings == [("cn.mobile", False), ("email", True)]


async def test_switched_off_for_good_is_not_looked_for() -> None:
    """What policy has switched off wins no overlap and finds nothing, in requests, replies and streams."""
    async with anonymize({"email": "off"}) as harness:
        sent = await send(harness, f"{PHONE}@example.com")
        streamed = await send(harness, "hi", f"写给{MAIL}", stream=True)
    assert sent.findings == [("cn.mobile", False)]
    assert (streamed.findings, streamed.record.reply) == ([], (f"写给{MAIL}",))


async def test_everything_may_be_switched_off() -> None:
    """With no rule left the plugin lets text pass and finds nothing."""
    own = [pattern("acme.a", "工号")]
    text = f"工号 {PHONE} 工号"
    config: dict[str, Any] = {"detect": ["cn.mobile"], "patterns": own}
    # No route takes a plugin that masks nothing: it is asked by itself, and again beside a rule that finds nothing here.
    plugin = Anonymize(AnonymizeConfig(**config))
    await plugin.start(UnitHost(disabled=["cn.mobile", "acme.a"]))
    asked = seen_by(Anonymize, chat(text), {"cn.mobile": "off", "acme.a": "off"})
    assert await plugin.on_request(asked) is None
    assert asked.findings == []
    beside = {**config, "detect": ["cn.mobile", "email"]}
    async with anonymize({"cn.mobile": "off", "acme.a": "off"}, **beside) as harness:
        sent = await send(harness, text)
    assert (sent.forwarded, sent.findings) == (text, [])


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_replies_follow_the_same_modes(mode: Mode) -> None:
    """What the engine made up is masked for stores by rules that enforce or are in shadow, and not by those that are off."""
    async with anonymize({"email": mode}) as harness:
        sent = await send(harness, "hi", f"call {OTHER} or ", f"write to {MAIL}", stream=True)
    assert sent.outcome.text == f"call {OTHER} or write to {MAIL}"
    (kept,) = sent.record.reply
    assert OTHER not in kept
    assert (MAIL in kept) is (mode == "off")
    assert sent.findings == [("cn.mobile", False)] + ([("email", True)] if mode == "shadow" else [])


class Counting:
    """Says that every rule enforces, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, rule: str) -> str:
        self.asked.append(rule)
        return "enforce"


async def test_modes_are_asked_for_what_was_found() -> None:
    """Text in which nothing is found asks for no mode, so that shadow costs nothing where there is none."""
    mode = Counting()
    async with anonymize(patterns=OWN) as harness:
        scanner = harness.plugin()._finder.scanner
    assert scanner.scan(["一切都好。All is well.", "工号"], mode) == [[], []]
    assert mode.asked == []
    scanner.scan([PHONE, "x"], mode)
    assert set(mode.asked) == {"cn.mobile", "acme.number"}


def test_a_default_has_no_place() -> None:
    """Each active detector and pattern is a rule, at the entry that first names it; what nobody wrote stands nowhere."""
    own = [pattern("acme.a", "工号", description="a number of ours")]
    rules = Anonymize(AnonymizeConfig(patterns=own)).rules()
    assert [(rule.id, rule.path) for rule in rules] == [
        *((detector.id, ()) for detector in CATALOGUE),
        ("acme.a", ("patterns", 0)),
    ]
    assert all(rule.description for rule in rules)
    rules = Anonymize(AnonymizeConfig(detect=["email", "cn.*", "*"], patterns=own)).rules()
    paths = {rule.id: rule.path for rule in rules}
    assert paths["email"] == ("detect", 0)
    assert paths["cn.id_card"] == paths["cn.mobile"] == ("detect", 1)
    assert paths["bank_card"] == paths["ip"] == ("detect", 2)
    assert paths["acme.a"] == ("patterns", 0)
    assert [rule.path for rule in Anonymize(AnonymizeConfig(detect=["*"])).rules()] == [("detect", 0)] * len(CATALOGUE)
