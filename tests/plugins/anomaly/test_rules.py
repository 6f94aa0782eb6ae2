"""Rules as a configuration says them: what is refused, with its place, and what becomes of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.reload.live import write

from yumen.policy.load import check_bundle
from yumen_plugins.anomaly.then import STRICTNESS, Then, parse

GATEWAY = """version: 1
engines: {assistant: {adapter: faq, egress: local}}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: assistant, chain: [anomaly]}
"""


def check(folder: Path, config: str, rules: str = "{}") -> list[str]:
    """What is said of a configuration: line, code and text."""
    write(folder, gateway=GATEWAY, anomaly=f"version: 1\nplugin: anomaly\nrules: {rules}\nconfig:\n{config}\n")
    return [f"{one.line} {one.code} {one.what}; {one.fix}" for one in check_bundle(str(folder))[1]]


def rule(**said: str) -> str:
    text = ", ".join(f"{key}: {value}" for key, value in {"id": "r", "when": "request.chars > 1", **said}.items())
    return f"  rules:\n    - {{{text}}}"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (rule(when="requests.per_key.2m > 1"), "column 1 of `when`: there is no fact `requests.per_key.2m`"),
        (rule(when="'request.chars > \"a\"'"), "column 17"),
        (rule(when="request.chars"), "is a number, no condition"),
        (rule(when="'distinct.ips.per_key.1h > 300'"), "256"),
        (rule(when="reply.chars > 1", then="throttle(30s)"), "`throttle` is about the request"),
        (rule(when="reply.chars > 1", then="route(assistant)"), "`route` is about the request"),
        (rule(then="throttle(30)"), "policy.bounds"),
        (rule(then="explode"), "policy.bounds"),
        (rule(then="route(nobody)"), "there is no engine `nobody`"),
        (rule(id="quarantine"), "`quarantine` is taken"),
        (rule(id="Böse"), "policy.bounds"),
        (rule() + "\n    - {id: r, when: request.chars > 2}", "stands here twice"),
        ("  zone: Asia/Atlantis", "there is no time zone `Asia/Atlantis`"),
        ("  zones: {acme: ../../etc/passwd}", "there is no time zone"),
        ("  shipped_words: [unicorns]", "no example words `unicorns`"),
        ("  words: [{category: a, words: [炸]}]", "entry 1: the word has 1 letters"),
        ("  words: [{words: [炸药]}]", "the word has no category"),
        ('  words: [{category: a, words: [good, "bad\\t9"]}]', "entry 2"),
        (rule(**{"for": "forever"}), "policy.bounds"),
        (rule(then="quarantine(8d)"), "at most 7 days"),
        (rule(when="words.wepons > 0"), "no list has words of the category `wepons`"),
        ("  alerts: {url: 'ftp://hooks.example/x'}", "is not an absolute http:// or https:// URL"),
        (rule(when="findings.cn.mobile > 0", then="require_masking"), "plugins in front of this one"),
    ],
)
def test_what_does_not_hold_together_is_refused(tmp_path: Path, config: str, expected: str) -> None:
    """Every mistake is said at load, in its line, with what to do; nothing of it can wait for traffic."""
    said = check(tmp_path, config)
    assert any(expected in one for one in said), said
    assert all(int(one.split()[0]) >= 4 for one in said if "warning." not in one), said


def test_a_pack_begins_in_shadow(tmp_path: Path) -> None:
    """The rules of a pack record only, until the policy says otherwise; a glob puts all of them in force."""

    def modes(rules: str) -> set[str]:
        assert [one for one in check(tmp_path, "  packs: [injection]", rules) if "warning." not in one] == []
        bundle = check_bundle(str(tmp_path))[0]
        assert bundle is not None
        return {one.mode for name, one in bundle.instances["anomaly"].rules.items() if name.startswith("injection.")}

    assert modes("{}") == {"shadow"}
    assert modes("{'injection.*': {mode: enforce}}") == {"enforce"}
    assert modes("{'injection.*': {mode: 'off'}}") == {"off"}


def test_hostile_rules_take_no_time(tmp_path: Path) -> None:
    """Thousands of rules, and conditions made to be slow, load in seconds and are told apart."""
    many = "\n".join(f"    - {{id: r{number}, when: request.chars > {number}}}" for number in range(5000))
    assert check(tmp_path, "  rules:\n" + many) == []
    deep = "(" * 900 + "trusted" + ")" * 900
    assert any("deep" in one for one in check(tmp_path, rule(when=deep)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flag", Then("flag")),
        ("throttle(90s)", Then("throttle", 90)),
        ("quarantine(2h)", Then("quarantine", 7200)),
        ("route(near-1)", Then("route", engine="near-1")),
        ("require_masking", Then("require_masking")),
    ],
)
def test_actions_are_read(text: str, expected: Then) -> None:
    """`then` says what is done, how long, and where to."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "flag()", "block(1s)", "throttle", "throttle(0s)", "route(a b)", "route()", "flag\n"]
)
def test_other_actions_are_not(text: str) -> None:
    """What has not the form is refused."""
    with pytest.raises(ValueError, match="`then` is one of"):
        parse(text)


def test_the_strictest_decides() -> None:
    """Ending an exchange goes before everything that only changes it."""
    order: Any = [
        parse(text).strictness
        for text in ("flag", "route(a)", "require_masking", "throttle(1s)", "quarantine(1s)", "block")
    ]
    assert order == sorted(order) == list(range(len(STRICTNESS)))
