"""`yumen serve`: check everything that can be wrong beforehand, then hand over to the server."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import tempfile
from pathlib import Path

import click

from yumen.errors import CannotStart, PolicyError
from yumen.identity import Keys, ensure_first_keys
from yumen.policy.trusted import load_trusted
from yumen.settings import Secret, Settings

# Requests waiting in the kernel, and what the server itself may hold per connection.
BACKLOG = 1024
HEADERS_BYTES_MAX = 128 * 1024


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
    new = ensure_first_keys(settings)
    greet(settings, new, bundle.hash)
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


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def greet(settings: Settings, new: dict[str, str], policy_hash: str) -> None:
    """Print the keys that were made, this once, and a line that works when pasted."""
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    shown = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(shown, shown)  # noqa: S104  # shown, not bound
    url = f"http://{shown}:{settings.port}"
    click.echo(f"Yumen serves bundle {settings.policies} ({policy_hash[:12]}) on {url}, data in {settings.data_dir}")
    for role, key in new.items():
        click.echo(f"  new {role} key (shown only now): {key}")
    key = new.get("app") or settings.app_key or "$YUMEN_APP_KEY"
    click.echo(
        f"Try:\n  curl -s {url}/v1/chat/completions -H 'authorization: Bearer {key}' -H 'content-type: application/json'"
        ' -d \'{"model": "assistant", "messages": [{"role": "user", "content":'
        ' "Where is my order? My phone is 13812345678, mail li.na@example.com"}]}\''
    )


def run(settings: Settings) -> None:
    """Start the server and wait for its end."""
    from granian.constants import Interfaces, Loops
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
        loop=Loops.uvloop,
        workers=settings.workers,
        factory=True,
        backlog=BACKLOG,
        http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=HEADERS_BYTES_MAX * 4),
        log_level=LogLevels.warning,
        log_access=False,
        workers_kill_timeout=10,
    )
    server.serve()
