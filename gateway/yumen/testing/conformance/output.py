"""What is said outside of the gateway's log: on standard output and error, as warnings, through `logging`."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

OUT, ERR = 1, 2


class Output:
    """What was said, by the place in which it was; complete when the watching has ended.

    Records of the standard library's logging are noted where they are made, so that a logger with a handler of its own, or
    one whose lines nobody else gets, is no way around.
    """

    def __init__(self) -> None:
        self.printed = b""
        self.logged: list[str] = []
        self.warned: list[str] = []

    def holding(self, values: Collection[str]) -> list[str]:
        """The places in which one of some values stands."""
        printed = any(value.encode() in self.printed for value in values)
        found = ["standard output or error"] if printed else []
        for place, lines in (("a record of `logging`", self.logged), ("a warning", self.warned)):
            if any(value in line for value in values for line in lines):
                found.append(place)
        return found


class _Records(logging.Handler):
    """Formats what it is given, its traceback too."""

    def text(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        except Exception:  # a plugin may log what cannot be formatted
            return f"{record.msg!r} {record.args!r}"


@contextmanager
def listening() -> Iterator[Output]:
    """Take what this process prints, warns of and logs; nothing of it comes to whoever started the process."""
    output = Output()
    with ExitStack() as held:
        held.enter_context(_logged(output))
        noted = held.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        held.callback(lambda: output.warned.extend(str(one.message) for one in noted or ()))
        held.enter_context(_printed(output))
        yield output


@contextmanager
def _logged(output: Output) -> Iterator[None]:
    made, root, records = logging.getLogRecordFactory(), logging.getLogger(), _Records()

    def making(*arguments: Any, **named: Any) -> logging.LogRecord:
        record = made(*arguments, **named)
        output.logged.append(records.text(record))
        return record

    level = root.level
    logging.setLogRecordFactory(making)
    # What is below the usual level here may be above it in somebody's gateway.
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        logging.setLogRecordFactory(made)


@contextmanager
def _printed(output: Output) -> Iterator[None]:
    """Have both descriptors, and the streams that stand for them, lead to a file without a name."""
    with tempfile.TemporaryFile() as file, ExitStack() as held:
        for descriptor in (OUT, ERR):
            kept = os.dup(descriptor)
            held.callback(os.close, kept)
            held.callback(os.dup2, kept, descriptor)
        writer = held.enter_context(open(os.dup(file.fileno()), "w", encoding="utf-8", errors="replace"))
        _flush()
        held.enter_context(contextlib.redirect_stdout(writer))
        held.enter_context(contextlib.redirect_stderr(writer))
        for descriptor in (OUT, ERR):
            os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            _flush()
            writer.flush()
            file.seek(0)
            output.printed = file.read()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        # Whoever has no terminal may have no stream either, or one that is closed.
        with contextlib.suppress(ValueError, OSError):
            if stream is not None:
                stream.flush()
