"""What grows: nothing, however many records are written, and however often a process begins and ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.lengths import times
from tests.plugins.audit.ledgers import host, logs, say, started

from yumen_plugins.audit.log.files import LogFiles

REPO = Path(__file__).parents[3]

WRITE = """
import asyncio, json, sys
from pathlib import Path
from tests.plugins.audit.ledgers import started

def resident_kb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

async def main(count):
    plugin = await started(Path(sys.argv[1]), journal_bytes=1 << 20)
    sizes = []
    for part in range(5):
        for _ in range(count // 5 // 500):
            body = {"kind": "exchange", "id": "0" * 32, "pad": "填" * 100}
            await asyncio.gather(*(plugin._writer.append(body) for _ in range(500)))
        sizes.append(resident_kb())
    await plugin.stop()
    print(json.dumps(sizes))

asyncio.run(main(int(sys.argv[2])))
"""


@pytest.mark.long
@pytest.mark.slow
def test_memory_is_flat_while_records_are_written(tmp_path: Path) -> None:
    """The writer keeps what is not on disk in bundles yet, and nothing else: the last records cost no memory."""
    count = times(30_000, long=1_000_000)
    command = [sys.executable, "-c", WRITE, str(tmp_path), str(count)]
    run = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    first, *_, last = (int(one) for one in run.stdout.strip(" []\n").split(","))
    assert last < first + 8_192
    (log,) = logs(tmp_path)
    assert LogFiles(log).size == count + 2


async def test_threads_and_files_are_given_back(tmp_path: Path) -> None:
    """A process that begins and ends the plugin again and again, as reloads do, has as many of both as before."""

    async def once() -> None:
        plugin = await started(host(tmp_path, live=True))
        await say(plugin, "你好", subject="")
        await plugin.stop()

    def counted() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(threading.enumerate())

    for _ in range(2):
        await once()
    before = counted()
    for _ in range(10):
        await once()
    await asyncio.sleep(0.05)
    files, threads = counted()
    # Threads of the loop's own pool come as they are needed, and stay; the ledger's are gone.
    assert files <= before[0] + 1
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("ledger")]
    assert threads <= before[1] + (os.cpu_count() or 1) + 4
