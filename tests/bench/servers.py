"""The servers that the benchmark compares, each a real process on a free port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("yumen")
# The same program with its hot modules compiled; `make bench` builds it.
COMPILED = HERE.parents[1] / ".venv-compiled" / "bin" / "yumen"

REPLY = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"Thank you, we have noted it and call you back tomorrow morning."},'
    '"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":12,"total_tokens":52}}'
)


class Target(NamedTuple):
    """A server to measure, and the key that it lets in."""

    url: str
    key: str = "none"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def need(*programs: str) -> None:
    """Stop with the install line where a program is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise SystemExit(f"the benchmark needs {', '.join(missing)}: apt-get install {' '.join(missing)}")


@contextmanager
def process(command: list[str], env: dict[str, str], cwd: Path, log: Path) -> Iterator[None]:
    """A process in a group of its own, ended with it."""
    with log.open("wb") as out:
        running = subprocess.Popen(
            command, env={**os.environ, **env}, cwd=cwd, stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()


def wait_for(url: str, log: Path, seconds: float = 30) -> None:
    """Wait until a server answers anything at all."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url} did not come up:\n{log.read_text()[-2000:]}")


def nginx(stack: ExitStack, folder: Path, name: str, port: int, location: str, upstream: str = "") -> str:
    """An nginx with one location."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / f"{name}.conf"
    config.write_text(
        f"""
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; default_type application/json; client_body_temp_path {folder}/{name}.b;
  proxy_temp_path {folder}/{name}.p; fastcgi_temp_path {folder}/{name}.f; uwsgi_temp_path {folder}/{name}.u;
  scgi_temp_path {folder}/{name}.s; {upstream}
  server {{ listen 127.0.0.1:{port} reuseport; location / {{ {location} }} }}
}}
"""
    )
    log = folder / f"{name}.log"
    stack.enter_context(process(["nginx", "-c", str(config)], {}, folder, log))
    wait_for(f"http://127.0.0.1:{port}/", log)
    return f"http://127.0.0.1:{port}"


def canned_upstream(stack: ExitStack, folder: Path) -> str:
    """An upstream that costs next to nothing: one canned reply."""
    return nginx(stack, folder, "upstream", free_port(), f"return 200 '{REPLY}';")


def nginx_proxy(stack: ExitStack, folder: Path, upstream: str) -> str:
    """nginx as a bare reverse proxy with kept-alive upstream connections: the limit."""
    pool = f"upstream up {{ server {upstream.removeprefix('http://')}; keepalive 256; }}"
    location = 'proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";'
    return nginx(stack, folder, "proxy", free_port(), location, pool)


def granian(stack: ExitStack, folder: Path, target: str, env: dict[str, str], name: str) -> str:
    """An ASGI application of this folder on granian, one worker."""
    port, log = free_port(), folder / f"{name}.log"
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--workers", "1"]
    command += ["--no-access-log", "--host", "127.0.0.1", "--port", str(port), target]
    stack.enter_context(process(command, env, HERE, log))
    wait_for(f"http://127.0.0.1:{port}/", log)
    return f"http://127.0.0.1:{port}"


def yumen(stack: ExitStack, folder: Path, upstream: str, name: str, program: Path = PROGRAM) -> Target:
    """Yumen with the starter bundle and a trusted key made by its own command line, one worker."""
    port, log = free_port(), folder / f"{name}.log"
    env = {
        "YUMEN_DATA": str(folder / f"{name}-data"),
        "YUMEN_PORT": str(port),
        "YUMEN_UPSTREAM": upstream,
        "YUMEN_WORKERS": "1",
        "YUMEN_POLICIES": "starter",
    }
    command = [str(program), "keys", "create", "--tenant", "bench", "--app", "bench", "--trusted", "--json"]
    made = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=True).stdout
    stack.enter_context(process([str(program), "serve"], env, folder, log))
    wait_for(f"http://127.0.0.1:{port}/healthz", log)
    return Target(f"http://127.0.0.1:{port}", json.loads(made)["key"])
