"""Load on one server with wrk, and what it says about it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

BODY = (
    '{"model":"m","messages":[{"role":"system","content":"You are a helpful assistant of an online shop."},'
    '{"role":"user","content":"Please call me back on 13812345678 or write to li.na@example.com, my parcel is late."}],'
    '"temperature":0.7}'
)
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


class Load(NamedTuple):
    """Requests per second, and latencies in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float
    mean_ms: float


def wrk(url: str, key: str, connections: int, seconds: float, folder: Path) -> Load:
    """Post the same body over and over. Error: SystemExit where any reply is not 2xx."""
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = [==[{BODY}]==]\nwrk.headers["content-type"] = "application/json"\n'
        f'wrk.headers["authorization"] = "Bearer {key}"\n'
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "-s", str(script)]
    out = subprocess.run([*command, f"{url}/v1/chat/completions"], capture_output=True, text=True, check=True).stdout
    return read_load(url, out)


def read_load(url: str, out: str) -> Load:
    """What wrk says. Error: SystemExit where any reply was not 2xx."""
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"{url} did not answer every request well:\n{out}")
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", out))
    return Load(
        rate,
        _latency(r"\n\s+50%\s+(\S+)", out),
        _latency(r"\n\s+99%\s+(\S+)", out),
        _latency(r"\n\s+Latency\s+(\d\S*)", out),
    )


def _found(pattern: str, out: str) -> str:
    match = re.search(pattern, out)
    if match is None:
        raise SystemExit(f"wrk said something unexpected:\n{out}")
    return match[1]


def _latency(pattern: str, out: str) -> float:
    text = _found(pattern, out)
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if match is None:
        raise SystemExit(f"not a latency: {text}:\n{out}")
    return float(match[1]) * UNITS_MS[match[2]]
