"""The process in which a policy is proved before it takes the place of the one that serves.

A bundle may bring an engine of rules down, or let it loop for ever in C: here it takes nothing with it. What is proved: that
the bundle can be read, is signed where that is required, compiles, that its plugins start, and that its own test cases hold.
Engines of routes are not loaded; a model may be large, and would be in memory twice. Those that plugins ask for are loaded,
since they decide what the plugins find.

    python -P -m yumen.policy.prove PARENT_PID LIMIT_S

is started by `yumen.proof`. Questions come as one line of JSON each on file descriptor 0, a socket, and answers go back the
same way. Everything that anybody here prints goes nowhere, since it could be what a test case holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from yumen.children import end_with
from yumen.errors import CannotStart, Diagnostic, PolicyError
from yumen.policy.bundle import Bundle
from yumen.policy.folder import Folder
from yumen.policy.load import compile_folder
from yumen.policy.testing import Result, run_cases
from yumen.policy.trusted import digest, folders, read_trusted, without_values
from yumen.proof import DATA_BYTES_MAX, Asked, Proof, Verdict

# After so many proofs, or when it is as large as this, the process is replaced: some engines of rules leak.
PROOFS_MAX = 100
KEPT_BYTES_MAX = 512 << 20
# It gives way to the gateway's own work.
NICE = 5
# The parent ends a proof that takes too long. If it cannot, the system does, so many seconds later.
GRACE_S = 5
DIAGNOSTICS_MAX, CONDITIONS_MAX = 100, 8


def prove(asked: Asked) -> Proof:
    """Prove one bundle."""
    try:
        folder = read_trusted(asked.policies, [Path(key) for key in asked.keys])
    except PolicyError as error:
        unsigned = {"bundle.unsigned", "bundle.signature", "bundle.key"} >= {one.code for one in error.diagnostics}
        return Proof(verdict="signature" if unsigned else "policy", diagnostics=_bounded(error.diagnostics))
    bundle, diagnostics = compile_folder(folder)
    if bundle is None:
        return Proof(verdict="policy", folders=folders(folder), diagnostics=_bounded(diagnostics))
    verdict, wrong = _tried(bundle, folder)
    return Proof(
        verdict=verdict,
        hash=bundle.hash,
        digest=digest(folder),
        folders=folders(folder),
        diagnostics=_bounded(wrong),
    )


def _tried(bundle: Bundle, folder: Folder) -> tuple[Verdict, list[Diagnostic]]:
    """Start its plugins and run its test cases."""
    try:
        report = asyncio.run(run_cases(bundle))
    except CannotStart as error:
        what = without_values(str(error), folder, os.environ)
        return "start", [Diagnostic(str(folder.path), 1, 1, "reload.start", what, "as the line says")]
    failed = [result for result in report.cases if result.status == "failed"]
    return ("tests" if failed else "holds"), [_failure(result) for result in failed]


def _failure(result: Result) -> Diagnostic:
    """Which conditions of a case do not hold; never what was found instead."""
    what = f"the case `{result.name}` fails: {', '.join(map(str, result.conditions[:CONDITIONS_MAX]))}"
    return Diagnostic(result.file, result.line, 1, "reload.tests", what, "correct the policy, or the case")


def _bounded(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(diagnostics)[:DIAGNOSTICS_MAX]


def main() -> None:
    """Answer questions until nobody asks any more."""
    parent, limit_s = int(sys.argv[1]), float(sys.argv[2])
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):  # not every system counts memory so
        resource.setrlimit(resource.RLIMIT_DATA, (DATA_BYTES_MAX, DATA_BYTES_MAX))
    os.nice(NICE)
    channel = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    with channel.makefile("rb") as questions:
        for number, line in enumerate(questions, 1):
            # By default this signal ends a process, whatever it is doing.
            signal.setitimer(signal.ITIMER_REAL, limit_s + GRACE_S)
            proof = prove(msgspec.json.decode(line, type=Asked))
            signal.setitimer(signal.ITIMER_REAL, 0)
            last = number >= PROOFS_MAX or _resident_bytes() > KEPT_BYTES_MAX
            channel.sendall(msgspec.json.encode(msgspec.structs.replace(proof, last=last)) + b"\n")
            if last:
                return


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
