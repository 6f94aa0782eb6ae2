"""Many reloads under load in one process: nothing fails, and nothing piles up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import ledgers
from tests.lengths import LONG, times
from tests.reload.live import FILES, LIMITS, Load, reload, shown, write
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = [pytest.mark.server, pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(600)]
RELOADS, WARM = times(60, long=1000), times(20, long=100)
# Every how many reloads a scanner is built anew, and a writer ends and another begins.
SCANNER, WRITER = times(4, long=10), times(20, long=50)
# From the hundredth to the thousandth reload the process was seen to grow by 0 to 2 MiB. It would be 9 MiB if every reload
# left its chains behind, and another 22 if it left its scanners. The short form does not look at it: heaps of the first
# reloads still find their places, and grow by as much. That chains and scanners go is what tests/reload/test_reload.py
# checks in every run, by weak references.
# The index's cache of 8 MiB, and what it reads of journals of 2 MiB, fill while traffic goes on.
GROWTH_MIB_MAX = 16


class Process:
    """What the system knows of the gateway's worker."""

    def __init__(self, gateway: Gateway) -> None:
        assert gateway.process is not None
        (self._pid,) = _children(gateway.process.pid)

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])

    @property
    def mib(self) -> float:
        return self._status("VmRSS") / 1024

    @property
    def threads(self) -> int:
        return self._status("Threads")

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self._pid}/fd"))


def _children(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            yield int(path.parent.name)


def test_many_reloads(tmp_path: Path, upstream: Upstream) -> None:
    """No request fails, every reload is recorded, and threads, files, series and memory stay as they were.

    Most reloads change the limits; some change what is masked, so that a scanner is built anew, and fewer the ledger's
    configuration, so that a writer ends and another begins.
    """
    bundle = tmp_path / "bundle"
    write(bundle, **FILES)
    # With an arena of memory for each thread, the process grows until each of them has built a scanner once.
    one_arena = {"MALLOC_ARENA_MAX": "1"}
    settings = {"YUMEN_UPSTREAM": upstream.url, "YUMEN_POLICIES": str(bundle), "YUMEN_WATCH": "0"}
    gateway = Gateway(tmp_path, **settings, **one_arena).start()
    try:
        process = Process(gateway)
        warm = (0.0, 0, 0)
        with Load(gateway, clients=2, pause_s=0.005) as load:
            for number in range(1, RELOADS + 1):
                files = {"limits": LIMITS % (1000 + number % 7)}
                if number % SCANNER == 0:
                    kinds = "cn.mobile, email, ip" if number % (2 * SCANNER) else "cn.mobile, email"
                    files["anonymize"] = FILES["anonymize"].replace("cn.mobile, email", kinds)
                if number % WRITER == 0:
                    files["audit"] = FILES["audit"] + f"config: {{gather_ms: {3 + number // WRITER % 2}}}\n"
                write(bundle, **files)
                status, body = reload(gateway)
                assert (status, body["result"]) == (200, "reloaded"), body
                if number == WARM:
                    warm = (process.mib, process.threads, process.files)
        assert load.wrong == []
        assert load.answered > RELOADS
        mib, threads, files_open = warm
        assert not LONG or process.mib - mib < GROWTH_MIB_MAX
        assert process.threads <= threads + 1, "the pool for compiling may have needed a second one"
        assert process.files <= files_open + 8, "connections of clients and to the upstream come and go"
        metrics = gateway.get("/metrics")[1]
        assert metrics.count("yumen_policy{") == 8
        assert f"yumen_policy_reloads_total {RELOADS}.0" in metrics
        counts = [line for line in metrics.splitlines() if line.startswith("yumen_exchanges_total{")]
        assert 0 < len({line.split('policy="')[1][:12] for line in counts}) <= 8
        assert shown(gateway)["last"]["new"][:12] in metrics
    finally:
        gateway.stop()
    assert gateway.yumen("audit", "verify").returncode == 0
    reloaded = [one for one in ledgers.records(gateway.data_dir) if one.get("operation") == "policy_reloaded"]
    assert len(reloaded) == RELOADS + RELOADS // WRITER, "two writers at each change"
    assert len(ledgers.writers(gateway.data_dir)) == 2
