"""`yumen serve`: check what can be wrong beforehand, then hand over to the server; its first worker that is ready greets."""

from __future__ import annotations

import gc
import ipaddress
import multiprocessing
import os
import resource
import tempfile
from pathlib import Path

import click

from yumen import greeting
from yumen.errors import CannotStart, PolicyError
from yumen.identity import Keys, ensure_first_keys
from yumen.isolation.process import unreadable
from yumen.policy.trusted import load_trusted
from yumen.settings import Secret, Settings

# Requests waiting in the kernel, and what the server itself may hold per connection.
BACKLOG = 1024
# Files that a worker may have open, where the system lets it; connections may be half of them.
FILES_MAX = 16_384
HEADERS_BYTES_MAX = 128 * 1024
# How long a worker may take to end, in seconds: longer than what it stops may take (`yumen.stopping`).
KILL_S = 28


@click.command()
@click.option("--host", help="Address to bind (YUMEN_HOST).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to bind (YUMEN_PORT).")
@click.option("--workers", type=click.IntRange(1, 256), help="Worker processes (YUMEN_WORKERS).")
@click.option("--policies", help="Bundle directory or name (YUMEN_POLICIES).")
@click.option(
    "--watch/--no-watch", default=None, help="Load policies anew when they change; on by default (YUMEN_WATCH)."
)
@click.option(
    "--require-signed",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Serve only bundles that this public key, a PEM file, has signed; repeatable (YUMEN_REQUIRE_SIGNED).",
)
@click.pass_obj
def serve(
    settings: Settings,
    host: str | None,
    port: int | None,
    workers: int | None,
    policies: str | None,
    watch: bool | None,
    keys: tuple[Path, ...],
) -> None:
    """Serve a policy bundle."""
    watching = None if watch is None else int(watch)
    given = {"HOST": host, "PORT": port, "WORKERS": workers, "POLICIES": policies, "WATCH": watching}
    for name, value in given.items():
        if value is not None:
            os.environ[f"YUMEN_{name}"] = str(value)
    if keys:
        os.environ["YUMEN_REQUIRE_SIGNED"] = joined(keys)
    settings = Settings.from_env()
    try:
        bundle = load_trusted(settings.policies, settings.require_signed).bundle
    except PolicyError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    refuse_open_bind(settings)
    refuse_open_development(settings)
    if any(instance.isolation == "process" for route in bundle.routes for instance in route.chain):
        # The keys that are in its environment are not for the plugin that nobody trusts.
        unreadable()
    ensure_first_keys(settings, make=False)
    with greeting.awaited():
        run(settings)


def joined(keys: tuple[Path, ...]) -> str:
    """The paths as the workers find them in their environment. Error: `CannotStart`."""
    paths = [str(key.absolute()) for key in keys]
    if any(os.pathsep in path for path in paths):
        raise CannotStart(f"the path of a key cannot hold `{os.pathsep}`; rename the file or its folder")
    return os.pathsep.join(paths)


def refuse_open_bind(settings: Settings) -> None:
    """Error: `CannotStart` where others can reach the gateway and nobody has made a key for it on purpose."""
    if is_loopback(settings.host) or settings.app_key:
        return
    keys = Keys.open(settings.data_dir, Secret.open(settings.data_dir))
    if not any(entry.role == "app" and not entry.revoked for entry in keys.list()):
        raise CannotStart(
            f"refusing to bind {settings.host} without keys: others could reach it. Create one first with"
            " `yumen keys create --tenant T --app A`, set YUMEN_APP_KEY, or bind 127.0.0.1"
        )


def refuse_open_development(settings: Settings) -> None:
    """Error: `CannotStart` where others than developers would be told which plugins there are, and what each takes."""
    if settings.development and not is_loopback(settings.host):
        raise CannotStart(
            f"YUMEN_DEVELOPMENT is for this machine only; unset it, or bind 127.0.0.1 and not {settings.host}"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def room_for_connections() -> int:
    """How many connections one worker takes, of which many may be idle; makes as much room for them as the system lets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files // 2


def run(settings: Settings) -> None:
    """Start the server and wait for its end."""
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server import Server

    os.environ["YUMEN_SERVER_PID"] = str(os.getpid())
    if settings.workers > 1:
        # Read when the library of metrics is imported, which a fork of this process would not do again.
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="yumen-metrics-")
        multiprocessing.set_start_method("spawn")
    server = Server(
        "yumen.app:create_app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        # Where it may be HTTP/2 as well, a connection on which nothing ever comes is never closed.
        http=HTTPModes.http1,
        loop=Loops.uvloop,
        workers=settings.workers,
        factory=True,
        backlog=BACKLOG,
        backpressure=room_for_connections(),
        http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=HEADERS_BYTES_MAX * 4),
        log_level=LogLevels.warning,
        log_access=False,
        workers_kill_timeout=KILL_S,
    )
    # Workers that are forked share what has been loaded, and need not look through it whenever they collect garbage.
    gc.freeze()
    server.serve()
