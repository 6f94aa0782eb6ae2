"""Makes ledgers as gateways do, with the appender and the signing key themselves, and a clock that the test sets."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yumen_plugins.audit.log.appender import Appender
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.proving.ledger import verify_ledger
from yumen_plugins.audit.proving.report import LedgerReport
from yumen_plugins.audit.proving.scan import moment
from yumen_plugins.audit.signing import KeyChain, Signing, replace_key

WRITER = "8d0eb8ae"
FOREVER, KEEP = f"{WRITER}/forever", f"{WRITER}/keep-183d"
START = 1_795_000_000.0
DAY = 86_400.0


class History:
    """One ledger in `data`, as long as it is being written. Each step takes a second of its clock."""

    def __init__(self, data: Path, *, journal_bytes: int = 1 << 14) -> None:
        self.data, self.ledger = data, data / "ledger"
        self.at = START
        self.journal_bytes = journal_bytes
        self.logs: dict[str, Appender] = {}
        self.eras: dict[str, int] = {}
        self.notes: dict[str, bytes] = {}
        self.receipts: dict[str, tuple[str, int]] = {}
        self.signing = Signing.open(data, self.ledger, self.now)
        self.trusted = [self.signing.era.public]

    def now(self) -> str:
        self.at += 1
        return moment(self.at)

    @property
    def chain(self) -> KeyChain:
        return KeyChain.read(self.ledger)

    def verified(self, **options: Any) -> LedgerReport:
        """What the verifier says of it, a minute later, with its first key trusted."""
        options.setdefault("trusted", self.trusted)
        return verify_ledger(self.ledger, now=lambda: self.at + 60, **options)

    # Processes

    def start(self, log: str) -> Appender:
        """A process opens the log: it takes up the key in force, says what was cut, and starts."""
        self.signing = Signing.open(self.data, self.ledger, self.now)
        # What was signed before says which key was in force.
        folder = self.ledger / log
        appender = Appender(folder, self.signing.chain.origin(log), self.signing, journal_bytes=self.journal_bytes)
        self.logs[log] = appender
        if appender.size:
            found = self.signing.chain.era_of(appender.note, log)
            assert found is not None
            self.eras[log] = found[0].number
            self._take_up(log)
        self.eras[log] = self.signing.era.number
        for cut in appender.cuts:
            body = {"kind": "recovery", "file": cut.file, "cut_bytes": cut.size, "cut_sha256": cut.sha256}
            self.write(log, body)
        start = {"kind": "start", "log": log, "version": 2, "yumen": "0.1.0", "key": self.eras[log]}
        self.write(log, start)
        return appender

    def stop(self, log: str) -> None:
        """A process stops in good order."""
        self.write(log, {"kind": "stop"})
        self.logs[log].publish()
        self.logs.pop(log).close()

    def kill(self, log: str, torn: bytes = b"") -> None:
        """A process dies, perhaps while it is writing."""
        self.logs.pop(log).close()
        if torn:
            with journals(self.ledger / log)[-1][1].open("ab") as file:
                file.write(torn)

    def stop_all(self) -> None:
        for log in list(self.logs):
            self.stop(log)

    # Records

    def write(self, log: str, *bodies: dict[str, Any]) -> int:
        """Append records as one batch; returns the first one's seq."""
        appender = self.logs[log]
        first = appender.size
        entries = [encoded(seq, {"time": self.now(), **body}) for seq, body in enumerate(bodies, first)]
        appender.append(entries)
        appender.sync()
        self.notes[log] = appender.note
        return first

    def exchanges(self, log: str, count: int, *, remote: bool = False, batch: int = 7) -> None:
        """So many exchanges, each of which has its intent where its text leaves."""
        bodies: list[dict[str, Any]] = []
        for _ in range(count):
            body = exchange(log, remote=remote)
            self.receipts[body["receipt"]] = (log, self.logs[log].size + len(bodies) + remote)
            bodies += [intent(body), body] if remote else [body]
            if len(bodies) >= batch:
                self.write(log, *bodies)
                bodies = []
        if bodies:
            self.write(log, *bodies)

    def checkpoint(self, log: str) -> None:
        self.write(log, {"kind": "checkpoint", "note": self.logs[log].note.decode()})

    def rotate(self) -> None:
        """Replace the key; processes that run take it up with their next record, at the latest before they checkpoint."""
        heads = {log: (LogFiles(folder).size, LogFiles(folder).root()) for log, folder in self.folders()}
        replace_key(self.data, self.ledger, heads, self.now())
        self.signing = Signing.open(self.data, self.ledger, self.now)

    def take_up(self) -> None:
        """Running processes notice the new key."""
        for log in self.logs:
            self._take_up(log)

    def _take_up(self, log: str) -> None:
        appender, number = self.logs[log], self.signing.era.number
        if number == self.eras[log]:
            return
        before = appender.note
        appender.replace_signer(self.signing)
        statement = (self.ledger / "keys" / f"{number}.note").read_text()
        self.write(log, {"kind": "key", "number": number, "statement": statement, "before": before.decode()})
        self.eras[log] = number

    def state(self, log: str, end: int, first: int = 0, **changes: Any) -> int:
        """Say that bundles were dropped, of which some may be gone already; returns the statement's seq."""
        files = LogFiles(self.ledger / log)
        records = [json.loads(entry) for seq, entry in files.entries(first) if seq < end]
        body = {
            "kind": "retention",
            "first": first,
            "end": end,
            "days": 183,
            "from": records[0]["time"],
            "to": records[-1]["time"],
            "root": base64.b64encode(files.subtree(first, end)).decode(),
            "kinds": {kind: sum(one["kind"] == kind for one in records) for kind in {one["kind"] for one in records}},
        }
        return self.write(log, {**body, **changes})

    def drop(self, log: str, bundles: int, first: int = 0) -> None:
        for number in range(first, bundles):
            (self.ledger / log / "tile" / "entries" / f"{number:03d}").unlink(missing_ok=True)

    def folders(self) -> Iterator[tuple[str, Path]]:
        for folder in sorted(self.ledger.glob("*/*")):
            if (folder / "journal").is_dir():
                yield folder.relative_to(self.ledger).as_posix(), folder

    def files(self) -> list[Path]:
        """Every file of the ledger but the locks."""
        return sorted(path for path in self.ledger.rglob("*") if path.is_file() and path.name != "lock")


