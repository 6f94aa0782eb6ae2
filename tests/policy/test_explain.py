"""Why something was blocked, masked or sent: the same answer for a request that is tried and for one on record."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from yumen import Principal, Settings, explain_record
from yumen.cli import main
from yumen.ledger import open_ledger
from yumen.policy.bundle import Bundle
from yumen.policy.explain import explain, facts
from yumen.policy.explanation import Explanation
from yumen.policy.load import load_bundle
from yumen.policy.testing import Harness

GATEWAY = """version: 1
engines: {near: {adapter: faq, egress: local}}
routes:
  - {id: others, match: {paths: [/v1/chat/completions], models: ["gpt-*"]}, engine: near}
  - {id: texts, match: {paths: [/v1/completions]}, engine: near}
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: near
    chain: [audit, limits, anonymize]
"""
ANONYMIZE = """version: 1
plugin: anonymize
cites: ["PIPL Art. 51"]
rules:
  email: {mode: shadow}
  bank_card: {description: 卡号, cites: ["PCI DSS 3.4"]}
config:
  detect:
    - cn.mobile
    - email
    - bank_card
"""
LIMITS = "version: 1\nplugin: limits\nconfig:\n  body_bytes: 300\n"
VALUES = ("13812345678", "li.na@example.com", "4111111111111111")
ALL = "电话 {}, mail {}, card {}".format(*VALUES)


def written(folder: Path, **files: str) -> Path:
    """A bundle in a folder."""
    folder.mkdir(exist_ok=True)
    files = {
        "gateway": GATEWAY,
        "anonymize": ANONYMIZE,
        "limits": LIMITS,
        "audit": "version: 1\nplugin: audit\n",
        **files,
    }
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    return folder


def body(text: str, model: str = "m") -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()


def shown(explanation: Explanation) -> str:
    """The tree as a terminal shows it."""
    out = io.StringIO()
    Console(width=240, file=out, force_terminal=True, color_system=None).print(explanation.tree())
    return out.getvalue()


async def tried(bundle: Bundle, content: bytes) -> tuple[Explanation, Mapping[str, Any]]:
    """What is said of a request that was tried, and its record in the ledger."""
    async with Harness(bundle) as harness:
        outcome = await harness.send("/v1/chat/completions", content, Principal("租户", "app", "key"))
        assert outcome.exchange is not None
        records = list(open_ledger(harness.data_dir / "ledger", harness.settings).records(lambda size: None))
    (record,) = [one for one in records if one["kind"] == "exchange"]
    return explain(facts(outcome.exchange), bundle), record


async def test_findings_and_rules_have_their_places(tmp_path: Path) -> None:
    """Every finding shows its rule, its place in payload and policy, and what it cites; no value is shown anywhere."""
    bundle = load_bundle(str(written(tmp_path / "b")), {})
    said, _ = await tried(bundle, body(ALL))
    hook = next(one for one in said.hooks if one.plugin == "anonymize" and one.rules)
    seen = {rule.rule: rule for rule in hook.rules}
    assert {name: (Path(rule.place).name, rule.shadow) for name, rule in seen.items()} == {
        "cn.mobile": ("anonymize.yaml:9", False),
        "email": ("anonymize.yaml:10", True),
        "bank_card": ("anonymize.yaml:11", False),
    }
    assert (seen["bank_card"].cites, seen["bank_card"].description) == (("PCI DSS 3.4",), "卡号")
    assert seen["cn.mobile"].cites == ("PIPL Art. 51",)
    assert (seen["cn.mobile"].start, seen["cn.mobile"].end) == (3, 14)
    assert (said.sent_form, said.outcome, said.status) == ("partly masked", "ok", 200)
    text = shown(said)
    assert "email (shadow) found pii in messages[0].content 21–38" in text
    assert "in shadow: allow, 1 edit" in text
    assert not any(value in text + json.dumps(said.data(), ensure_ascii=False) for value in VALUES)


async def test_the_route_and_those_passed_over(tmp_path: Path) -> None:
    """It is said why a route was taken, and why none of those above it was."""
    bundle = load_bundle(str(written(tmp_path / "b")), {})
    said, _ = await tried(bundle, body("hello"))
    assert (said.route, Path(said.route_place).name) == ("chat", "gateway.yaml:6")
    assert said.passed_over == ("not others: its models are gpt-*", "not texts: its paths are /v1/completions")


async def test_a_block_names_its_rule(tmp_path: Path) -> None:
    """The rule that ended an exchange is named with its line; what would have come behind it is not shown as if it ran."""
    bundle = load_bundle(str(written(tmp_path / "b")), {})
    said, _ = await tried(bundle, body("长" * 400))
    (hook,) = [one for one in said.hooks if one.decision == "block"]
    (rule,) = hook.rules
    assert (rule.rule, rule.did, Path(rule.place).name) == ("body_bytes", "blocked", "limits.yaml:4")
    assert not any(one.plugin == "anonymize" for one in said.hooks)
    assert (said.outcome, said.status, said.sent_form) == ("payload_too_large", 413, "")
    assert "nothing was sent to an engine" in shown(said)


async def test_a_record_is_explained_as_the_exchange_was(tmp_path: Path) -> None:
    """The tree from the ledger is that of the exchange; hooks that the record leaves out are there without a time."""
    folder = written(tmp_path / "b")
    bundle = load_bundle(str(folder), {})
    for text in (ALL, "长" * 400, "hello"):
        said, record = await tried(bundle, body(text))
        recorded = explain_record(record, Settings(), str(folder))
        same = ("id", "tenant", "route", "why", "passed_over", "texts", "engine", "egress", "sent_form", "sent_bytes",
                "outcome", "status")  # fmt: skip
        assert {name: getattr(recorded, name) for name in same} == {name: getattr(said, name) for name in same}

        def requests(one: Explanation) -> list[Any]:
            return [(hook.plugin, hook.decision, hook.edits, hook.shadow, hook.place, hook.rules)
                    for hook in one.hooks if hook.hook == "on_request"]  # fmt: skip

        assert requests(recorded) == requests(said)


def test_what_stopped_it_at_the_door_stands_before_the_engine() -> None:
    """The hook right before an engine is asked is shown there, and so is about whom the exchange was."""
    send = {"plugin": "audit", "hook": "on_send", "ms": 1.5, "decision": "fault", "reason": "OSError"}
    request = {"plugin": "audit", "hook": "on_request", "ms": 0.5, "decision": "allow", "reason": ""}
    record = {"id": "0" * 32, "subject": "ab" * 16, "outcome": "plugin_fault", "trace": [request, send]}
    said = explain(record, None)
    assert [hook.hook for hook in said.hooks] == ["on_request", "on_send"]
    lines = shown(said)
    assert lines.index("on_request") < lines.index("on_send") < lines.index("nothing was sent to an engine")
    assert f"about the subject {'ab' * 16}" in lines


async def test_another_policy_gives_no_lines(tmp_path: Path) -> None:
    """A record of another version of the policy is not explained by lines that it did not run under."""
    folder = written(tmp_path / "b")
    _, record = await tried(load_bundle(str(folder), {}), body("电话 13812345678"))
    written(folder, limits=LIMITS.replace("300", "301"))
    said = explain_record(record, Settings(), str(folder))
    assert "files and lines are not shown" in said.notes[0]
    assert not any(hook.place or any(rule.place for rule in hook.rules) for hook in said.hooks)
    assert said.route == "chat"
    broken = explain_record(record, Settings(), str(tmp_path / "nowhere"))
    assert "does not load" in broken.notes[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(
    ["plugin", "hook", "decision", "reason", "rule", "path", "direction", "ms", "edits", "shadow", "start"]
)
LISTS = st.lists(
    JSON | st.dictionaries(MEMBERS, JSON | st.sampled_from(["anonymize", "on_request", "block"])), max_size=4
)


@given(
    st.dictionaries(st.sampled_from(["id", "route", "path", "model", "policy", "timings_ms", "status", "texts"]), JSON),
    st.fixed_dictionaries({}, optional={"trace": LISTS, "findings": LISTS, "request": LISTS}),
)
def test_any_record_is_explained(members: dict[str, Any], lists: dict[str, Any]) -> None:
    """A record that holds anything at all is shown as far as it can be; nothing of it acts on the terminal."""
    starter = load_bundle("starter", {})
    record = {"policy": starter.hash[:12], "path": "/v1/chat/completions", "route": "chat", **members, **lists}
    said = explain(record, starter)
    assert "\x1b" not in shown(said)
    json.dumps(said.data())


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["policy", "explain", *arguments], input=stdin)


def test_the_command(tmp_path: Path) -> None:
    """A request from a file or standard input, as a tree or as JSON; what is no request is explained as refused."""
    folder = str(written(tmp_path / "b"))
    request = tmp_path / "request.json"
    request.write_bytes(body("电话 13812345678"))
    tree = run(folder, "--request", str(request))
    assert tree.exit_code == 0
    assert "cn.mobile found pii in messages[0].content 3–14" in tree.stdout
    assert "13812345678" not in tree.stdout
    report = json.loads(run(folder, "--request", "-", "--json", stdin=body("x", "gpt-4")).stdout)
    assert (report["route"], report["outcome"], report["engine"]) == ("others", "ok", "near")
    refused = json.loads(run(folder, "--request", "-", "--json", stdin=b"no json").stdout)
    assert (refused["outcome"], refused["status"], refused["route"]) == ("bad_request", 400, "")
    nowhere = json.loads(run(folder, "--request", str(request), "--path", "/v1/embeddings", "--json").stdout)
    assert nowhere["outcome"] == "not_found"
    assert len(nowhere["passed_over"]) == 3
    (tmp_path / "b" / "limits.yaml").write_text("version: 2\n")
    assert run(folder, "--request", str(request)).exit_code == 2
    assert run(folder, "--request", str(tmp_path / "none")).exit_code == 2
