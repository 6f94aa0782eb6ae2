"""`/admin/<name>`: what a plugin lets operators see and do, for plugins whose manifest names such a place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from litestar import Request, Response, get, post
from litestar.datastructures import State

from yumen.admin.arguments import body_arguments, query_arguments
from yumen.admin.download import Sent, close
from yumen.dataplane import DataPlane
from yumen.errors import Problem
from yumen.foreign import contained, pass_on
from yumen.keyfile import Entry
from yumen.operators import Download, Operation, Right
from yumen.plugin import Plugin
from yumen.runtime import Runtime
from yumen.telemetry import error_name, log, metrics, place

# How long a plugin may take to answer, and until a download begins.
ANSWER_S = 10.0
AnswerT = TypeVar("AnswerT")


class Call:
    """See `yumen.AdminCall`."""

    def __init__(self, runtime: Runtime, instance: str, action: str, arguments: Mapping[str, str], key: Entry) -> None:
        self.action = action
        self.arguments = arguments
        self.actor = f"admin:{key.id}"
        self._rights = key.rights
        self._runtime = runtime
        self._instance = instance

    def may(self, right: Right) -> bool:
        """See `yumen.AdminCall`."""
        return right in self._rights

    async def record(self, **details: str) -> None:
        """See `yumen.AdminCall`. Error: `Problem` ledger_unavailable."""
        about = {"plugin": self._instance, **details}
        if not await self._runtime.note(Operation(kind=self.action, actor=self.actor, at=time.time(), details=about)):
            raise Problem("ledger_unavailable")


@get("/{page:str}", summary="What a plugin shows to operators")
async def show_plugin(page: str, request: Request[None, None, State], state: State) -> Response[Any]:
    """By instance, as far as the worker knows that happens to be asked; or a file. `instance` names one of several.

    Errors: `Problem` not_found, bad_request, forbidden.
    """
    plane: DataPlane = state.plane
    found = _reachable(plane.runtime, page)
    query = query_arguments(request.scope["query_string"])
    if "instance" in query:
        name = query.pop("instance")
        if name not in found:
            raise Problem("not_found")
        found = {name: found[name]}
    shown: dict[str, Any] = {}
    for name, plugin in found.items():
        answer = await _answered(plugin.inspect(query), name)
        if isinstance(answer, Download):
            if len(found) > 1:
                await close(answer)
                raise Problem("bad_request", f"There are several; say which with `instance`: {', '.join(found)}.")
            return Sent(answer, name)
        shown[name] = answer
    return Response(shown)


@post("/{page:str}/{action:str}", status_code=200, summary="Have a plugin do something")
async def ask_plugin(
    page: str, action: str, request: Request[None, None, State], state: State
) -> Response[dict[str, Any]]:
    """The body is a JSON object of texts; `instance` names one of several. What was done is in the ledger.

    Errors: `Problem` not_found, bad_request, forbidden, ledger_unavailable.
    """
    plane: DataPlane = state.plane
    found = _reachable(plane.runtime, page)
    arguments = body_arguments(await request.body())
    if len(found) > 1 and "instance" not in arguments:
        # What is done to one of them would look as if it were done to all.
        raise Problem("bad_request", f"There are several; say which with `instance`: {', '.join(found)}.")
    name = arguments.pop("instance", next(iter(found), ""))
    if name not in found:
        raise Problem("not_found")
    call = Call(plane.runtime, name, action, arguments, request.state.key)
    return Response(dict(await _answered(found[name].operate(call), name)))


def _reachable(runtime: Runtime, page: str) -> dict[str, Plugin[Any]]:
    """The plugins at a page, by instance. Error: `Problem` not_found."""
    found = runtime.reachable(page)
    if not found:
        raise Problem("not_found")
    return found


async def _answered(asking: Awaitable[AnswerT], name: str) -> AnswerT:
    """What a plugin answers. Errors: `Problem`, for what it may raise by its contract, and plugin_fault for any other."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await contained(asking)
    except Problem:
        raise
    except ValueError as error:
        raise Problem("bad_request", str(error)) from None
    except LookupError:
        raise Problem("not_found") from None
    except BaseException as error:  # a plugin may raise anything
        pass_on(error)
        # With a number it is the system's, about a file of its own.
        if isinstance(error, PermissionError) and error.errno is None:
            log.warning("forbidden", plugin=name)
            metrics.refused("forbidden")
            raise Problem("forbidden", str(error)) from None
        log.warning("plugin_fault", plugin=name, hook="admin", error=error_name(error), at=place(error))
        unwritten = getattr(error, "code", "") == "ledger_unavailable"
        raise Problem("ledger_unavailable" if unwritten else "plugin_fault") from None
