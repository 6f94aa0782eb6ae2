"""Golden policies: a bundle goes in, its plan or everything that is wrong with it comes out.

A case is a file in `golden/`: sections that begin with `=== name.yaml`, or `=== ../other/name.yaml` for another bundle
beside it, and one `=== expected`. Dropping a file adds a case.
`python -m tests.policy.test_golden` writes the expectations anew; look at what changed before you commit it.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from yumen.policy.bundle import Bundle
from yumen.policy.load import check_bundle

GOLDEN = Path(__file__).parent / "golden"
ENV = {"SET_URL": "http://127.0.0.1:9/v1", "SET_SECRET": "top-secret-value"}
SOURCE = Path(__file__).parents[2] / "gateway" / "yumen" / "policy"
# `bundle.sig` is a file.
CODE = re.compile(r'"((?:yaml|policy|bundle|flow|warning)\.(?!sig")[a-z-]+)"')
# What a text file of cases cannot hold; these have tests of their own beside this one.
ELSEWHERE = {
    "bundle.key",
    "bundle.not-found",
    "bundle.signature",
    "bundle.symlink",
    "bundle.too-many-files",
    "bundle.unreadable",
    "bundle.unsigned",
    "yaml.encoding",
    "yaml.not-formatted",
    "yaml.too-large",
    "policy.config",
    "policy.header",
    "bundle.extends-depth",
    "policy.many-errors",
    "warning.api-version",
    "warning.config",
    "flow.behind-shadow",
    "flow.masks-sees-masked",
    "flow.masked-edit-before-masking",
    "flow.not-last",
    "flow.raw-edit-after-masking",
    "flow.raw-store",
    "flow.store-sees-raw",
    "flow.unmasked-ask",
}


def sections(case: Path) -> dict[str, str]:
    """The parts of a case by name."""
    parts = re.split(r"^=== (.+)\n", case.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def outcome(case: Path) -> str:
    """What checking a case's bundle says."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bundle"
        folder.mkdir()
        for file, content in sections(case).items():
            if file != "expected":
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).write_text(content)
        bundle, diagnostics = check_bundle(str(folder), ENV)
        lines = [*map(str, diagnostics), *(plan(bundle) if bundle else [])]
        return "".join(f"{line}\n" for line in lines).replace(f"{folder}/", "").replace(f"{name}/", "../")


def plan(bundle: Bundle) -> list[str]:
    """The compiled form, as lines."""
    lines = []
    for route in bundle.routes:
        chain = " ".join(f"{one.name}:{one.mode}" for one in route.chain) or "(nothing)"
        egress = bundle.engines[route.engine].egress
        lines.append(
            f"route {route.id}: {' '.join(route.paths)} | {' '.join(route.models)} | {chain} -> {route.engine} ({egress})"
        )
        if route.accept_raw:
            lines.append(f"  accepts raw text: {route.accept_raw}")
    for instance in bundle.instances.values():
        lines += [f"rule {instance.name}:{rule.id}: {rule.mode} ({rule.file}:{rule.line})" for rule in instance.quiet]
    return lines


CASES = sorted(GOLDEN.glob("*.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden(case: Path) -> None:
    """The outcome is what the case says; `python -m tests.policy.test_golden` writes it anew."""
    assert outcome(case) == sections(case)["expected"]


def codes() -> set[str]:
    """Every code that the source can say."""
    return {code for path in SOURCE.glob("*.py") for code in CODE.findall(path.read_text())}


def test_every_code_has_a_case() -> None:
    """No code goes without an example of it."""
    shown = {code for case in CASES for code in re.findall(r": ([a-z]+\.[a-z-]+): ", sections(case)["expected"])}
    assert codes() - shown - ELSEWHERE == set()


def test_every_code_is_documented() -> None:
    """docs/policy-errors.md explains each code, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "policy-errors.md").read_text()
    assert set(re.findall(r"^\| `([a-z]+\.[a-z-]+)`", page, re.MULTILINE)) == codes()


def test_no_secret_is_shown() -> None:
    """A value from the environment never stands in a message, whatever is wrong with it."""
    assert not any(ENV["SET_SECRET"] in case.read_text() for case in CASES)


if __name__ == "__main__":
    for one in CASES:
        kept = one.read_text().split("=== expected\n")[0]
        one.write_text(f"{kept}=== expected\n{outcome(one)}")
        print(f"wrote {one}")
