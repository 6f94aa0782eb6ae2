"""What a configuration is told about itself: names, patterns and entries that never apply, each at its place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.plugins.anonymize.running import pattern

from yumen_plugins.anonymize import Anonymize
from yumen_plugins.anonymize.config import PATTERN_CHARS_MAX, PATTERNS_MAX, AnonymizeConfig
from yumen_plugins.anonymize.detector import label_of
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.pseudonym import LABEL_MAX, TOKEN


def lints(**config: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Places and codes of what a configuration is told."""
    told = Anonymize(AnonymizeConfig(**config)).lint()
    assert all(one.what and one.fix for one in told)
    return [(one.path, f"wrong {one.code}" if one.wrong else one.code) for one in told]


def test_what_is_fine_is_told_nothing() -> None:
    """Defaults, several entries and patterns that all do something draw no remark."""
    assert lints() == []
    assert lints(detect=["cn.*", "email"], action={"default": "mask", "cn.mobile": "hash", "cn.*": "block"}) == []
    own = [pattern("acme.a", "工号"), pattern("acme.b", "(?i)falcon", action="keep", context=["plan"])]
    assert lints(patterns=own, action={"acme.a": "block", "acme.*": "keep", "*": "redact"}) == [
        (("action", "acme.*"), "shadowed-rule")
    ]
    assert lints(patterns=own, action={"acme.a": "block", "*": "redact"}) == []


def test_all_patterns_are_told_about_at_once() -> None:
    """Patterns that cannot run do not keep the plugin from being made, and each is named with its place."""
    own = [pattern("acme.a", "(?<=x)a"), pattern("acme.b", "b"), pattern("acme.c", "c*"), pattern("acme.d", "(d")]
    assert lints(patterns=own) == [(("patterns", index, "pattern"), "wrong regex") for index in (0, 2, 3)]


@pytest.mark.parametrize(
    ("ids", "places"),
    [
        (["cn.mobile"], [0]),  # a detector's
        (["cn.id.card"], [0]),  # a detector's label
        (["acme.a", "acme.b", "acme.a"], [2]),
        (["acme.a_b", "acme.a.b"], [1]),
        ([f"acme.{'a' * (LABEL_MAX - 5)}"], []),
        ([f"acme.{'a' * (LABEL_MAX - 4)}"], [0]),
        (["acme.a\n"], [0]),
    ],
)
def test_names_and_labels_are_unique_and_short(ids: list[str], places: list[int]) -> None:
    """A pattern has a name and a label of its own, so that findings and pseudonyms say which it was."""
    own = [pattern(one, "工号") for one in ids]
    assert lints(patterns=own) == [(("patterns", index, "id"), "wrong config") for index in places]
    if not places:
        assert all(TOKEN.fullmatch(f"<{label_of(one)}_0123456789>") for one in ids)


def test_labels_of_detectors_fit() -> None:
    """Every detector's pseudonym has a label that is found again, and its own."""
    labels = [detector.label for detector in CATALOGUE]
    assert max(map(len, labels)) <= LABEL_MAX
    assert len(set(labels)) == len(labels)


def test_characters_that_texts_never_hold() -> None:
    """A pattern with full-width digits or an ideographic blank would wait for ever: texts are spelt plainly."""
    assert lints(patterns=[pattern("acme.a", "工号　[０-９]+")]) == [(("patterns", 0, "pattern"), "config")]


@pytest.mark.parametrize(
    ("config", "places"),
    [
        ({"detect": ["*", "cn.mobile", "email"]}, [("detect", 1), ("detect", 2)]),
        ({"detect": ["cn.mobile", "cn.*", "cn.*"]}, [("detect", 2)]),
        ({"detect": ["cn.id_card", "cn.mobile", "cn.mobil*"]}, [("detect", 2)]),
        ({"detect": ["email"], "action": {"cn.*": "mask", "email": "hash"}}, [("action", "cn.*")]),
        ({"action": {"*": "mask", "cn.*": "redact"}}, [("action", "cn.*")]),
        ({"action": {"cn.mobile": "mask", "cn.mobil*": "redact"}}, [("action", "cn.mobil*")]),
        ({"action": {"cn.mobil*": "redact", "cn.mobile": "mask"}}, [("action", "cn.mobil*")]),
        ({"action": {"cn.mobile": "mask", "cn.*": "redact", "c*": "hash"}}, [("action", "c*")]),
        ({"detect": ["cn.mobile"], "action": {"cn.m*": "mask", "cn.*": "redact"}}, [("action", "cn.*")]),
        (
            {"patterns": [pattern("acme.a", "工号", action="keep")], "action": {"acme.a": "mask"}},
            [("action", "acme.a")],
        ),
    ],
)
def test_entries_that_never_apply(config: dict[str, Any], places: list[tuple[str | int, ...]]) -> None:
    """An entry whose every rule is decided elsewhere, or is not looked for, is named; others are not."""
    assert lints(**config) == [(place, "shadowed-rule") for place in places]


def test_remarks_come_in_the_order_of_the_places() -> None:
    """Everything that is told comes once and sorted, by numbers as numbers."""
    own = [pattern(f"acme.p{index}", "(") for index in range(11)]
    told = lints(patterns=own, detect=["*", "email"], action={"*": "mask", "cn.*": "mask"})
    assert told == [
        (("action", "cn.*"), "shadowed-rule"),
        (("detect", 1), "shadowed-rule"),
        *((("patterns", index, "pattern"), "wrong regex") for index in range(11)),
    ]


def test_a_plugin_that_only_looks_on_is_told_so() -> None:
    """Where every rule keeps what it finds nothing is masked; one that does something is enough to be quiet."""
    assert lints(action={"default": "keep"}) == [(("action",), "config")]
    assert lints(action={"default": "keep", "cn.mobile": "mask"}) == []
    assert lints(action={"default": "keep", "cn.mobile": "block"}) == []


@pytest.mark.parametrize(
    "config",
    [
        {"patterns": [{"id": "acme", "pattern": "a"}]},
        {"patterns": [{"id": "Acme.a", "pattern": "a"}]},
        {"patterns": [{"id": "acme.工号", "pattern": "a"}]},
        {"patterns": [{"id": "acme.a"}]},
        {"patterns": [{"id": "acme.a", "pattern": ""}]},
        {"patterns": [{"id": "acme.a", "pattern": "a" * (PATTERN_CHARS_MAX + 1)}]},
        {"patterns": [{"id": "acme.a", "pattern": "a", "score": 1.1}]},
        {"patterns": [{"id": "acme.a", "pattern": "a", "action": "delete"}]},
        {"patterns": [{"id": "acme.a", "pattern": "a", "context": [""]}]},
        {"patterns": [{"id": f"acme.p{index}", "pattern": "a"} for index in range(PATTERNS_MAX + 1)]},
        {"detect": []},
        {"detect": ["acme.*"], "patterns": [{"id": "acme.a", "pattern": "a"}]},
        {"action": {"acme.b": "mask"}, "patterns": [{"id": "acme.a", "pattern": "a"}]},
        {"action": {"cn.mobile": "delete"}},
    ],
)
def test_a_wrong_form_is_refused(config: dict[str, Any]) -> None:
    """What has the wrong form is no configuration."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(config, AnonymizeConfig)


def test_patterns_alone_are_enough() -> None:
    """A policy may look for nothing but its own patterns."""
    config = msgspec.convert({"detect": [], "patterns": [{"id": "acme.a", "pattern": "工号"}]}, AnonymizeConfig)
    assert [rule.id for rule in Anonymize(config).rules()] == ["acme.a"]
