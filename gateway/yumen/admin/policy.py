"""`/admin/policy`: which policy serves, and what came of the last attempt to replace it."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State

from yumen.policy.bundle import Bundle, Instance
from yumen.reload import Attempt, Reloader


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """A route: what it takes, and what it goes through. `accept_raw` says why raw text may pass.

    `detours` are the engines that rules can have asked in the place of its own, with their egress.
    """

    id: str
    paths: tuple[str, ...]
    models: tuple[str, ...]
    chain: tuple[str, ...]
    engine: str
    egress: str
    accept_raw: str
    detours: tuple[str, ...]


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that this worker serves. `signed`: only signed ones are; `last`: the last attempt to replace it."""

    name: str
    path: str
    hash: str
    loaded_at: datetime
    loaded_by: str
    watch: bool
    signed: bool
    routes: tuple[RouteView, ...]
    last: Attempt | None


@get("/policy", sync_to_thread=False, summary="Which policy serves")
def show_policy(state: State) -> PolicyView:
    """Answers for the worker that happens to be asked."""
    reloader: Reloader = state.reloader
    bundle = reloader.bundle
    return PolicyView(
        name=bundle.name,
        path=bundle.path,
        hash=bundle.hash,
        loaded_at=reloader.loaded_at,
        loaded_by=reloader.loaded_by,
        watch=reloader.settings.watch,
        signed=bool(reloader.settings.require_signed),
        routes=_routes(bundle),
        last=reloader.last,
    )


@post("/policy/reload", status_code=200, summary="Load the policy anew")
async def reload_policy(request: Request[None, None, State], state: State) -> Response[Attempt]:
    """In all workers; the answer is that of one: 200, or 409 where the old policy stays because something is wrong."""
    reloader: Reloader = state.reloader
    attempt = await reloader.reload_all(f"admin:{request.state.key.id}")
    return Response(attempt, status_code=409 if attempt.result == "refused" else 200)


def _routes(bundle: Bundle) -> tuple[RouteView, ...]:
    return tuple(
        RouteView(
            id=route.id,
            paths=route.paths,
            models=route.models,
            chain=tuple(map(_shown, route.chain)),
            engine=route.engine,
            egress=bundle.engines[route.engine].egress,
            accept_raw=route.accept_raw,
            detours=tuple(f"{name} ({bundle.engines[name].egress})" for name in route.detours),
        )
        for route in bundle.routes
    )


def _shown(instance: Instance) -> str:
    return instance.name if instance.mode == "enforce" else f"{instance.name} ({instance.mode})"
