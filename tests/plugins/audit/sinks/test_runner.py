"""What holds for every sink: what is carried, in which batches, and what stops it. The target is a real file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.sinks.carrying import (
    FOREVER,
    FORMATS,
    HALF_A_YEAR,
    Lines,
    SizedLines,
    carried,
    cursor,
    exchange,
    only,
    wait_for,
)

from yumen import CannotStart
from yumen_plugins.audit.sinks import FileSink, Item, SinkConfig, Sinks, runner, target
from yumen_plugins.audit.sinks.file import FileTarget
from yumen_plugins.audit.sinks.runner import Sink

Start = Callable[..., Sinks]


def config(**more: Any) -> FileSink:
    return FileSink(**{"name": "siem", "path": "out.jsonl", "flush_s": 0.02, **more})


def arrived(data: Path) -> dict[str, list[int]]:
    path = data / "out.jsonl"
    return carried(path.read_bytes().split(b"\n")[:-1]) if path.exists() else {}


@pytest.fixture
def start(ledger: Lines, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a sink to a file; it is stopped after the test."""
    monkeypatch.setattr(target, "BACKOFF_S", 0.01)
    monkeypatch.setattr(runner, "TURN_S", 0.05)
    started: list[Sinks] = []

    def begin(source: Any = ledger, formats: Any = FORMATS, **more: Any) -> Sinks:
        sinks = Sinks([config(**more)], source, formats, data)
        sinks.start()
        started.append(sinks)
        return sinks

    yield begin
    for sinks in started:
        sinks.stop()


def test_only_the_wanted_kinds_are_carried(start: Start, ledger: Lines, data: Path) -> None:
    """Other kinds are passed over, and the cursor passes them too."""
    kinds = ["start", "exchange", "operation", "checkpoint", "intent", "checkpoint"]
    ledger.add(FOREVER, ({"seq": seq, "kind": kind} for seq, kind in enumerate(kinds)))
    start()
    wait_for(lambda: cursor(data) == {FOREVER: 6})
    assert arrived(data) == {FOREVER: [1, 2, 4]}


def test_records_that_come_later_are_carried(start: Start, ledger: Lines, data: Path) -> None:
    """A sink that has caught up goes on when there is more, in a log that it has not seen too."""
    ledger.fill(FOREVER, 0, 3)
    sinks = start()
    wait_for(lambda: cursor(data) == {FOREVER: 3})
    ledger.fill(FOREVER, 3, 2)
    ledger.fill(HALF_A_YEAR, 0, 2)
    wait_for(lambda: cursor(data) == {FOREVER: 5, HALF_A_YEAR: 2})
    assert arrived(data) == {FOREVER: [0, 1, 2, 3, 4], HALF_A_YEAR: [0, 1]}
    wait_for(lambda: only(sinks).state == "running")
    assert only(sinks).behind == 0


def test_a_restart_goes_on_where_it_was(start: Start, ledger: Lines, data: Path) -> None:
    """Nothing comes twice after a stop in good order."""
    ledger.fill(FOREVER, 0, 3)
    sinks = start()
    wait_for(lambda: cursor(data) == {FOREVER: 3})
    assert sinks.stop()
    ledger.fill(FOREVER, 3, 3)
    start()
    wait_for(lambda: cursor(data) == {FOREVER: 6})
    assert arrived(data) == {FOREVER: [0, 1, 2, 3, 4, 5]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"8d0eb8ae/forever": 3',
        b"\0" * 20,
        b'{"8d0eb8ae/forever": -1}',
        b'{"../x": 1}',
        b"[]",
        b'{"8d0eb8ae/forever": 1e3}',
        None,
    ],
)
def test_a_torn_cursor_stops_the_sink(start: Start, ledger: Lines, data: Path, content: bytes | None) -> None:
    """Guessing could lose records, so nothing is carried, and the status says what to delete; then all of it comes again."""
    ledger.fill(FOREVER, 0, 3)
    (data / "sinks").mkdir()
    path = data / "sinks" / "siem.json"
    os.mkfifo(path) if content is None else path.write_bytes(content)
    sinks = start()
    wait_for(lambda: only(sinks).state == "stopped")
    assert (only(sinks).last_error, arrived(data)) == ("cursor unreadable", {})
    assert "delete sinks/siem.json" in only(sinks).fix
    assert sinks.stop()
    path.unlink()
    start()
    wait_for(lambda: cursor(data) == {FOREVER: 3})


def test_a_cursor_beyond_the_ledger_stops_the_sink(start: Start, data: Path, tmp_path: Path) -> None:
    """After a ledger was restored from an older copy, records that it gains must not pass for carried."""
    source = SizedLines(tmp_path / "restored")
    source.fill(FOREVER, 0, 3)
    (data / "sinks").mkdir()
    (data / "sinks" / "siem.json").write_bytes(b'{"8d0eb8ae/forever": 5}')
    sinks = start(source)
    wait_for(lambda: only(sinks).state == "stopped")
    assert only(sinks).last_error == "cursor ahead of the ledger"


