"""What functions in a model's file come to. ONNX Runtime puts a function's nodes in the place of each call.

A function may call others, each of them twice: some thirty lines then come to a billion nodes.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Name(NamedTuple):
    """A function, or the operator of a node. The two names of ONNX's own domain are one."""

    domain: str
    kind: str
    overload: str


Calls = Counter[Name]


def name(domain: str, kind: str, overload: str = "") -> Name:
    """As it is looked up."""
    return Name("" if domain == "ai.onnx" else domain, kind, overload)


def inlined(graph: Calls, functions: dict[Name, Calls], most: int) -> int | None:
    """How many nodes come in the place of calls in a graph, at most `most` + 1; None where functions call themselves.

    Each `Calls` has the operators of the nodes of a graph, or of a function, and how often.
    """
    sizes: dict[Name, int] = {}
    left = {one: calls.keys() & functions.keys() for one, calls in functions.items()}
    callers: dict[Name, list[Name]] = {}
    for one, called in left.items():
        for other in called:
            callers.setdefault(other, []).append(one)
    ready = [one for one, called in left.items() if not called]
    while ready:
        one = ready.pop()
        own = functions[one]
        sizes[one] = min(most + 1, own.total() + _more(own, sizes))
        for caller in callers.get(one, ()):
            left[caller].discard(one)
            if not left[caller]:
                ready.append(caller)
    return min(most + 1, _more(graph, sizes)) if len(sizes) == len(functions) else None


def _more(calls: Calls, sizes: dict[Name, int]) -> int:
    return sum(sizes[one] * times for one, times in calls.items() if one in sizes)
