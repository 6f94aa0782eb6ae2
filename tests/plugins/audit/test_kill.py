"""Processes that are killed at any moment under load: what anybody was told of is there, again and again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.lengths import times
from tests.plugins.audit.ledgers import hold_together, host, only_writer, problems, record, records

from yumen_plugins.audit.log.note import checkpoint_of, parse_note
from yumen_plugins.audit.signing import KeyChain, replace_key

REPO = Path(__file__).parents[3]

# Forked from a process that has loaded everything, so that a round costs no more than the writing.
FORKS = """
import asyncio, os, sys, time
from pathlib import Path
from tests.plugins.audit.ledgers import started
from yumen_plugins.audit.record import moment

KEEPS = ("forever", "keep-30d", "keep-183d")

async def write(data_dir, number):
    plugin = await started(data_dir, journal_bytes=6_000)
    async def append(task):
        count = 0
        while True:
            name = f"{number}-{task}-{count}"
            ack = "batch" if task == 1 else "durable"
            keep = KEEPS[task % 3]
            if task % 2:
                await plugin._writer.append({"kind": "intent", "id": name, "time": moment(time.time())}, keep)
                os.write(1, f"intent {name}\\n".encode())
            body = {"kind": "exchange", "id": name, "time": moment(time.time()), "pad": "填" * 100}
            if count % 50 == 7:
                body["findings"] = ["x" * 1000] * 90
            await plugin._writer.append(body, keep, ack)
            os.write(1, f"exchange {name}\\n".encode())
            count += 1
    await asyncio.gather(*(append(task) for task in range(9)))

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(write(Path(sys.argv[1]), int(line)))
    os.write(1, f"pid {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"end\\n")
"""


def heads(data_dir: Path) -> dict[str, tuple[int, bytes]]:
    """What each log has come to, as its head says."""
    found = {}
    for path in (data_dir / "ledger").glob("*/*/head"):
        head = checkpoint_of(parse_note(path.read_bytes().rstrip(b" ")))
        assert head is not None
        found["/".join(path.parts[-3:-1])] = (head.size, head.root)
    return found


@pytest.mark.long
@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Killed at random while journals turn, logs of three times are written and keys are replaced: every record is there."""
    host(tmp_path)
    command = [sys.executable, "-c", FORKS, str(tmp_path)]
    forks = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPO)
    assert forks.stdin is not None
    assert forks.stdout is not None
    told: set[tuple[str, str]] = set()
    chance = random.Random(7)
    rounds, replaced = times(25, long=200), 0
    try:
        for number in range(rounds):
            forks.stdin.write(b"%d\n" % number)
            forks.stdin.flush()
            child = int(_next(forks, "pid", told))
            first = forks.stdout.readline().decode().split()  # however long it takes to start
            told.add((first[0], first[1]))
            wait_s = chance.uniform(0, 0.2)
            if number % 5 == 3:
                time.sleep(wait_s / 2)
                replace_key(tmp_path, tmp_path / "ledger", heads(tmp_path), "2026-11-24T00:00:00.000000Z")
                replaced += 1
            time.sleep(wait_s)
            os.kill(child, signal.SIGKILL)
            _next(forks, "end", told)
            if number % 20 == 9:
                hold_together(tmp_path)
    finally:
        forks.kill()
        forks.communicate()
    assert len(told) > 20 * rounds
    # The next start takes what had been written and not synced, too.
    asyncio.run(record(tmp_path, ["the end"]))
    found = {(one["kind"], one["id"]) for one in records(tmp_path) if one["kind"] in ("exchange", "intent")}
    assert told <= found
    assert len(KeyChain.read(tmp_path / "ledger").eras) == replaced + 1
    assert only_writer(tmp_path)
    assert all(one.get("findings", [0] * 90)[-1:] for one in records(tmp_path, "exchange") if "pad" in one)
    hold_together(tmp_path)
    assert not [one for one in problems(tmp_path) if ": intent-open: " not in one]


def _next(forks: subprocess.Popen[bytes], word: str, told: set[tuple[str, str]]) -> str:
    """Read what was told up to a line that begins with this word; the rest of that line."""
    assert forks.stdout is not None
    while line := forks.stdout.readline().decode():
        name, _, rest = line.strip().partition(" ")
        if name == word:
            return rest
        if name in ("exchange", "intent"):
            told.add((name, rest))
    raise AssertionError("the processes have ended")
