"""What the commands share: where the ledger is, which keys are trusted, searching, and recording what was done."""

from __future__ import annotations

import contextlib
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from yumen import CannotStart, Hmac, Operation, Settings
from yumen_plugins.audit.entries import encoded
from yumen_plugins.audit.folder import FOREVER, WriterFolder, old_folders, writer_folders
from yumen_plugins.audit.index import IndexUnavailable, Query
from yumen_plugins.audit.index.sqlite import SqliteIndex
from yumen_plugins.audit.log.appender import LogBroken
from yumen_plugins.audit.log.note import public_of
from yumen_plugins.audit.reading import LedgerFolder, keyring_of, root_secret, unreadable
from yumen_plugins.audit.record import moment, operation_record
from yumen_plugins.audit.searching import FILE, Search
from yumen_plugins.audit.signing import NAME, KeyChain, Signing, current_public
from yumen_plugins.audit.subjects import Keyring, KeyringUnavailable

FOLDER = "ledger"
ACTOR = "cli"
TAKE_IT = "take it from `yumen audit key`"
# Fewer entries are indexed before a bar could be seen.
PROGRESS_FROM = 5_000

Command = TypeVar("Command", bound=Callable[..., Any])
FILTERS = {
    "since": "Not before: RFC 3339, a day, or how long ago (-24h, -7d).",
    "until": "Before: likewise.",
    "tenant": "Only of this tenant.",
    "route": "Only of this route.",
    "subject": "Only about this subject: its digest, as records write it.",
    "outcome": "Only with this outcome.",
    "decision": "Only where this was decided: allow, respond, fault, block.",
    "rule": "Only where this rule found or decided something.",
    "type": "Only with findings of this category.",
}


def filters(command: Command) -> Command:
    """Options of a command for what `Query` knows."""
    for name, what in reversed(FILTERS.items()):
        command = click.option(f"--{name}", default="", help=what)(command)
    return command


def query_of(asked: dict[str, str], **more: str) -> Query:
    """The query of the options that were given. Error: `CannotStart`."""
    try:
        return Query.parse({name: value for name, value in {**asked, **more}.items() if value})
    except ValueError as error:
        raise CannotStart(f"{error}; see --help") from None


def folder_of(settings: Settings, ledger: Path | None) -> Path:
    """The ledger's folder. Error: `CannotStart` where there is none, or nothing in it that could be a writer's."""
    folder = ledger or settings.data_dir / FOLDER
    try:
        if folder.is_dir() and (writer_folders(folder) or old_folders(folder)):
            return folder
    except OSError as error:
        raise CannotStart(f"cannot read {folder}: {error.strerror}; run this as the user who owns it") from None
    raise CannotStart(f"there is no ledger at {folder}; name its folder, or set YUMEN_DATA")


def trusted_keys(settings: Settings, given: str, folder: Path) -> tuple[list[bytes], str]:
    """The public keys that are trusted, and the gateway that they are of where they say so.

    They are those that were given, as text or in a file, or the gateway's own; none where the ledger has no signed logs.
    Error: `CannotStart`.
    """
    if given:
        try:
            path = Path(given)
            lines = (path.read_text() if "+" not in given or path.is_file() else given).split()
            named = [public_of(line) for line in lines]
        except OSError as error:
            raise CannotStart(f"cannot read the key: {error.strerror}; {TAKE_IT}") from None
        except UnicodeDecodeError:
            raise CannotStart(f"cannot use the key: the file is not text; {TAKE_IT}") from None
        except ValueError as error:
            raise CannotStart(f"cannot use the key: {error}; {TAKE_IT}") from None
        gateways = {name.removeprefix(f"{NAME}/") for name, _ in named}
        if len(gateways) != 1:
            raise CannotStart(f"cannot use the key: it names {len(gateways)} gateways and not one; {TAKE_IT}")
        return [public for _, public in named], gateways.pop()
    own = current_public(settings.data_dir)
    if own is None and not writer_folders(folder):
        return [], ""
    if own is None:
        raise CannotStart(
            "no key is trusted: name with --key the one that `yumen audit key` printed at the gateway, or set YUMEN_DATA"
        )
    return [own], ""


def old_mac(settings: Settings, secret: Path | None) -> Hmac | None:
    """The code's key of ledgers of version 1, or None without the gateway's secret. Error: `CannotStart`."""
    root = root_secret(settings, secret)
    return Hmac(root.derive("ledger")) if root is not None else None