def test_a_record_without_a_form_stops_the_sink_behind_those_before_it(start: Start, ledger: Lines, data: Path) -> None:
    """It is not left out in silence, what stands before it is carried, and the status names its place and not its text."""

    def form(record: dict[str, Any]) -> bytes:
        if record["seq"] == 2:
            raise ValueError(record["request"][0]["text"])
        return msgspec.json.encode(record)

    ledger.fill(FOREVER, 0, 4)
    sinks = start(formats={"jsonl": form})
    wait_for(lambda: only(sinks).state == "stopped")
    assert only(sinks).last_error == f"format jsonl fails with ValueError at {FOREVER} 2"
    assert sinks.stop()
    assert (arrived(data), cursor(data)) == ({FOREVER: [0, 1]}, {FOREVER: 2})


def test_a_record_of_two_lines_is_refused(start: Start, ledger: Lines) -> None:
    """Whoever reads lines would take the second for a record of its own, which somebody else may have written."""
    ledger.fill(FOREVER, 0, 1)
    sinks = start(formats={"jsonl": lambda record: b"one\ntwo"})
    wait_for(lambda: only(sinks).state == "stopped")
    assert only(sinks).last_error == f"format jsonl makes more than one line at {FOREVER} 0"


def test_a_source_that_fails_is_read_again(start: Start, ledger: Lines, data: Path) -> None:
    """A ledger that cannot be read just now stops nothing for good."""

    class Failing(Lines):
        left = 3

        def read(self, after: dict[str, int], limit: int) -> list[Item]:
            self.left -= 1
            if self.left >= 0:
                raise OSError("13812345678")
            return super().read(after, limit)

    ledger.fill(FOREVER, 0, 2)
    sinks = start(Failing(ledger.folder))
    wait_for(lambda: cursor(data) == {FOREVER: 2})
    assert only(sinks).last_error == "fault OSError"


def test_one_of_several_carries(start: Start, ledger: Lines, data: Path) -> None:
    """Of two sinks with one name one waits, and takes over when the other ends; each record comes once."""
    ledger.fill(FOREVER, 0, 3)
    first = start()
    wait_for(lambda: cursor(data) == {FOREVER: 3})
    second = start()
    wait_for(lambda: only(second).state == "waiting")
    ledger.fill(FOREVER, 3, 3)
    wait_for(lambda: cursor(data) == {FOREVER: 6})
    assert first.stop()
    ledger.fill(FOREVER, 6, 3)
    wait_for(lambda: cursor(data) == {FOREVER: 9})
    assert only(second).state == "running"
    assert arrived(data) == {FOREVER: list(range(9))}


def test_names_and_formats_are_checked_before_anything_starts(ledger: Lines, data: Path) -> None:
    """Two sinks of one name would share a cursor, of one file cut each other's lines; without a format nothing goes."""
    with pytest.raises(CannotStart, match="two sinks have one name; give"):
        Sinks([config(), config(path="b")], ledger, FORMATS, data)
    with pytest.raises(CannotStart, match="two sinks write to one file; give"):
        Sinks([config(), config(name="other", path=str(data / "x" / ".." / "out.jsonl"))], ledger, FORMATS, data)
    (data / "round").symlink_to("round")
    with pytest.raises(CannotStart, match="wants the format cef"):
        Sinks([config(format="cef", path="round")], ledger, FORMATS, data)
    with pytest.raises(CannotStart, match="wants the format cef, which is not there; use one of jsonl"):
        Sinks([config(format="cef")], ledger, FORMATS, data)


@pytest.mark.parametrize(
    "said",
    [
        {"to": "kafka", "name": "a"},
        {"to": "file", "name": "../a", "path": "x"},
        {"to": "file", "name": "a", "path": "x", "kinds": []},
        {"to": "file", "name": "a", "path": "x", "kinds": ["part"]},
        {"to": "http", "name": "a", "url": "https://a", "headers_env": {"Authorization": "Bearer 密"}},
        {"to": "nats", "name": "a", "servers": ["nats://a"], "subject": "a.>", "stream": "s"},
        {"to": "s3", "name": "a", "bucket": "b/c"},
        {"to": "s3", "name": "a", "bucket": "abc", "prefix": "../"},
    ],
)
def test_a_config_that_cannot_work_is_refused(said: dict[str, Any]) -> None:
    """Names that would leave their folder, wildcards and unknown kinds never get as far as a target."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, SinkConfig)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2000)), max_size=40),
    st.integers(1_024, 4_096),
)
def test_batches_hold_every_record_once(shapes: list[tuple[bool, int]], batch_bytes: int) -> None:
    """Whatever the sizes and kinds: all wanted records in order, no batch too large unless it is one record."""
    sink = Sink(config(batch_bytes=batch_bytes), FileTarget(config(), Path()), Lines, FORMATS, Path("/nowhere"))  # type: ignore[arg-type]
    records = [
        {**exchange(seq, "长" * size), "kind": "exchange" if wanted else "stop"}
        for seq, (wanted, size) in enumerate(shapes)
    ]
    steps = list(sink._steps_of([Item(FOREVER, record["seq"], record) for record in records]))
    batches = [step.batch for step in steps if step.batch]
    assert [seq for batch in batches for seq, _ in batch.lines] == [
        seq for seq, (wanted, _) in enumerate(shapes) if wanted
    ]
    assert all(len(batch.body) <= batch_bytes or len(batch.lines) == 1 for batch in batches)
    assert [step.seq for step in steps][-1:] == ([len(shapes)] if shapes else [])
    assert all(step.seq == step.batch.last + 1 for step in steps[:-1] if step.batch)
