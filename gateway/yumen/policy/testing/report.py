"""What a run of test cases comes to."""

from __future__ import annotations

from typing import Literal

import msgspec

from yumen.policy.testing.verdict import Condition

# `unfinished` cases are those with `todo:`; they fail nothing, and `ready` ones pass already.
Status = Literal["passed", "failed", "unfinished", "ready"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case: where it stands, and what of it does not hold."""

    name: str
    file: str
    line: int
    owner: str
    status: Status
    todo: str = ""
    seconds: float = 0.0
    exchanges: int = 0
    conditions: list[Condition] = []

    @property
    def place(self) -> str:
        """`file:line`, as editors follow it."""
        return f"{self.file}:{self.line}"


class RuleAt(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of an instance and its place; `rule` is empty for an instance that names none of its own."""

    instance: str
    rule: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.instance}: {self.rule}" if self.rule else self.instance


class InstanceCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one instance the cases reach."""

    instance: str
    reached: int
    total: int
    unreached: list[RuleAt] = []


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a bundle its cases reach, in rules."""

    reached: int
    total: int
    instances: list[InstanceCoverage]

    @property
    def percent(self) -> float:
        """The share that is reached; all of nothing is all."""
        return 100 * self.reached / self.total if self.total else 100.0


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that were switched off one at a time; `survivors` are those whose loss no case noticed."""

    total: int
    survivors: list[RuleAt]
    seconds: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. `failed` counts cases that must pass and do not; those with `todo:` count in `todo` alone."""

    bundle: str
    hash: str
    passed: int
    failed: int
    todo: int
    seconds: float
    cases: list[Result]
    coverage: Coverage
    mutation: Mutation | None = None

    @property
    def ok(self) -> bool:
        """Whether every case passed that must."""
        return not self.failed

    @property
    def failures(self) -> list[Result]:
        """The cases that failed."""
        return [case for case in self.cases if case.status == "failed"]

    @property
    def todos(self) -> list[Result]:
        """The cases that may still fail."""
        return [case for case in self.cases if case.todo]
