"""Test cases of a bundle, run through its real chain: `yumen policy test`, and whoever must know that a bundle holds."""

from __future__ import annotations

from yumen.policy.testing.clock import FakeClock
from yumen.policy.testing.harness import Harness
from yumen.policy.testing.outcome import Outcome
from yumen.policy.testing.report import Coverage, Mutation, Report, Result, RuleAt
from yumen.policy.testing.runner import run_cases
from yumen.policy.testing.script import Script
from yumen.policy.testing.trial import body_of, run_case
from yumen.policy.testing.verdict import Condition

__all__ = [
    "Condition",
    "Coverage",
    "FakeClock",
    "Harness",
    "Mutation",
    "Outcome",
    "Report",
    "Result",
    "RuleAt",
    "Script",
    "body_of",
    "run_case",
    "run_cases",
]
