"""Which rules cases reach, and whether they would notice the loss of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.policy.testing.bench import FILES, bundle, case, chain, plugin, report

from yumen.policy.testing import RuleAt, run_cases
from yumen.policy.testing.mutation import mutants_of

WORDS = {
    "gateway.yaml": chain("words"),
    "words.yaml": "version: 1\nplugin: guard_words\nconfig:\n  note:\n    - falcon\n    - 猎鹰\n  block:\n    - 禁止\n",
}
NOTED = case("falcon", expect={"findings": ["note.falcon"]})
BLOCKED = case("禁止", expect={"decision": "block"})


def lines(rules: list[RuleAt]) -> list[tuple[str, int]]:
    return [(str(rule), rule.line) for rule in rules]


async def test_a_rule_is_reached_by_what_it_does(tmp_path: Path) -> None:
    """Findings and blocks reach a rule; what is left over is named with the line that asks for it."""
    done = await report(tmp_path, NOTED, BLOCKED, files=WORDS)
    assert (done.coverage.reached, done.coverage.total) == (2, 3)
    (words,) = done.coverage.instances
    assert lines(words.unreached) == [("words: note.猎鹰", 6)]
    assert words.unreached[0].file.endswith("words.yaml")


async def test_a_rule_in_shadow_is_reached_too(tmp_path: Path) -> None:
    """A rule that only would have acted has been reached; one that is off need not be."""
    rules = {"block.禁止": {"mode": "shadow"}, "note.*": {"mode": "off"}}
    files = {**WORDS, "words.yaml": plugin("guard_words", config={"note": ["falcon"], "block": ["禁止"]}, rules=rules)}
    done = await report(tmp_path, case("禁止", expect={"shadow": ["block.禁止"]}), files=files)
    assert (done.coverage.reached, done.coverage.total) == (1, 1)


async def test_only_cases_that_pass_reach_anything(tmp_path: Path) -> None:
    """A case that fails or is still to do proves nothing about the rules that it happens to touch."""
    failing = case("falcon", expect={"findings": []})
    todo = case("猎鹰", expect={"findings": []}, todo="nobody has decided yet")
    done = await report(tmp_path, failing, todo, BLOCKED, files=WORDS)
    assert (done.coverage.reached, done.coverage.total) == (1, 3)


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_instance_without_rules_is_reached_when_it_ran(tmp_path: Path, streamed: bool) -> None:
    """Of a plugin that names no rules all that can be said is whether a hook or a stream filter of it has run."""
    files = {**WORDS, "gateway.yaml": chain("words", "hide"), "hide.yaml": plugin("guard_hide")}
    done = await report(tmp_path, BLOCKED, files=files)
    assert [(one.instance, one.reached, one.total) for one in done.coverage.instances] == [
        ("words", 1, 3), ("hide", 0, 1)
    ]  # fmt: skip
    done = await report(tmp_path, case("hello", stream=streamed, expect={"decision": "allow"}), files=files)
    assert [(one.instance, one.reached) for one in done.coverage.instances] == [("words", 0), ("hide", 1)]


async def test_what_stands_in_no_chain_does_not_count(tmp_path: Path) -> None:
    """Neither an unused instance nor one that is off can be reached."""
    files = {**WORDS, "memo.yaml": plugin("guard_memo"), "off.yaml": plugin("guard_memo", mode="off")}
    files["gateway.yaml"] = chain("words", "off")
    done = await report(tmp_path, NOTED, files=files)
    assert [one.instance for one in done.coverage.instances] == ["words"]


async def test_a_loss_that_no_case_notices_survives(tmp_path: Path) -> None:
    """A rule that a case merely reaches is not tested yet: without the expectation nobody misses it."""
    reached_only = case("猎鹰", expect={"decision": "allow"})
    done = await report(tmp_path, NOTED, BLOCKED, reached_only, files=WORDS, mutated=True)
    assert done.coverage.percent == 100
    assert done.mutation is not None
    assert done.mutation.total == 3
    assert lines(done.mutation.survivors) == [("words: note.猎鹰", 6)]


async def test_a_case_that_notices_ends_a_mutant(tmp_path: Path) -> None:
    """With an expectation about each rule none survives."""
    done = await report(
        tmp_path, NOTED, BLOCKED, case("猎鹰", expect={"findings": ["note.猎鹰"]}), files=WORDS, mutated=True
    )
    assert done.mutation is not None
    assert done.mutation.survivors == []


async def test_todo_cases_notice_nothing(tmp_path: Path) -> None:
    """A case that may fail cannot vouch for a rule."""
    todo = case("猎鹰", expect={"findings": ["note.猎鹰"]}, todo="to be decided")
    done = await report(tmp_path, NOTED, BLOCKED, todo, files=WORDS, mutated=True)
    assert done.mutation is not None
    assert [one.rule for one in done.mutation.survivors] == ["note.猎鹰"]


async def test_nothing_is_switched_off_while_cases_fail(tmp_path: Path) -> None:
    """What a failing case notices says nothing."""
    done = await report(tmp_path, case("falcon", expect={"findings": []}), files=WORDS, mutated=True)
    assert done.mutation is None


async def test_an_instance_without_rules_is_lost_as_a_whole(tmp_path: Path) -> None:
    """A ledger has no rules; that it is missed is seen by the records alone, read once at the end."""
    files = {"gateway.yaml": chain("audit"), "audit.yaml": plugin("audit")}
    noticed = await report(tmp_path, case("hello", expect={"audit": {"outcome": "ok"}}), files=files, mutated=True)
    assert noticed.mutation is not None
    assert (noticed.mutation.total, noticed.mutation.survivors) == (1, [])
    missed = await report(tmp_path, case("hello", expect={"decision": "allow"}), files=files, mutated=True)
    assert missed.mutation is not None
    assert [str(one) for one in missed.mutation.survivors] == ["audit"]


async def test_a_plugin_that_will_not_start_without_a_rule_is_noticed(tmp_path: Path) -> None:
    """The bundle without that rule could not even be served."""
    files = {"gateway.yaml": chain("picky"), "picky.yaml": plugin("guard_picky", config={"note": ["falcon"]})}
    done = await report(tmp_path, case("falcon", expect={"decision": "allow"}), files=files, mutated=True)
    assert done.mutation is not None
    assert (done.mutation.total, done.mutation.survivors) == (1, [])


async def test_rules_that_no_case_reaches_are_lost_together(tmp_path: Path) -> None:
    """One run says of all of them that nobody notices; those that a case reaches are lost one by one."""
    config = {"note": ["falcon", "猎鹰", "heron", "苍鹭"]}
    files = {"gateway.yaml": chain("words"), "words.yaml": plugin("guard_words", config=config)}
    told: list[tuple[str, int, int]] = []
    compiled = bundle(tmp_path, case("猎鹰", expect={"findings": ["note.猎鹰"]}), files=files)
    done = await run_cases(compiled, mutated=True, progress=lambda *what: told.append(what))
    assert done.mutation is not None
    assert [one.rule for one in done.mutation.survivors] == ["note.falcon", "note.heron", "note.苍鹭"]
    assert [one for one in told if one[0] != "cases"] == [("rules switched off", 3, 4)]


async def test_what_is_noticed_together_is_lost_one_by_one(tmp_path: Path) -> None:
    """Rules that no case reaches may be missed all the same: here a plugin would not start without its own."""
    files = {
        "gateway.yaml": chain("picky", "words"),
        "picky.yaml": plugin("guard_picky", config={"note": ["falcon"]}),
        "words.yaml": plugin("guard_words", config={"note": ["猎鹰", "heron"]}),
    }
    done = await report(tmp_path, case("hello", expect={"decision": "allow"}), files=files, mutated=True)
    assert done.mutation is not None
    assert [str(one) for one in done.mutation.survivors] == ["words: note.猎鹰", "words: note.heron"]


async def test_masking_is_missed_where_a_value_gets_through(tmp_path: Path) -> None:
    """Each detector has its own case, and the loss of one is seen in what the engine is given."""
    phone = case("电话13812345678", expect={"forwarded": {"excludes": ["13812345678"]}})
    mail = case("li.na@example.com", expect={"restored": True})
    words = [case(word, expect={"code": "policy_blocked"}) for word in ("forbidden", "禁止")]
    words += [case(word, expect={"findings": [f"note.{word}"]}) for word in ("falcon", "猎鹰")]
    record = case("hello", expect={"audit": {"outcome": "ok"}})
    done = await report(tmp_path, phone, mail, record, *words, files=FILES, mutated=True)
    assert done.mutation is not None
    assert [str(one) for one in done.mutation.survivors] == ["anonymize: email"]


def test_mutants_differ_in_one_rule(tmp_path: Path) -> None:
    """Rules in shadow or off are not switched off; every other one is, once, and nothing else changes."""
    config = {"note": ["falcon", "猎鹰"], "block": ["禁止", "a[b*"]}
    rules = {"note.falcon": {"mode": "shadow"}, "note.猎鹰": {"mode": "off"}}
    files = {"gateway.yaml": chain("words"), "words.yaml": plugin("guard_words", config=config, rules=rules)}
    original = bundle(tmp_path, files=files)
    mutants = list(mutants_of(original))
    assert [lost.rule for lost, _ in mutants] == ["block.禁止", "block.a[b*"]
    for lost, mutant in mutants:
        before, after = original.instances["words"].rules, mutant.instances["words"].rules
        assert {rule for rule in before if before[rule] != after[rule]} == {lost.rule}
        assert mutant.routes[0].chain[0] is mutant.instances["words"]


def test_an_instance_in_shadow_has_no_mutants(tmp_path: Path) -> None:
    """What enforces nothing cannot be missed."""
    files = {"gateway.yaml": chain("words"), "words.yaml": plugin("guard_words", config={"note": ["a"]}, mode="shadow")}
    assert list(mutants_of(bundle(tmp_path, files=files))) == []


async def test_progress_is_told(tmp_path: Path) -> None:
    """Whoever shows a bar knows how much there is."""
    told = []
    compiled = bundle(tmp_path, NOTED, BLOCKED, files=WORDS)
    await run_cases(compiled, mutated=True, progress=lambda *what: told.append(what))
    assert [one[0] for one in told] == ["cases"] * 2 + ["rules switched off"] * 3
    assert all(done < total for _, done, total in told)
