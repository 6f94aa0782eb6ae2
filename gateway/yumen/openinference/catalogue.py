"""The models that a caller may know of: those that some route of the policy serves by the Open Inference Protocol."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterator
from typing import TypeVar

from yumen.asking import problem_of
from yumen.deadline import Deadline
from yumen.errors import Problem
from yumen.runtime import Runtime
from yumen.tensors.models import Models

T = TypeVar("T")
# A model's name where it stands in a path.
NAME = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:@+-]{0,199}")
DIALECT = "kserve"
UNKNOWN = "There is no such model or version here."
# How long a catalogue may take to answer.
ANSWER_S = 10.0


class Found:
    """The catalogue behind a route, and the name of its engine."""

    __slots__ = ("engine", "models")

    def __init__(self, engine: str, models: Models) -> None:
        self.engine = engine
        self.models = models


def serving(runtime: Runtime, model: str, version: str = "") -> Found | None:
    """The catalogue of the engine that answers requests for a model, or None where nobody does."""
    if not NAME.fullmatch(model):
        return None
    path = f"/v2/models/{model}/versions/{version}/infer" if version else f"/v2/models/{model}/infer"
    route = runtime.bundle.route_for(path, model)
    return None if route is None else _behind(runtime, route.id)


def catalogue(runtime: Runtime, model: str, version: str = "") -> Found:
    """The same. Error: `Problem` not_found."""
    found = serving(runtime, model, version)
    if found is None:
        raise Problem("not_found", UNKNOWN)
    return found


def catalogues(runtime: Runtime) -> Iterator[Found]:
    """Those of every engine that a route goes to, each once."""
    seen: set[str] = set()
    for route in runtime.bundle.routes:
        if route.engine not in seen and (found := _behind(runtime, route.id)) is not None:
            seen.add(route.engine)
            yield found


def _behind(runtime: Runtime, route: str) -> Found | None:
    chain = runtime.chains[route]
    if chain.dialects and DIALECT not in chain.dialects:
        return None
    models = chain.target.engine.models()
    return None if models is None else Found(chain.target.name, models)


async def answered(asking: Awaitable[T], engine: str, *, seconds: float | None = None, told: bool = False) -> T:
    """What a catalogue answers within `seconds`, or `ANSWER_S`; `told`: the caller learns what cannot be done, and why.

    Error: `Problem`, for what the catalogue may raise by its contract, and engine_unavailable for anything else.
    """
    try:
        with Deadline(ANSWER_S if seconds is None else seconds):
            return await asking
    except Problem:
        raise
    except LookupError:
        raise Problem("not_found", UNKNOWN) from None
    except ValueError as error:
        raise Problem("bad_request", str(error) if told else None) from None
    except Exception as error:  # an engine is somebody else's code, like a plugin
        raise problem_of(error, engine) from None
