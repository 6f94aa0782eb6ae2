"""The control plane: what operators ask of a running gateway, below `/admin`, with an admin key.

Its description, `/admin/openapi.json`, is for holders of such a key as well. There are no pages for browsers: all that come
with Litestar load their scripts from elsewhere.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from litestar import Request, Router, get
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from yumen.admin.plugins import ask_plugin, show_plugin
from yumen.admin.policy import reload_policy, show_policy
from yumen.admin.trace import show_trace
from yumen.dataplane import DataPlane
from yumen.errors import Problem
from yumen.identity import Keys
from yumen.telemetry import metrics

PATH = "/admin"


def admins_only(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]  # of any kind
    """Let a request pass that has an admin key, which handlers then know. Error: `Problem` unauthorized."""
    keys: Keys = connection.app.state.key_ring
    try:
        entry = keys.authenticate(connection.scope["headers"])
        if entry.role != "admin":
            raise Problem("unauthorized", "This key is for the data plane; use an admin key.")
    except Problem as problem:
        metrics.refused(problem.code)
        raise
    connection.state.key = entry


@get("/", sync_to_thread=False, summary="What there is below /admin")
def list_pages(state: State) -> dict[str, list[str]]:
    """The policy, this description, and the plugins that operators reach."""
    plane: DataPlane = state.plane
    return {"pages": ["openapi.json", "policy", *sorted(plane.runtime.pages())]}


@get("/openapi.json", sync_to_thread=False, include_in_schema=False)
def describe(request: Request[None, None, State]) -> dict[str, Any]:
    """The description of the control plane."""
    return request.app.openapi_schema.to_schema()


control_plane = Router(
    PATH,
    route_handlers=[list_pages, describe, show_policy, reload_policy, show_trace, show_plugin, ask_plugin],
    guards=[admins_only],
    security=[{"admin key": []}],
)
OPENAPI = OpenAPIConfig(
    title="Yumen",
    version=version("yumen"),
    description="The control plane of a Yumen gateway.",
    components=Components(security_schemes={"admin key": SecurityScheme(type="http", scheme="bearer")}),
    render_plugins=[JsonRenderPlugin()],
    # It takes every path below its own, so it may not stand where plugins are reached; `describe` says the same.
    openapi_router=Router(f"{PATH}/openapi", route_handlers=[], guards=[admins_only], include_in_schema=False),
)
