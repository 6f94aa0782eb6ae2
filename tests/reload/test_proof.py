"""The process that proves policies: what it finds, and that nothing a policy does in it reaches the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from tests.reload.conftest import until
from tests.reload.odd import Policy

from yumen.policy.folder import read_folder
from yumen.policy.load import load_bundle
from yumen.policy.prove import PROOFS_MAX
from yumen.policy.trusted import digest
from yumen.proof import Asked, Prover, Refused

CASE = """tests:
  - name: 一个词 stands in the reply
    request: {text: hello}
    expect: {headers: {x-word: %s}}
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def alive(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether a process ends within the time."""
    until = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


def names(folder: Path, glob: str) -> list[str]:
    return [path.name for path in folder.glob(glob)]


def open_files(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    return [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]


def environment_of(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def asked(policy: Policy) -> Asked:
    return Asked(str(policy.folder))


async def test_what_holds(policy: Policy, prover: Prover) -> None:
    """The proof names the hash and the bytes that this process reads too; the process stays for the next proof."""
    policy.write(odd="version: 1\nplugin: odd\nconfig: {word: good}\n" + CASE % "good")
    proof = await prover.prove(asked(policy))
    assert (proof.verdict, proof.diagnostics) == ("holds", ())
    assert proof.hash == load_bundle(str(policy.folder)).hash
    assert proof.digest == digest(read_folder(policy.folder))
    assert proof.folders == (str(policy.folder),)
    pid = prover.pid
    policy.say("better")
    other = await prover.prove(asked(policy))
    assert prover.pid == pid
    assert other.hash != proof.hash


async def test_what_does_not_hold(policy: Policy, prover: Prover) -> None:
    """What is wrong comes with its place, in Chinese too; of a case that fails the conditions are named and no values."""
    policy.write(odd="version: 1\nplugin: odd\nconfig: {wrod: 好}\n")
    proof = await prover.prove(asked(policy))
    (one,) = proof.diagnostics
    assert proof.verdict == "policy"
    assert (one.file, one.line, one.column, one.code) == (
        str(policy.folder / "odd.yaml"),
        3,
        10,
        "policy.unknown-key",
    )
    policy.write(odd="version: 1\nplugin: odd\nconfig: {word: 现在}\n" + CASE % "secret-word")
    proof = await prover.prove(asked(policy))
    (one,) = proof.diagnostics
    assert (proof.verdict, one.line, one.code) == ("tests", 5, "reload.tests")
    assert "一个词 stands in the reply" in one.what
    assert "x-word" in one.what
    assert "secret-word" not in str(one)
    assert "现在" not in str(one)
    proof = await prover.prove(Asked("no such policy"))
    assert [one.code for one in proof.diagnostics] == ["bundle.not-found"]


@pytest.mark.parametrize("where", ["made", "start"])
@pytest.mark.parametrize(("how", "says"), [("crash", "by SIGSEGV"), ("leave", "with status 0")])
async def test_a_policy_that_ends_the_process(policy: Policy, prover: Prover, where: str, how: str, says: str) -> None:
    """The proof has failed, this process has not, and the next policy is proved in a new one."""
    policy.say("x", **{where: how})
    with pytest.raises(Refused) as caught:
        await prover.prove(asked(policy))
    assert caught.value.reason == "crashed"
    assert says in caught.value.diagnostics[0].what
    policy.say("x")
    assert (await prover.prove(asked(policy))).verdict == "holds"


@pytest.mark.parametrize(("where", "verdict"), [("made", "policy"), ("start", "start")])
async def test_a_policy_that_needs_too_much_memory(policy: Policy, prover: Prover, where: str, verdict: str) -> None:
    """The system refuses the memory, to this process alone."""
    policy.say("x", **{where: "eat"})
    proof = await prover.prove(asked(policy))
    assert proof.verdict == verdict
    assert "MemoryError" in proof.diagnostics[0].what


@pytest.mark.parametrize("where", ["made", "start"])
async def test_a_policy_that_hangs(policy: Policy, where: str) -> None:
    """A loop that gives nothing back is ended at the limit, and its process with it."""
    prover = Prover(limit_s=3)
    policy.say("x", **{where: "hang"})
    try:
        proving = asyncio.create_task(prover.prove(asked(policy)))
        await asyncio.sleep(0.5)
        pid = prover.pid
        with pytest.raises(Refused) as caught:
            await proving
        assert caught.value.reason == "timeout"
        assert "longer than 3 s" in caught.value.diagnostics[0].what
        assert prover.pid is None
        assert pid is not None
    finally:
        await prover.close()
    assert gone(pid)


async def test_killed_in_the_middle(
    policy: Policy, prover: Prover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody kills the process while it works: that is said, what it had written is cleared away, the next one works."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    policy.say("x", start="hang")
    proving = asyncio.create_task(prover.prove(asked(policy)))
    await until(lambda: names(tmp_path, "yumen-proof-*/yumen-test-*"))
    assert prover.pid is not None
    os.kill(prover.pid, signal.SIGKILL)
    with pytest.raises(Refused) as caught:
        await proving
    assert "by SIGKILL" in caught.value.diagnostics[0].what
    assert names(tmp_path, "yumen-proof-*") == []
    policy.say("x")
    assert (await prover.prove(asked(policy))).verdict == "holds"


async def test_killed_while_it_waits(policy: Policy, prover: Prover) -> None:
    """A process that went while nobody needed it is nobody's fault: the next proof starts another."""
    await prover.prove(asked(policy))
    assert prover.pid is not None
    os.kill(prover.pid, signal.SIGKILL)
    assert gone(prover.pid)
    assert (await prover.prove(asked(policy))).verdict == "holds"


@pytest.mark.parametrize("where", ["made", "start"])
async def test_what_plugins_print_goes_nowhere(
    policy: Policy, prover: Prover, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither into the gateway's output, since it could be a text, nor in between the answers."""
    policy.say("x", **{where: "print"})
    assert (await prover.prove(asked(policy))).verdict == "holds"
    assert capfd.readouterr() == ("", "")


@linux
async def test_it_inherits_neither_sockets_nor_files(
    policy: Policy, prover: Prover, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A listening socket in it would take connections that nobody answers; its metrics are not the gateway's."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setenv("SOME_VALUE", "值")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        inode = os.stat(listening.fileno()).st_ino
        await prover.prove(asked(policy))
        assert prover.pid is not None
        sockets = {link for link in open_files(prover.pid) if link.startswith("socket:")}
    environment = environment_of(prover.pid)
    assert len(sockets - {f"socket:[{inode}]"}) == len(sockets) == 1
    assert "SOME_VALUE=值".encode() in environment
    assert not any(one.startswith(b"PROMETHEUS_MULTIPROC_DIR=") for one in environment)


@linux
def test_it_does_not_outlive_its_parent(policy: Policy, tmp_path: Path) -> None:
    """A gateway that is killed leaves no process behind, not even one that loops for ever."""
    policy.say("x", start="hang")
    program = f"""
        import asyncio
        from yumen.proof import Asked, Prover

        async def main():
            prover = Prover()
            proving = asyncio.create_task(prover.prove(Asked({str(policy.folder)!r})))
            while prover.pid is None:
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            print(prover.pid, flush=True)
            await proving

        asyncio.run(main())
    """
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=env, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(pid)


async def test_it_ends_when_nobody_needs_it(policy: Policy) -> None:
    """An idle gateway is not charged for its memory."""
    prover = Prover(idle_s=0.05)
    await prover.prove(asked(policy))
    pid = prover.pid
    assert pid is not None
    await until(lambda: prover.pid is None)
    await prover.close()
    assert gone(pid)


@pytest.mark.slow
async def test_it_is_replaced_now_and_then(policy: Policy, prover: Prover) -> None:
    """Some engines of rules leak, so that no process proves for ever; nobody notices the change."""
    pids = []
    for number in range(PROOFS_MAX + 1):
        policy.say(f"word-{number}")
        assert (await prover.prove(asked(policy))).verdict == "holds"
        pids.append(prover.pid)
    assert len(set(pids[: PROOFS_MAX - 1])) == 1
    assert pids[PROOFS_MAX - 1] is None
    assert pids[-1] not in (None, pids[0])