def own_keyring(settings: Settings) -> Keyring | None:
    """The keys of subjects in the data directory, if there are any. Error: `CannotStart`."""
    root = root_secret(settings)
    return keyring_of(settings.data_dir, root) if root is not None else None


def open_keys(settings: Settings) -> Keyring:
    """The keys of subjects. Error: `CannotStart` where the gateway has made none yet."""
    keys = own_keyring(settings)
    if keys is None:
        raise CannotStart(
            f"there are no keys of subjects in {settings.data_dir}; start the gateway once, or set YUMEN_DATA"
        )
    return keys


@contextlib.contextmanager
def searching(settings: Settings, ledger: Path | None = None, *, texts: bool = True) -> Iterator[Search]:
    """The ledger with an index that is up to date; for a folder elsewhere a passing one. Error: `CannotStart`."""
    folder = folder_of(settings, ledger)
    with contextlib.ExitStack() as stack:
        keys = own_keyring(settings) if texts else None
        if keys is not None:
            stack.callback(keys.close)
        place = Path(stack.enter_context(TemporaryDirectory())) if ledger is not None else settings.data_dir
        index = SqliteIndex(place / FILE, lambda what: click.echo(f"yumen: {what}", err=True))
        try:
            index.open()
            search = Search(LedgerFolder(folder, keys), index)
            stack.callback(search.close)
            behind = search.behind()
            quiet = behind < PROGRESS_FROM or not sys.stderr.isatty()
            with Progress(console=Console(stderr=True), disable=quiet) as progress:
                task = progress.add_task("indexing", total=behind)
                search.catch_up(lambda count: progress.advance(task, count))
            yield search
        except OSError as error:
            raise unreadable(error) from None
        except IndexUnavailable as error:
            raise CannotStart(f"{error}; delete {place / FILE} to have the index made anew") from None
        except KeyringUnavailable as error:
            raise CannotStart(str(error)) from None


@contextlib.contextmanager
def writing(settings: Settings, path: Path | None = None) -> Iterator[WriterFolder]:
    """A writer's folder of this process's own, or the one at `path`, beside those of a gateway that runs.

    Errors: `CannotStart`; BlockingIOError where another process has that one.
    """
    ledger = settings.data_dir / FOLDER
    folder: WriterFolder | None = None
    try:
        signing = Signing.open(settings.data_dir, ledger, lambda: moment(time.time()))
        if path is None:
            folder = WriterFolder.take(ledger, signing, time.time, version("yumen"))
        else:
            folder = WriterFolder(path, signing, time.time, version("yumen"))
            folder.begin("start")
        try:
            yield folder
        except (OSError, LogBroken):
            raise
        except BaseException:
            # What was asked for was refused or broken off, and not the writing: the log says that it ended in order.
            folder.stop()
            raise
        folder.stop()
    except BlockingIOError:
        raise
    except OSError as error:
        raise CannotStart(f"cannot write {ledger}: {error.strerror}; run this as the user who owns it") from None
    except LogBroken as error:
        raise CannotStart(f"cannot write {ledger}: {error}; run `yumen audit verify`") from None
    finally:
        if folder is not None:
            folder.close()


def recorded(settings: Settings, folder: WriterFolder, operation: Operation) -> str:
    """Record what was done, durably; its receipt. Errors: OSError; `CannotStart`."""
    mac = old_mac(settings, None)
    if mac is None:
        raise CannotStart(f"there is no secret in {settings.data_dir}; set YUMEN_DATA")
    operation_id = secrets.token_hex(16)
    receipt = f"{folder.writer}.{mac(operation_id.encode())[:16].hex()}"
    folder.write(FOREVER, encoded(operation_record(operation, operation_id, receipt))).sync()
    return receipt


def key_chain(folder: Path) -> KeyChain:
    """The keys of a ledger. Error: `CannotStart`."""
    try:
        return KeyChain.read(folder)
    except OSError as error:
        raise unreadable(error) from None
    except ValueError as error:
        raise CannotStart(f"the keys of {folder} do not hold: {error}") from None


def cell(value: Any) -> Text:
    """A value without anything that a terminal would act on; as text, so that nothing in it is taken for markup."""
    return Text("".join(char if char.isprintable() else "?" for char in string(value)))


def string(value: Any) -> str:
    """A value as text; an unverified record may be nested deeper than there is room for."""
    try:
        return str(value)
    except (RecursionError, ValueError):
        return "?"
