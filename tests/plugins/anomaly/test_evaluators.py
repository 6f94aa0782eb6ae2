"""Which evaluator runs, and what is said about it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.plugins.anomaly.rulesets import read

from yumen.cli import main
from yumen_plugins.anomaly.language.conditions import Expression
from yumen_plugins.anomaly.language.evaluators import CannotShard, EngineMissing, Wanted, make

ROOT = Path(__file__).parents[3]
FEW = [read("idle > 3"), read("tenant == 'a'")]
MANY = [read(f"idle > {i}") for i in range(61)]
WIDE = [read(" and ".join(f"(idle > {i} or request.bytes > {i})" for i in range(6)))]
here = pytest.mark.skipif(sys.version_info >= (3, 13), reason="durable-rules cannot be imported on Python 3.13")


@here
@pytest.mark.parametrize(
    ("conditions", "name", "why"),
    [
        (FEW, "durable-rules", "durable-rules is installed, and all conditions fit one ruleset"),
        (MANY, "python", "the conditions would need 2 rulesets of durable-rules, where Python is much faster"),
        (
            WIDE,
            "python",
            "a condition does not fit a ruleset of durable-rules: it has 64 alternatives, and 60 fit; write fewer `or`",
        ),
    ],
)
def test_auto_takes_what_fits(conditions: list[Expression], name: str, why: str) -> None:
    """Without a wish durable_rules runs what fits one ruleset, Python the rest, and it is said why."""
    evaluator = make(conditions, "auto")
    assert (evaluator.name, evaluator.why) == (name, why)
    evaluator.close()


@pytest.mark.parametrize("engine", ["python", pytest.param("durable-rules", marks=here)])
def test_a_wish_is_heeded(engine: Wanted) -> None:
    """What a policy asks for runs, also where the other one would be faster."""
    evaluator = make(MANY, engine)
    assert (evaluator.name, evaluator.why) == (engine, "the policy asks for it")
    assert evaluator.matches({"idle": 2_000_000}) == (0, 1)
    evaluator.close()


@here
def test_a_wish_that_cannot_be_fulfilled() -> None:
    """A condition that does not fit is an error with durable_rules asked for: nothing else is run in its stead."""
    with pytest.raises(CannotShard):
        make(WIDE, "durable-rules")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where durable_rules cannot be imported, asking for it is an error that says what to do, and `auto` does without."""
    monkeypatch.setitem(sys.modules, "durable_rules_engine", None)
    with pytest.raises(EngineMissing, match=r"runs on Python 3\.11 and 3\.12"):
        make(FEW, "durable-rules")
    evaluator = make(FEW, "auto")
    assert (evaluator.name, evaluator.why) == ("python", "durable-rules cannot be imported here")
    assert evaluator.matches({"tenant": "a"}) == (1,)


def test_the_library_is_imported_only_when_it_runs() -> None:
    """A process that runs no conditions in durable_rules does not load it, nor the Python part of it at any time."""
    code = (
        "import sys\n"
        "from tests.plugins.anomaly.rulesets import read\n"
        "from yumen_plugins.anomaly.language.evaluators import make\n"
        "make([read('trusted')], 'python')\n"
        "print(*[name for name in sys.modules if name.startswith('durable')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.strip() == ""


def test_the_command_line_says_what_runs_here() -> None:
    """`yumen engines list` names both evaluators, and says why one cannot run."""
    done = CliRunner().invoke(main, ["engines", "list", "--json"])
    states = {one["name"]: one for one in json.loads(done.stdout) if one["kind"] == "evaluator"}
    assert states["python"]["runs"] is True
    assert states["durable-rules"]["runs"] is (sys.version_info < (3, 13))
    assert bool(states["durable-rules"]["why"]) is not states["durable-rules"]["runs"]
