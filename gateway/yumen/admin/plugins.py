"""`/admin/<name>`: what a plugin lets operators see and do, for plugins whose manifest names such a place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State

from yumen.dataplane import DataPlane
from yumen.errors import Problem
from yumen.exchange import Operation
from yumen.plugin import Plugin
from yumen.runtime import Runtime
from yumen.telemetry import log, place

# What an operator may say about an action, and how long a plugin may take to answer.
ARGUMENTS_MAX, ARGUMENT_CHARS_MAX = 16, 200
ANSWER_S = 10.0


class Call:
    """See `yumen.AdminCall`."""

    def __init__(self, runtime: Runtime, instance: str, action: str, arguments: Mapping[str, str], actor: str) -> None:
        self.action = action
        self.arguments = arguments
        self.actor = actor
        self._runtime = runtime
        self._instance = instance

    async def record(self, **details: str) -> None:
        """See `yumen.AdminCall`. Error: `Problem` ledger_unavailable."""
        about = {"plugin": self._instance, **details}
        if not await self._runtime.note(Operation(kind=self.action, actor=self.actor, at=time.time(), details=about)):
            raise Problem("ledger_unavailable")


@get("/{page:str}", summary="What a plugin shows to operators")
async def show_plugin(page: str, state: State) -> dict[str, Any]:
    """By instance, as far as the worker knows that happens to be asked. Error: `Problem` not_found."""
    plane: DataPlane = state.plane
    found = plane.runtime.reachable(page)
    if not found:
        raise Problem("not_found")
    return {name: await _shown(plugin, name) for name, plugin in found.items()}


async def _shown(plugin: Plugin[Any], name: str) -> Mapping[str, Any]:
    """What a plugin shows. Error: `Problem` plugin_fault for whatever it raises."""
    try:
        return await _answered(plugin.inspect(), name)
    except (ValueError, LookupError) as error:
        log.warning("plugin_fault", plugin=name, hook="admin", error=type(error).__name__, at=place(error))
        raise Problem("plugin_fault") from None


@post("/{page:str}/{action:str}", status_code=200, summary="Have a plugin do something")
async def ask_plugin(
    page: str, action: str, request: Request[None, None, State], state: State
) -> Response[dict[str, Any]]:
    """The body is a JSON object of texts; `instance` names one of several. What was done is in the ledger.

    Errors: `Problem` not_found, bad_request, ledger_unavailable.
    """
    plane: DataPlane = state.plane
    found = plane.runtime.reachable(page)
    arguments = _arguments(await request.body())
    name = arguments.pop("instance", next(iter(found), ""))
    if name not in found:
        raise Problem("not_found")
    call = Call(plane.runtime, name, action, arguments, f"admin:{request.state.key_id}")
    try:
        return Response(dict(await _answered(found[name].operate(call), name)))
    except ValueError as error:
        raise Problem("bad_request", str(error)) from None
    except LookupError:
        raise Problem("not_found") from None


async def _answered(asking: Any, name: str) -> Mapping[str, Any]:
    """What a plugin answers. Errors: those that it may raise by its contract; `Problem` plugin_fault for any other."""
    try:
        async with asyncio.timeout(ANSWER_S):
            answer: Mapping[str, Any] = await asking
    except (Problem, ValueError, LookupError):
        raise
    except Exception as error:  # a plugin may raise anything
        log.warning("plugin_fault", plugin=name, hook="admin", error=type(error).__name__, at=place(error))
        raise Problem("plugin_fault") from None
    return answer


def _arguments(body: bytes) -> dict[str, str]:
    """What the body says. Error: `Problem` bad_request."""
    try:
        arguments = msgspec.json.decode(body or b"{}", type=dict[str, str])
    except msgspec.DecodeError:
        raise Problem("bad_request", "The body is a JSON object of texts.") from None
    long = any(len(part) > ARGUMENT_CHARS_MAX for pair in arguments.items() for part in pair)
    if len(arguments) > ARGUMENTS_MAX or long:
        raise Problem("bad_request", f"At most {ARGUMENTS_MAX} texts of at most {ARGUMENT_CHARS_MAX} characters.")
    return arguments
