"""The evaluator in Python: the trees compiled to code, which is run on the facts."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias, cast

from yumen_plugins.anomaly.language.conditions import AllOf, AnyOf, Comparison, Expression, Facts, Flag, Leaf, Node

# One function holds so many rules: compiling it keeps other threads waiting for a few milliseconds, not for a second.
RULES_IN_ONE = 100
# An absent number. No comparison with it is true but `!=`, so that absence needs no look of its own with the others.
ABSENT = float("nan")

Matcher: TypeAlias = Callable[[Facts, Callable[[int], None]], None]
OPERATORS: dict[str, ast.cmpop] = {
    "==": ast.Eq(),
    "!=": ast.NotEq(),
    "<": ast.Lt(),
    "<=": ast.LtE(),
    ">": ast.Gt(),
    ">=": ast.GtE(),
}


class PythonEvaluator:
    """Says which conditions are true. It keeps nothing between two calls, and any number of threads may use it."""

    name: ClassVar[str] = "python"

    def __init__(self, conditions: Sequence[Expression], why: str) -> None:
        """`why` says why this evaluator runs."""
        self.why = why
        every = list(enumerate(conditions))
        self._matchers = [_compiled(every[at : at + RULES_IN_ONE]) for at in range(0, len(every), RULES_IN_ONE)]

    def matches(self, facts: Facts) -> tuple[int, ...]:
        """The indices of the conditions that are true of these cleaned values, in ascending order."""
        found: list[int] = []
        for matcher in self._matchers:
            matcher(facts, found.append)
        return tuple(found)

    def close(self) -> None:
        """Nothing is held."""


def _compiled(conditions: Sequence[tuple[int, Expression]]) -> Matcher:
    """One function for these conditions.

    It is built as a syntax tree, never as text: the constants of a policy are objects in it and cannot become code.
    """
    names: dict[tuple[str, bool], str] = {}
    tests: list[ast.stmt] = []
    for index, condition in conditions:
        body: list[ast.stmt] = [ast.Expr(_call("found", ast.Constant(index)))]
        tests.append(ast.If(_node(condition.root, names), body, []))
    reads: list[ast.stmt] = []
    for (fact, is_number), name in names.items():
        absent = [_name("absent")] if is_number else []
        reads.append(ast.Assign([ast.Name(name, ast.Store())], _call("get", ast.Constant(fact), *absent)))
    get = ast.Assign([ast.Name("get", ast.Store())], ast.Attribute(_name("facts"), "get", ast.Load()))
    given = ast.arguments(
        posonlyargs=[], args=[ast.arg("facts"), ast.arg("found")], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    function = ast.FunctionDef("matcher", given, [get, *reads, *tests], decorator_list=[])
    if "type_params" in ast.FunctionDef._fields:  # since Python 3.12
        function.type_params = []  # type: ignore[attr-defined,unused-ignore]
    module = ast.fix_missing_locations(ast.Module([function], []))
    space: dict[str, object] = {"absent": ABSENT}
    exec(compile(module, "<conditions>", "exec"), space)  # noqa: S102 (no text of a policy is in the tree but as constants)
    return cast(Matcher, space["matcher"])


def _node(node: Node, names: dict[tuple[str, bool], str]) -> ast.expr:
    if isinstance(node, AllOf | AnyOf):
        kind = ast.And() if isinstance(node, AllOf) else ast.Or()
        return ast.BoolOp(kind, [_node(part, names) for part in node.parts])
    return _leaf(node, names)


def _leaf(leaf: Leaf, names: dict[tuple[str, bool], str]) -> ast.expr:
    if isinstance(leaf, Flag):
        return ast.Compare(_variable(leaf.fact, False, names), [ast.Is()], [ast.Constant(leaf.wanted)])
    if isinstance(leaf, Comparison):
        is_number = isinstance(leaf.constant, int)
        value = _variable(leaf.fact, is_number, names)
        test = ast.Compare(value, [OPERATORS[leaf.operator]], [ast.Constant(leaf.constant)])
        return _present(value, is_number, test) if leaf.operator == "!=" else test
    is_number = isinstance(leaf.constants[0], int)
    value = _variable(leaf.fact, is_number, names)
    # The compiler takes frozen sets for constants, which the types of `ast` leave out.
    listed = ast.Constant(cast(Any, frozenset(leaf.constants)))
    if leaf.inside:
        return ast.Compare(value, [ast.In()], [listed])
    return _present(value, is_number, ast.Compare(value, [ast.NotIn()], [listed]))


def _present(value: ast.Name, is_number: bool, test: ast.expr) -> ast.expr:
    """The test, and that the fact is there at all: the absent number is the one that does not equal itself."""
    there = (
        ast.Compare(value, [ast.Eq()], [value])
        if is_number
        else ast.Compare(value, [ast.IsNot()], [ast.Constant(None)])
    )
    return ast.BoolOp(ast.And(), [there, test])


def _variable(fact: str, is_number: bool, names: dict[tuple[str, bool], str]) -> ast.Name:
    return _name(names.setdefault((fact, is_number), f"fact{len(names)}"))


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _call(name: str, *given: ast.expr) -> ast.Call:
    return ast.Call(_name(name), list(given), [])