def encoded(seq: int, body: dict[str, Any]) -> bytes:
    return json.dumps({"seq": seq, **body}, ensure_ascii=False, separators=(",", ":")).encode()


def exchange(log: str, *, remote: bool = False) -> dict[str, Any]:
    """The record of an exchange with as much text as most have."""
    name = os.urandom(16).hex()
    body: dict[str, Any] = {
        "kind": "exchange",
        "id": name,
        "receipt": f"{log.partition('/')[0]}.{os.urandom(16).hex()}",
        "tenant": "default",
        "app": "客服",
        "route": "chat",
        "dialect": "openai",
        "model": "assistant",
        "policy": "9565ce19b647",
        "outcome": "ok",
        "findings": [{"rule": "cn.mobile", "path": "messages[0].content", "start": 10, "end": 21, "score": 0.9}],
        "request": [
            {
                "path": "messages[0].content",
                "kind": "message",
                "chars": 32,
                "text": "我的快递到哪了？电话<CN_MOBILE_2w9ah9yqpd>",
            }
        ],
        "reply": [{"path": "choices[0].message.content", "kind": "message", "text": "It is on its way. 包裹在路上。"}],
    }
    return {**body, "egress": "remote" if remote else "local", "sent_form": "masked", "sent_bytes": 121}


def intent(body: dict[str, Any]) -> dict[str, Any]:
    """The intent of an exchange."""
    return {"kind": "intent", "id": body["id"], "receipt": body["receipt"], "egress": "remote", "sent_form": "masked"}


def codes(report: LedgerReport) -> list[str]:
    """The codes of what makes a ledger wrong."""
    return [one.code for one in report.wrong]


@contextlib.contextmanager
def changed(path: Path, content: bytes | None) -> Iterator[None]:
    """A file with another content, or gone, for as long as that lasts."""
    before = path.read_bytes()
    try:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        yield
    finally:
        path.write_bytes(before)
