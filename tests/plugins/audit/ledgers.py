"""A ledger in a temporary folder, written by the real plugin and looked at from outside."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

from click.testing import CliRunner, Result
from tests.kit import Outcome, exchange, request, saying, step

from yumen import AdminCall, Erasure, Manifest, NoConfig, Plugin
from yumen.cli import main
from yumen.testing import RunningClock, UnitHost, completion
from yumen_plugins.audit import Audit
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.folder import logs_in, writer_folders
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.journal import frames, journals
from yumen_plugins.audit.log.note import opened
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.signing import KeyChain
from yumen_plugins.audit.subjects import Keyring

ROOT = b"s" * 32
EXCHANGE, OPERATION = "exchange", "operation"
ADMIN = "admin:k62ee510ea0"


class LedgerHost(UnitHost):
    """A host that remembers whom other plugins were told to forget, of which there are none.

    Only with `live` does the plugin search, drop and forget beside the writer.
    """

    def __init__(self, data_dir: Path, *, live: bool = False, root: bytes = ROOT) -> None:
        super().__init__(data_dir=data_dir, clock=RunningClock(), root=root, live=live)
        self.told: list[Erasure] = []

    def ahead(self, seconds: float) -> None:
        """Have its clock be ahead of the machine's, or behind."""
        self.clock.set(time.time() + seconds)

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        self.told.append(erasure)
        return {"anonymize": 3}


def host(data_dir: Path, *, live: bool = False) -> LedgerHost:
    """A host on a data directory with its secret."""
    data_dir.mkdir(exist_ok=True)
    (data_dir / "secret").write_bytes(ROOT)
    return LedgerHost(data_dir, live=live)


async def started(where: Path | LedgerHost, **config: Any) -> Audit:
    """The plugin, writing below a data directory."""
    plugin = Audit(AuditConfig(**config))
    await plugin.start(where if isinstance(where, LedgerHost) else host(where))
    return plugin


class Named(Plugin[NoConfig]):
    """Stands for what finds out whom an exchange is about, and masks: with it, records hold texts."""

    manifest: ClassVar[Manifest] = Manifest(name="named", version="1", sees="raw", mutates=True, masks=True)

    def __init__(self, subject: str) -> None:
        super().__init__(NoConfig())
        self.subject = subject

    async def on_request(self, exchange: Any) -> None:
        exchange._exchange.subject = self.subject


async def say(plugin: Audit, text: str = "hello", *, subject: str | None = None, **more: Any) -> Outcome:
    """One exchange through a chain with the plugin; with `subject`, which may be empty, its texts are kept."""
    engine = more.pop("engine", None) or saying(completion(f"re: {text}"))
    steps = [step(plugin)] if subject is None else [step(Named(subject)), step(plugin)]
    return await exchange(steps, engine, request(text), **more)


async def record(where: Path | LedgerHost, said: list[str], **config: Any) -> list[str]:
    """Run exchanges through a chain with the plugin; return their receipts."""
    plugin = await started(where, **config)
    receipts = []
    for text in said:
        outcome = await say(plugin, text)
        assert outcome.status == 200
        receipts.append(outcome.exchange.headers["x-audit-receipt"])
    await plugin.stop()
    return receipts


def call(action: str, **arguments: str) -> AdminCall:
    """What an operator asks of the plugin."""
    return cast(AdminCall, SimpleNamespace(action=action, arguments=arguments, actor=ADMIN))


def logs(data_dir: Path) -> list[Path]:
    """The folders of all logs."""
    return [log for writer in writer_folders(data_dir / "ledger") for log in logs_in(writer)]


def only_writer(data_dir: Path) -> Path:
    """The folder of the one writer that there is."""
    (writer,) = writer_folders(data_dir / "ledger")
    return writer


def keyring(data_dir: Path) -> Keyring:
    """The keys of subjects, opened as another process would."""
    return Keyring.open(data_dir, UnitHost(root=ROOT).secret("ledger", "subjects"))


def records(data_dir: Path, kind: str = "", *, texts: bool = False) -> list[dict[str, Any]]:
    """Every record that readers are given, log by log; of one kind, and with its texts opened."""
    keys = keyring(data_dir) if texts else None
    try:
        ledger = LedgerFolder(data_dir / "ledger", keys)
        found = [one for log in ledger.names() for _, one in ledger.records(log)]
    finally:
        if keys is not None:
            keys.close()
    return [one for one in found if kind in ("", one["kind"])]


def kinds(data_dir: Path, keep: str = "forever") -> list[str]:
    """The kinds of the records of the one writer's log, in their order."""
    ledger = LedgerFolder(data_dir / "ledger")
    return [one["kind"] for _, one in ledger.records(f"{only_writer(data_dir).name}/{keep}")]


def problems(data_dir: Path) -> list[str]:
    """What is wrong with the ledger, according to `verify`."""
    from yumen_plugins.audit.proving import verify_ledger

    chain = KeyChain.read(data_dir / "ledger")
    found = verify_ledger(data_dir / "ledger", [chain.eras[-1].public], now=lambda: time.time() + 1e9)
    return [str(one) for one in found.wrong]


def hold_together(data_dir: Path) -> None:
    """Every log is what its newest checkpoint says, which is signed, and so is every batch in its journals.

    `verify` says far more; this is what a crash could break, and is done in no time.
    """
    chain = KeyChain.read(data_dir / "ledger")
    for log in logs(data_dir):
        name = f"{log.parent.name}/{log.name}"
        files = LogFiles(log)
        head = opened(files.note, chain.origin(name), [era.public for era in chain.eras])
        assert head is not None, name
        assert (head.size, head.root) == (files.size, files.root()), name
        for _, path in journals(log):
            content = path.read_bytes()
            ends = [one.end for one in frames(content)]
            assert (ends or [0])[-1] == len(content), path
        for number, (index, _) in enumerate(files.entries()):
            assert number == index, name


def yumen_audit(data_dir: Path, *arguments: str, **env: str) -> Result:
    """A command of the plugin's command line on a data directory."""
    return CliRunner().invoke(main, ["audit", *arguments], env={"YUMEN_DATA": str(data_dir), **env})


def sealed_texts(one: dict[str, Any]) -> bytes:
    """What stands sealed in a record."""
    return base64.b64decode(one["sealed"]["texts"])


async def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for something that comes by itself. Error: TimeoutError."""
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(_soon, true):
        if time.monotonic() > end:
            raise TimeoutError("it did not come")


def _soon(true: Callable[[], Any]) -> bool:
    time.sleep(0.01)
    return bool(true())


def metric(plugin: Audit, name: str) -> int:
    """What the plugin has counted."""
    return int(cast(LedgerHost, plugin._host).captured.total(name))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def journal(data_dir: Path) -> Path:
    """The newest journal of the first log."""
    return journals(logs(data_dir)[0])[-1][1]
