"""The application: the data plane beside the handlers of health, metrics and the control plane."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest, multiprocess

from yumen.admin import OPENAPI, PATH, control_plane
from yumen.dataplane import DataPlane
from yumen.errors import CannotStart, Problem
from yumen.greeting import greet
from yumen.identity import Keys
from yumen.parts import Parts
from yumen.policy.trusted import load_trusted
from yumen.reload import Reloader
from yumen.runtime import Runtime
from yumen.settings import Secret, Settings
from yumen.strays import contain
from yumen.telemetry import configure_logging, error_name, log, place
from yumen.tracing.watch import STANDING_S, LoopWatch

# Where Litestar's own handlers are.
CONTROL = (b"/healthz", b"/readyz", b"/metrics", PATH.encode())
GC_ALLOCATIONS = 20_000
SWITCH_S = 0.05
LOOK_EVERY_S = 1.0
# Set by `yumen serve`, for its workers to know whom to watch.
SERVER_PID = "YUMEN_SERVER_PID"


@get("/healthz", sync_to_thread=False)
def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "alive"}


@get("/readyz")
async def readyz(state: State) -> Response[dict[str, Any]]:
    """The policy is loaded, the engines are up and the ledger can be written."""
    plane: DataPlane = state.plane
    reasons = await plane.runtime.ready()
    engines = plane.runtime.placements()
    for name, places in engines.items():
        if places is None:
            reasons.setdefault(f"engine {name}", "it cannot say where it runs")
    content = {
        "ready": not reasons,
        "policy_hash": plane.runtime.bundle.hash[:12],
        "reasons": reasons,
        "engines": engines,
    }
    return Response(content, status_code=503 if reasons else 200)


@get("/metrics", media_type=MediaType.TEXT, sync_to_thread=False)
def prometheus() -> Response[bytes]:
    """Prometheus metrics: of this process, or with several workers of all of them."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


class Gateway(Litestar):
    """Litestar for the control plane; every other path goes to the data plane without it.

    Finding a mount among the routes costs Litestar about ten microseconds, a tenth of a whole exchange without plugins,
    and a mount at the root would go before every route of the control plane that has a parameter.
    """

    plane: DataPlane | None = None
    # Why it cannot start.
    refusal = ""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        """Leave out those for pydantic and attrs: no handler here knows these, and where they are installed, as they are
        with many a client of models, each worker would load them for a fifth of a second and ten megabytes.
        """
        return [*plugins, MsgspecDIPlugin()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.plane is not None and scope["type"] == "http" and not scope["raw_path"].startswith(CONTROL):
            await self.plane(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http" and scope["raw_path"].startswith(PATH.encode()):
            await super().__call__(scope, receive, unstored(send))
        else:
            await super().__call__(scope, receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        """Start and stop. What stands in the way of starting is said in a sentence instead of Litestar's traceback."""

        async def plainly(message: Any) -> None:
            if self.refusal and message["type"] == "lifespan.startup.failed":
                sys.stderr.write(f"yumen: {self.refusal}\n")
                message = {"type": message["type"]}
            await send(message)

        try:
            await super().__call__(scope, receive, plainly)
        except* CannotStart:
            pass  # it has been said


def unstored(send: Any) -> Any:
    """A way to send a reply that nobody on its way may store, whatever comes of the request."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() != b"cache-control"]
            message = {**message, "headers": [*headers, (b"cache-control", b"no-store")]}
        await send(message)

    return sending


def on_error(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Errors of the control plane's own handlers, in the shape of all others."""
    status = getattr(error, "status", 0) or getattr(error, "status_code", 500)
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "bad_request" if status < 500 else "plugin_fault")
    message = "This path cannot be served so."
    if isinstance(error, Problem):
        code, message = error.code, error.message
    elif status >= 500:
        log.error("internal_error", error=error_name(error), at=place(error))
    body = {"error": {"message": message, "type": "api_error", "code": code, "param": None}}
    return Response(body, status_code=status, headers={"www-authenticate": "Bearer"} if status == 401 else None)


def tune_interpreter() -> None:
    """Fit the interpreter to a server that runs one event loop; the figures are in docs/performance.md.

    What has been loaded stays: looking through all of it for garbage stops every exchange for tens of milliseconds, and
    exchanges hardly make cycles. Other threads only hand results over, and can wait until the loop does: forcing the loop
    to make room for them in between costs more than it gains.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 100)
    sys.setswitchinterval(SWITCH_S)


async def leave_with(server_pid: int) -> None:
    """End this worker when the process that started it has gone, however it went.

    A worker that is left over would go on serving an old policy beside its successors, on the same port.
    """
    while os.getppid() == server_pid:  # noqa: ASYNC110  # nothing tells a process that its parent has gone
        await asyncio.sleep(LOOK_EVERY_S)
    log.error("server_gone", pid=server_pid)
    os.kill(os.getpid(), signal.SIGTERM)


def create_app(settings: Settings | None = None) -> Gateway:
    """The ASGI application. Error: `PolicyError` for a bundle that does not hold."""
    settings = settings or Settings.from_env()
    configure_logging(settings.log_level)
    served = os.environ.get(SERVER_PID) == str(os.getppid())
    if served:
        contain(asyncio.get_event_loop())
    loaded = load_trusted(settings.policies, settings.require_signed)
    bundle = loaded.bundle
    secret = Secret.open(settings.data_dir)

    async def start(app: Litestar) -> None:
        runtime = Runtime(bundle, Parts(settings, secret))
        app.state.key_ring = keys = Keys.open(settings.data_dir, secret)
        app.state.plane = plane = DataPlane(runtime, keys, secret)
        app.state.reloader = reloader = Reloader(settings, plane, loaded)
        app.state.watch = watch = LoopWatch(standing_s=STANDING_S if served else None)
        watch.start()
        try:
            await runtime.start()
            await reloader.begin()
            greet(settings, keys, bundle.hash)
        except CannotStart as error:
            gateway.refusal = str(error)
            await runtime.stop()
            watch.stop()
            raise
        gateway.plane = plane
        if settings.development:
            log.warning("development_mode", sends="server-timing")
        tune_interpreter()
        watch.serving()
        if served:
            app.state.guard = asyncio.create_task(leave_with(os.getppid()))
        log.info("started", policy=bundle.name, policy_hash=bundle.hash[:12], routes=len(bundle.routes))

    async def stop(app: Litestar) -> None:
        guard: asyncio.Task[None] | None = app.state.get("guard")
        if guard is not None:
            guard.cancel()
        reloader: Reloader | None = app.state.get("reloader")
        if reloader is not None:
            await reloader.close()
            await reloader.plane.runtime.stop()
        watch: LoopWatch | None = app.state.get("watch")
        if watch is not None:
            watch.stop()
        log.info("stopped")

    gateway = Gateway(
        [healthz, readyz, prometheus, control_plane],
        on_startup=[start],
        on_shutdown=[stop],
        exception_handlers={Exception: on_error},
        openapi_config=OPENAPI,
    )
    return gateway
