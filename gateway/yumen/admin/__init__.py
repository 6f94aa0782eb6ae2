"""The control plane: what operators ask of a running gateway, below `/admin`, with an admin key.

Its description, `/admin/openapi.json`, is for holders of such a key as well. There are no pages for browsers: all that come
with Litestar load their scripts from elsewhere.
"""

from __future__ import annotations

from importlib.metadata import version

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from yumen.admin.policy import reload_policy, show_policy
from yumen.errors import Problem
from yumen.identity import Keys
from yumen.telemetry import metrics

PATH = "/admin"


def admins_only(connection: ASGIConnection, _: BaseRouteHandler) -> None:  # type: ignore[type-arg]  # of any kind
    """Let a request pass that has an admin key, whose id handlers then know. Error: `Problem` unauthorized."""
    keys: Keys = connection.app.state.key_ring
    try:
        entry = keys.authenticate(connection.scope["headers"])
        if entry.role != "admin":
            raise Problem("unauthorized", "This key is for the data plane; use an admin key.")
    except Problem as problem:
        metrics.refused(problem.code)
        raise
    connection.state.key_id = entry.id


control_plane = Router(
    PATH, route_handlers=[show_policy, reload_policy], guards=[admins_only], security=[{"admin key": []}]
)
OPENAPI = OpenAPIConfig(
    title="Yumen",
    version=version("yumen"),
    description="The control plane of a Yumen gateway.",
    components=Components(security_schemes={"admin key": SecurityScheme(type="http", scheme="bearer")}),
    render_plugins=[JsonRenderPlugin()],
    openapi_router=Router(PATH, route_handlers=[], guards=[admins_only]),
)
