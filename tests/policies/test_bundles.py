"""The bundles that people begin with: each holds, says what it serves, and notices the loss of any of its rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.policies.pages import ABOUT, CITING, COMMAND, SECRETS, bundle, grouped, made, pages, rules

from yumen import registry
from yumen.cli import main
from yumen.policy.bundle import Bundle
from yumen.policy.cases import Expect
from yumen.policy.fmt import formatted
from yumen.policy.load import check_bundle, load_bundle
from yumen.policy.testing import run_cases
from yumen_plugins.anonymize.config import AnonymizeConfig

CASES_MIN = 25
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "policies.md"
# What a citation begins with, by bundle: a law, and a number that leads to a place in it.
CITED = {
    "pipl": r"(PIPL|Cybersecurity Law|Data Security Law|Network Data Regulations|Generative AI Measures) Art\. [0-9]+|"
    r"GB/T 35273-2020 ([0-9]+\.[0-9]+|Annex [AB])",
    "gdpr": r"(GDPR|AI Act) (Art\. [0-9]+|Recital [0-9]+)",
    "hipaa": r"45 CFR 164\.[0-9]{3}\(",
    "pci": r"PCI DSS v4\.0\.1 [0-9]+\.[0-9]+\.[0-9]+",
}
HAN = re.compile("[一-鿿]")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


async def wrong(one: Bundle) -> list[object]:
    """What is wrong with a bundle's cases: those that fail, rules that none reaches, and rules whose loss none would notice.

    A case that passes and names a rule among its findings, or as what ended the exchange, fails without that rule. To switch
    off each in turn would say the same and take minutes. Of `secret.*`, whose kinds have examples in the plugin's own tests,
    only what a bundle names itself has to be there.
    """
    report = await run_cases(one)
    assert report.passed >= CASES_MIN
    failed = [(each.name, each.conditions) for each in report.cases if each.status == "failed"]
    missing = {each.rule or each.instance for instance in report.coverage.instances for each in instance.unreached}
    expected = {name for placed in one.cases for name in said(placed.case.expect)}
    names = [name for name, _, rule in grouped(one) if name != SECRETS and (rule is None or rule.mode != "off")]
    return [*failed, *(name for name in names if name in missing), *(name for name in names if name not in expected)]


def said(expect: Expect) -> list[str]:
    """The rules that an expectation names, and `audit` where it looks at the record."""
    return [*(expect.findings or []), *filter(None, [expect.rule]), *(["audit"] if expect.audit else [])]


def test_every_bundle_is_installed() -> None:
    """The folders are the entry points, and each has its row in the overview."""
    folders = {path.parent.name for path in (ROOT / "policies" / "yumen_policies").glob("*/gateway.yaml")}
    assert folders == set(ABOUT) == set(registry.names("bundle"))


@pytest.mark.parametrize("name", CITING)
def test_nothing_is_wrong_or_worth_a_warning(name: str) -> None:
    """A bundle holds as it is installed, with the built-in engine and with a remote one."""
    for env in ({}, {"YUMEN_UPSTREAM": "https://llm.example.com", "YUMEN_UPSTREAM_KEY": "k"}):
        one, said = check_bundle(name, env)
        assert one is not None
        assert said == []
        assert [one.engines[route.engine].egress for route in one.routes] == ["remote" if env else "local"]
        assert not any(route.accept_raw for route in one.routes)


@pytest.mark.parametrize("name", CITING)
async def test_cases_pass_and_notice_the_loss_of_any_rule(name: str) -> None:
    """Every rule is reached by a case, and switching any one off makes a case fail."""
    one = bundle(name)
    assert await wrong(one) == []
    instances = {instance.name for instance, _ in rules(one)}
    assert instances == {"audit", "limits", "anonymize"}


@pytest.mark.parametrize("name", CITING)
def test_every_rule_says_what_it_serves(name: str) -> None:
    """Each rule, and each instance without rules, cites an article that can be looked up, and describes itself."""
    for instance, rule in rules(bundle(name)):
        cites = instance.cites if rule is None else rule.cites
        assert cites, (instance.name, rule)
        for cite in cites:
            assert re.match(CITED[name], cite), cite
        assert rule is None or rule.description


@pytest.mark.parametrize("name", CITING)
def test_what_is_found_is_written_out(name: str) -> None:
    """No bundle that cites articles takes detectors by a glob: a new detector would have neither article nor test.

    Passwords and keys are taken as a whole, and removed: one more kind of them serves the same article in the same way.
    """
    config = bundle(name).instances["anonymize"].config
    assert isinstance(config, AnonymizeConfig)
    assert [detector for detector in config.detect if "*" in detector] == [SECRETS]
    assert config.action_of("secret.openai") == "redact"


@pytest.mark.parametrize("name", CITING)
def test_cases_are_in_both_languages_and_kinds(name: str) -> None:
    """Chinese and English, values that are found and values that are not, plain and streamed, cut at every place."""
    cases = [placed.case for placed in bundle(name).cases]
    texts = [case.request.text or "" for case in cases]
    assert sum(HAN.search(text) is not None for text in texts) >= 10
    assert sum(bool(text) and HAN.search(text) is None for text in texts) >= 10
    assert sum(case.expect.findings == [] for case in cases) >= 5
    assert any(case.stream and case.every_split for case in cases)
    assert any(case.expect.audit for case in cases)
    assert any("tool_calls" in message for case in cases for message in case.request.messages or ())
    names = [case.name for case in cases]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", CITING)
def test_files_are_in_the_one_form(name: str) -> None:
    """`yumen policy fmt` would change none of them."""
    folder = registry.bundle_folder(name)
    assert folder is not None
    for path in sorted(folder.glob("*.yaml")):
        content, wrong = formatted(str(path), path.read_bytes())
        assert wrong == []
        assert content == path.read_bytes(), f"run: yumen policy fmt {path}"


@pytest.mark.parametrize("name", CITING)
def test_a_copy_stands_alone(name: str, tmp_path: Path) -> None:
    """`yumen init --from` gives a folder that check and test accept, as they accept the installed bundle."""
    folder = str(tmp_path / "copy")
    assert run("init", "--from", name, folder).exit_code == 0
    checked = run("policy", "check", folder)
    assert checked.exit_code == 0, checked.output
    passed = run("policy", "test", folder, "--fail-on-empty")
    assert passed.exit_code == 0, passed.output


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_the_pages_say_what_the_bundles_say(path: Path) -> None:
    """Every page lists every rule with its articles, as the bundle has them today."""
    text = path.read_text(encoding="utf-8")
    assert text == made(text, pages()[path]()), f"run: {COMMAND}"


@pytest.mark.parametrize("name", CITING)
def test_pages_say_what_is_not_found(name: str) -> None:
    """A page that does not say where its bundle ends would promise too much."""
    text = (ROOT / "docs" / "policies" / f"{name}.md").read_text(encoding="utf-8")
    assert "not found" in text or "does not find" in text
    assert "## What stays with you" in text or "| you |" in text
    assert not re.search(r"\b(is|be|makes you|fully) compliant\b|\bensures? compliance\b", text)


def examples() -> dict[str, dict[str, str]]:
    """The bundles of docs/policies.md: every YAML block whose first line names its bundle and file."""
    found: dict[str, dict[str, str]] = {}
    for folder, file, body in re.findall(
        r"```yaml\n# ([a-z]+)/(\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    ):
        found.setdefault(folder, {})[file] = body
    return found


def test_the_page_has_its_examples() -> None:
    """What the next test tries is there to be tried."""
    assert set(examples()) == {"couriers", "shop"}
    assert all("gateway.yaml" in files for files in examples().values())


@pytest.mark.parametrize("name", examples())
async def test_the_examples_of_the_page_hold(name: str, tmp_path: Path) -> None:
    """A bundle that extends another, as the page shows it, holds, passes its own and inherited cases, tests every rule."""
    for file, body in examples()[name].items():
        (tmp_path / file).write_text(body, encoding="utf-8")
        assert len(body.splitlines()) <= 15
    assert await wrong(load_bundle(str(tmp_path), {})) == []


def test_disabled_rules_are_gone_and_changed_ones_changed(tmp_path: Path) -> None:
    """The example for couriers does what the page says of it, and leaves the rest of `pipl` as it is."""
    for file, body in examples()["couriers"].items():
        (tmp_path / file).write_text(body, encoding="utf-8")
    child, base = load_bundle(str(tmp_path), {}), bundle("pipl")
    before, after = base.instances["anonymize"].rules, child.instances["anonymize"].rules
    assert {name for name, rule in after.items() if rule.mode == "off"} == {"cn.qq", "cn.wechat"}
    assert after["cn.mobile"].cites[-1].startswith("House rule 7")
    assert {name for name in before if before[name].cites != after[name].cites} == {"cn.mobile"}
    assert child.instances["limits"].rules == base.instances["limits"].rules
