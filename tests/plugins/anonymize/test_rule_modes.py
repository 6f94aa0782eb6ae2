"""Single rules in shadow or off: they never change what the rules that enforce do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit import chunk
from tests.lengths import times
from tests.plugins.anonymize.running import ADDRESS, CARD, MAIL, OTHER, PHONE, pattern, ruled, send, started

from yumen import Mode
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
PIECES = st.sampled_from(
    [PHONE, OTHER, MAIL, CARD, ADDRESS, IDENTITY, DOUBTFUL, f"DD{PHONE}", f"DD 12{CARD}", f"{PHONE}@example.com",
     "工号：E1234", "工号Ｅ１２３４", " ", "，", "和", "DD", "12", "卡号", "\u200b", "　", "a.b"]
)  # fmt: skip
TEXTS = st.lists(PIECES, min_size=1, max_size=6).map("".join)


async def forwarded(text: str, plugin: Anonymize, modes: dict[str, Mode]) -> tuple[str, str]:
    """The engine's form and the ledger's form of a text."""
    sent = await send(ruled(plugin, modes), text)
    return sent.forwarded, sent.stored


@settings(max_examples=times(60, long=200), deadline=None)
@given(TEXTS, st.sets(st.sampled_from(RULES)), st.sets(st.sampled_from(RULES)), st.booleans())
def test_any_subset_in_shadow_leaves_exactly_the_enforced_edits(
    text: str, shadow: set[str], keeps: set[str], mixed: bool
) -> None:
    """The engine gets what it would get if the rules in shadow were not there at all; so do rules that are off."""
    action: dict[str, Action] = {rule: "keep" for rule in keeps if rule != "acme.staff"}
    quiet: dict[str, Mode] = {
        rule: "off" if mixed and index % 2 else "shadow" for index, rule in enumerate(sorted(shadow))
    }

    async def compare() -> None:
        plugin = await started(patterns=OWN, action=action)
        absent = await started(frozenset(shadow), patterns=OWN, action=action)
        engine_form, _ = await forwarded(text, plugin, quiet)
        expected, enforced_alone = await forwarded(text, absent, {})
        assert engine_form == expected == enforced_alone

    asyncio.run(compare())


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.sets(st.sampled_from(RULES)))
def test_stores_get_at_least_what_is_enforced(text: str, shadow: set[str]) -> None:
    """In the form for stores every character that the enforced rules take is taken, and rules in shadow take more."""

    async def compare() -> None:
        plugin = await started(patterns=OWN, action={"default": "mask"}, mask_keep_last=0)
        engine_form, stored = await forwarded(text, plugin, dict.fromkeys(shadow, "shadow"))
        if "工号" not in text:  # its rule has an action that changes the length
            assert len(stored) == len(engine_form) == len(text)
            assert all(kept == "*" for masked, kept in zip(engine_form, stored, strict=True) if masked == "*")
            assert all(kept in ("*", raw) for raw, kept in zip(text, stored, strict=True))

    asyncio.run(compare())


async def test_a_rule_in_shadow_wins_no_overlap() -> None:
    """A better reading in shadow does not take the place of the one that enforces, and is not reported there."""
    plugin = await started()
    sent = await send(ruled(plugin, {"email": "shadow"}), f"{PHONE}@example.com 与 {MAIL}")
    assert PHONE not in sent.forwarded
    assert sent.forwarded.endswith(f"@example.com 与 {MAIL}")
    assert MAIL not in sent.stored
    assert sent.findings == [("cn.mobile", False), ("email", True)]


async def test_switched_off_for_good_is_not_looked_for() -> None:
    """What policy has switched off wins no overlap and finds nothing, in requests, replies and streams."""
    plugin = await started(frozenset({"email"}))
    sent = await send(ruled(plugin, {"email": "off"}), f"{PHONE}@example.com")
    assert sent.findings == [("cn.mobile", False)]
    streamed: list[Any] = [chunk(f"写给{MAIL}"), chunk(finish="stop")]
    sent = await send(ruled(plugin, {"email": "off"}), "hi", streamed, stream=True)
    assert (sent.findings, sent.record["reply"]) == ([], [f"写给{MAIL}"])


async def test_everything_may_be_switched_off() -> None:
    """With no rule left the plugin lets text pass and finds nothing."""
    own = [pattern("acme.a", "工号")]
    plugin = await started(frozenset({"cn.mobile", "acme.a"}), detect=["cn.mobile"], patterns=own)
    sent = await send(ruled(plugin, {"cn.mobile": "off", "acme.a": "off"}), f"工号 {PHONE} 工号", stream=False)
    assert (sent.forwarded, sent.findings) == (f"工号 {PHONE} 工号", [])


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_replies_follow_the_same_modes(mode: Mode) -> None:
    """What the engine made up is masked for stores by rules that enforce or are in shadow, and not by those that are off."""
    plugin = await started()
    streamed: list[Any] = [chunk(f"call {OTHER} or "), chunk(f"write to {MAIL}"), chunk(finish="stop")]
    sent = await send(ruled(plugin, {"email": mode}), "hi", streamed, stream=True)
    assert sent.outcome.channel() == f"call {OTHER} or write to {MAIL}"
    (kept,) = sent.record["reply"]
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
    plugin = await started(patterns=OWN)
    mode = Counting()
    assert plugin._finder.scanner.scan(["一切都好。All is well.", "工号"], mode) == [[], []]
    assert mode.asked == []
    plugin._finder.scanner.scan([PHONE, "x"], mode)
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
